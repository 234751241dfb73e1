"""Reads a picture that someone asks with: in a thread, a few at a time, within limits."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.errors import Overloaded, PayloadTooLarge
from contracts.space import Space
from encoding.pictures import decode_picture
from gateway.core.query import QueryPicture


class PictureTower(Protocol):
    """Knows what the image tower takes; `encoding.encoder.Encoder` does."""

    @property
    def space(self) -> Space:
        """The joint space that it speaks."""
        ...

    @property
    def image_size(self) -> int:
        """Edge of its input in pixels."""
        ...

    def prepare_picture(self, image: Image.Image) -> NDArray[np.uint8]:
        """UINT8 [size, size, 3]."""
        ...


class PictureReader:
    """Decodes query pictures. Use it inside one event loop.

    Args:
        tower: which tower a picture is read for, asked for each one.
        max_bytes: largest file.
        at_once: pictures decoded side by side; each may need a few hundred megabytes at the pixel limit.
        max_waiting: pictures that may wait for their turn.
    """

    def __init__(
        self, tower: Callable[[], PictureTower], *, max_bytes: int, at_once: int = 2, max_waiting: int = 16
    ) -> None:
        self._tower = tower
        self._max_bytes = max_bytes
        self._turns = asyncio.Semaphore(at_once)
        self._places = at_once + max_waiting

    async def read(self, data: bytes) -> QueryPicture:
        """A picture file as the image tower takes it.

        Raises:
            InvalidInput: empty or damaged. UnsupportedMedia: another kind of file.
            PayloadTooLarge: too many bytes or pixels. Overloaded: too many pictures wait already.
            DependencyDown: no index is known yet, so neither is the tower.
        """
        if len(data) > self._max_bytes:
            raise PayloadTooLarge(
                f"The picture has {len(data) / 2**20:.1f} MiB; at most {self._max_bytes / 2**20:.0f} MiB are read."
            )
        if self._places == 0:
            raise Overloaded("Too many pictures are being read at the moment.")
        self._places -= 1
        try:
            async with self._turns:
                return await asyncio.to_thread(self._decode, data)
        finally:
            self._places += 1

    def _decode(self, data: bytes) -> QueryPicture:
        tower = self._tower()
        image = decode_picture(data, target_edge=tower.image_size)
        return QueryPicture(tower.prepare_picture(image), hashlib.sha256(data).hexdigest(), tower.space.space_id)
