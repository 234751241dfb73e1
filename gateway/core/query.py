"""A search as the flows see it: checked, decoded, with every default filled in. Knows nothing of HTTP."""

import unicodedata
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.ids import DEFAULT_TENANT
from contracts.joint import Weights
from contracts.search import Filter


@dataclass(frozen=True, slots=True)
class QueryPicture:
    """A picture that someone asks with.

    Args:
        pixels: as the image tower takes them, UINT8 [size, size, 3].
        sha256: of the file's bytes, as hex digits.
    """

    pixels: NDArray[np.uint8]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """What to search for. At least one of `words` and `picture` is there.

    Args:
        words: normalised by `normalised`, or None.
        k: hits wanted, 1 to `contracts.search.MAX_K`.
        tier: value of the X-Traffic-Tier header, None when absent.
    """

    words: str | None
    picture: QueryPicture | None = None
    k: int = 10
    weights: Weights = field(default_factory=Weights)
    filter: Filter = field(default_factory=Filter)
    tier: str | None = None
    tenant: str = DEFAULT_TENANT


def normalised(words: str) -> str:
    """Words in one form of writing: NFC, runs of white space as one space, none at the ends.

    Case is kept: whether it carries meaning is for the encoder to say.
    """
    return " ".join(unicodedata.normalize("NFC", words).split())
