"""What the exports left beside the models: manifests and the space's description. Unknown fields are ignored."""

from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.errors import ConfigurationError
from contracts.space import OPENAI, Space, read_space, space_file
from encoding.pictures import CropRounding, Interpolation, ResizeRule, to_tensor

TEXT_API = "text_api"
"""Folder in the repository with the manifest of a text encoder that an API serves; Triton loads nothing there."""


class TextManifest(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a text tower's manifest that encoding needs. `tokenizer` is relative to the manifest."""

    model: str
    sha256: str
    dim: int
    max_length: int
    pad_token_id: int
    tokenizer: str
    query_prefix: str = ""
    passage_prefix: str = ""


class TextApiManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a text encoder that an embeddings API serves; no URL and no key.

    Args:
        api_model: as the server calls it.
        fingerprint: hex digits that differ between models.
        dimensions: width to ask the server for; None where it is the model's own.
        max_length: longest text in tokens, special ones included.
        tokenizer: relative to the manifest; None where none is known, and lengths are guessed.
        probe_text, probe_vector: a text and its unit vector, to tell the model from another of the same name.
    """

    api_model: str
    fingerprint: str
    dim: int
    dimensions: int | None
    encoding: Literal["base64", "float"]
    max_length: int
    tokenizer: str | None
    query_prefix: str
    passage_prefix: str
    probe_text: str
    probe_vector: list[float]

    @property
    def identity(self) -> str:
        """How a space names it."""
        return f"{OPENAI}{self.api_model}@{self.fingerprint}"


class AdmittedTo(msgspec.Struct, frozen=True, kw_only=True):
    """The space that a distilled tower was admitted to, by its figures."""

    space_id: str


class PictureRule(msgspec.Struct, frozen=True, kw_only=True):
    """How a model wants its pictures. Scaling and normalising are in the graph."""

    image_size: int
    resize: ResizeRule
    interpolation: Interpolation = "bicubic"
    shortest_edge: int | None = None
    crop_rounding: CropRounding = "down"

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """A decoded RGB picture as the model takes it, UINT8 [image_size, image_size, 3]."""
        return to_tensor(
            image,
            self.image_size,
            self.resize,
            interpolation=self.interpolation,
            shortest_edge=self.shortest_edge,
            crop_rounding=self.crop_rounding,
        )


class ImageManifest(PictureRule, frozen=True, kw_only=True):
    """The part of an image tower's manifest that encoding needs.

    Args:
        admitted: None for the space's own tower.
    """

    model: str
    sha256: str
    dim: int
    admitted: AdmittedTo | None = None

    def takes_the_same(self, other: "ImageManifest") -> bool:
        """Whether a picture prepared for one of the two fits the other, and their vectors are of one width."""
        own = {"model", "sha256", "admitted"}
        mine, theirs = msgspec.structs.asdict(self), msgspec.structs.asdict(other)
        return all(mine[name] == theirs[name] for name in mine.keys() - own)


T = TypeVar("T")


def read_manifest(repository: Path, model: str, kind: type[T]) -> T:
    """A model's manifest.

    Raises:
        ConfigurationError: the model was not exported, or its manifest is damaged.
    """
    path = repository / model / "manifest.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as exc:
        raise ConfigurationError(f"The model '{model}' is not exported yet: run `trireme setup`.") from exc
    except msgspec.DecodeError as exc:
        raise ConfigurationError(f"The manifest of the model '{model}' is damaged: export it again.") from exc


def load_space(repository: Path, space_id: str | None = None) -> Space:
    """The joint space that the exported models speak: the repository's first one, or another by its id.

    Raises:
        ConfigurationError: it was not exported yet.
        BadMessage: it is damaged.
    """
    try:
        data = (repository / space_file(space_id)).read_bytes()
    except OSError as exc:
        raise ConfigurationError("The joint space is not described yet: run `trireme setup`.") from exc
    return read_space(data)
