"""A search as the flows see it: checked, decoded, with every default filled in. Knows nothing of HTTP."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.ids import DEFAULT_TENANT
from contracts.joint import Weights
from contracts.search import Filter
from contracts.visible import visible


@dataclass(frozen=True, slots=True)
class QueryPicture:
    """A picture that someone asks with.

    Args:
        pixels: as the image tower takes them, UINT8 [size, size, 3].
        sha256: of the file's bytes, as hex digits.
        space_id: the joint space of that tower; the search goes to an index of it.
        weight: how much it counts beside the other pictures; below zero for "not like this".
    """

    pixels: NDArray[np.uint8]
    sha256: str
    space_id: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What a request tells about who asks, for experiments; never more than that.

    Args:
        user, session: values of the X-User-Id and X-Session-Id headers, None when absent.
        forced: experiment to variant, from the X-Experiment header.
    """

    user: str | None = None
    session: str | None = None
    forced: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """What to search for. At least one of `words` and `pictures` is there.

    Args:
        words: normalised by `normalised`, or None.
        k: hits wanted, 1 to `contracts.search.MAX_K`; where they are grouped, documents.
        per_document: hits of a document in its group; None where hits are not grouped.
        tier: value of the X-Traffic-Tier header, None when absent.
        own_weights: whether the request brought weights.
    """

    words: str | None
    pictures: tuple[QueryPicture, ...] = ()
    k: int = 10
    weights: Weights = field(default_factory=Weights)
    filter: Filter = field(default_factory=Filter)
    tier: str | None = None
    per_document: int | None = None
    tenant: str = DEFAULT_TENANT
    own_weights: bool = False
    caller: Caller = field(default_factory=Caller)


def normalised(words: str) -> str:
    """Words in one form of writing: NFC, runs of white space as one space, none at the ends, nothing invisible.

    Case is kept: whether it carries meaning is for the encoder to say.
    """
    # White space first: some of it, such as a tab, is a control character too.
    return " ".join(visible(unicodedata.normalize("NFC", " ".join(words.split()))).split())
