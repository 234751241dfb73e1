"""The joint space: which encoders speak it, how wide its halves are, what its mean vectors are.

The space id is a hash of all that decides what a number means; every vector, query and index names it.
"""

import hashlib
from functools import cached_property
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadMessage, SpaceMismatch

Tower = Literal["text", "clip_text", "clip_image"]
TOWERS: tuple[Tower, ...] = ("text", "clip_text", "clip_image")

_NAME_DIGITS = 12
"""Digits of a space's id in names of models, as in names of generations."""

TextRole = Literal["query", "passage"]
"""What a text is embedded as: E5, BGE and their kin are trained to see other words before a question."""

OPENAI = "openai:"
"""How the encoder of a text half begins that an OpenAI-compatible API serves: "openai:model@fingerprint"."""


class Space(msgspec.Struct, frozen=True, kw_only=True, dict=True, omit_defaults=True):
    """Description of a joint space, as the export writes it to `model_repository/space.json`.

    Args:
        encoders: reference encoder of each tower, "model@sha256 of its graph and weights".
        text_dim, image_dim: widths of the two halves.
        centred: whether each half has its tower's mean taken off before it is made unit.
        means: float list per tower, the mean of unit vectors over the sample named in the export's manifest.
        query_prefix, passage_prefix: words that the text encoder is given before a question and before a passage.
            They are part of what a vector means; a space without any has the id that it had before they existed.
    """

    encoders: dict[str, str]
    text_dim: int
    image_dim: int
    centred: bool
    means: dict[str, list[float]]
    query_prefix: str = ""
    passage_prefix: str = ""

    @property
    def dim(self) -> int:
        """Width of a joint vector."""
        return self.text_dim + self.image_dim

    @cached_property
    def space_id(self) -> str:
        """16 hex digits that change whenever a vector's meaning changes."""
        canonical = msgspec.json.encode(self, order="sorted")
        return hashlib.sha256(canonical).hexdigest()[:16]

    @cached_property
    def _mean_arrays(self) -> dict[str, NDArray[np.float32]]:
        return {tower: np.asarray(self.means[tower], dtype=np.float32) for tower in TOWERS}

    def width(self, tower: Tower) -> int:
        """Width of a tower's vectors."""
        return self.text_dim if tower == "text" else self.image_dim

    def mean(self, tower: Tower) -> NDArray[np.float32]:
        """Mean vector of a tower, float32 [width]; zeros where the space does not centre."""
        if not self.centred:
            return np.zeros(self.width(tower), dtype=np.float32)
        return self._mean_arrays[tower]

    def prefix(self, role: TextRole) -> str:
        """What the text encoder is given before a text of this role."""
        return self.query_prefix if role == "query" else self.passage_prefix

    @property
    def text_by_api(self) -> bool:
        """Whether the text half comes from an embeddings API and not from the model repository."""
        return self.encoders["text"].startswith(OPENAI)

    def require(self, space_id: str) -> None:
        """Check that something belongs to this space.

        Raises:
            SpaceMismatch: it names another one.
        """
        if space_id != self.space_id:
            raise SpaceMismatch(f"Vectors of space {space_id} cannot be used in space {self.space_id}.")


def space_file(space_id: str | None = None) -> str:
    """Name of a space's description in a model repository; None stands for the repository's first space."""
    return f"space.{space_id}.json" if space_id else "space.json"


def named_in_space(name: str, space_id: str | None) -> str:
    """Name of a space's model in the repository, and on Triton, by what it is called in the first space.

    The models of the first space (None) have plain names; those of every other end in the beginning of its id.
    """
    return f"{name}_{space_id[:_NAME_DIGITS]}" if space_id else name


def read_space(data: bytes) -> Space:
    """Read and check a space description.

    Raises:
        BadMessage: not JSON of this form, a tower is missing, or a mean has another width than its tower.
    """
    try:
        space = msgspec.json.decode(data, type=Space)
    except msgspec.DecodeError as exc:
        raise BadMessage(f"The description of the joint space cannot be read: {exc}") from exc
    for tower in TOWERS:
        if tower not in space.encoders or len(space.means.get(tower, ())) != space.width(tower):
            raise BadMessage(f"The description of the joint space lacks a proper '{tower}' tower.")
    return space
