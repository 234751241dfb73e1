"""Captions of pictures by the model `captioner` on Triton, where one has been exported."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.errors import DependencyFailed
from contracts.tensors import CAPTIONER
from contracts.trace import TraceContext
from encoding.batches import a_few_at_a_time, slices
from encoding.manifests import PictureRule, read_manifest

# As many as the backend gathers into two batches: one is worked on while the other waits.
_IN_FLIGHT = 8


class CaptionerManifest(PictureRule, frozen=True, kw_only=True):
    """The part of a captioner's manifest that callers need."""

    model: str
    sha256: str


class ModelStream(Protocol):
    """Streams a decoupled model; `runtime.triton.TritonClient` does."""

    def stream(
        self,
        model: str,
        inputs: Mapping[str, NDArray[Any]],
        *,
        first_timeout_s: float,
        trace: TraceContext | None = None,
    ) -> AsyncGenerator[Mapping[str, NDArray[Any]], None]:
        """Each response's outputs by name."""
        ...


def has_captioner(repository: Path) -> bool:
    """Whether a captioner has been exported."""
    return (repository / CAPTIONER / "manifest.json").is_file()


class Captioner:
    """Says in words what pictures show. Use it inside one event loop.

    Raises:
        ConfigurationError: no captioner is exported, or its manifest is damaged.
    """

    def __init__(self, models: ModelStream, repository: Path) -> None:
        self._models = models
        self._manifest = read_manifest(repository, CAPTIONER, CaptionerManifest)

    @property
    def name(self) -> str:
        """Which model it is: "captioner@" and the beginning of its SHA-256."""
        return f"{CAPTIONER}@{self._manifest.sha256[:12]}"

    @property
    def image_size(self) -> int:
        """Edge of the model's input in pixels."""
        return self._manifest.image_size

    def prepare_picture(self, image: Image.Image) -> NDArray[np.uint8]:
        """A decoded RGB picture as the model takes it, UINT8 [size, size, 3]."""
        return self._manifest.prepare(image)

    async def caption(
        self, pictures: Sequence[NDArray[np.uint8]], *, timeout_s: float, trace: TraceContext | None = None
    ) -> list[str]:
        """A caption for each prepared picture; empty where the model finds no words.

        Args:
            timeout_s: longest wait for any one of them.

        Raises:
            DependencyDown, Overloaded, DeadlineExceeded, DependencyFailed: see `TritonClient.infer`.
        """
        captions = [""] * len(pictures)

        async def run(rows: Sequence[int]) -> None:
            for row in rows:
                captions[row] = await self._one(pictures[row], timeout_s, trace)

        await a_few_at_a_time(run, slices(len(pictures), 1), _IN_FLIGHT)
        return captions

    async def _one(self, picture: NDArray[np.uint8], timeout_s: float, trace: TraceContext | None) -> str:
        responses = self._models.stream(CAPTIONER, {"image": picture}, first_timeout_s=timeout_s, trace=trace)
        async with aclosing(responses):
            async for outputs in responses:
                caption = outputs.get("caption")
                if caption is not None and caption.size == 1:
                    return " ".join(bytes(caption.reshape(-1)[0]).decode("utf-8", "replace").split())
        raise DependencyFailed("triton", "The captioner's answer has another form than agreed.")
