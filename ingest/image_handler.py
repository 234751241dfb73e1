"""The vision embedder's own work: a document's pictures become vectors, thumbnails and the image half."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.errors import DocumentFailed, InvalidInput
from contracts.halves import Half, MachineCaption, Picture
from contracts.keys import picture_key, thumbnail_key
from contracts.space import Space
from contracts.topics import Stage
from contracts.trace import TraceContext
from encoding.pictures import decode_picture
from ingest.cleanup import Cleaner
from ingest.extraction.types import ExtractedPicture
from ingest.halves import fetch, store_half, vector_bytes
from ingest.patience import Patience
from ingest.picture_captions import PictureCaptions
from ingest.work import Outcome, Work
from runtime.object_store import ObjectStore

GROUP = 64
_PUTS_AT_ONCE = 8


class PictureReader(Protocol):
    """Takes pictures out of documents; `ingest.extraction.run.Extractor` does."""

    async def extract_pictures(self, data: bytes, content_type: str) -> list[ExtractedPicture]:
        """Pictures in reading order. Raises DocumentFailed."""
        ...


class PictureEncoder(Protocol):
    """Turns pictures into vectors; `encoding.encoder.Encoder` does."""

    @property
    def space(self) -> Space:
        """The space that the vectors belong to."""
        ...

    @property
    def image_size(self) -> int:
        """Edge of the model's input in pixels."""
        ...

    def prepare_picture(self, image: Image.Image) -> NDArray[np.uint8]:
        """A picture as the model takes it."""
        ...

    async def embed_pictures(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> NDArray[np.float32]:
        """Float32 [n, image_dim]."""
        ...


class ImageHandler:
    """Handles `file_added` for the consumer group of the vision embedder.

    Args:
        embed_timeout_s: longest wait for the vectors of one group of pictures.
        captions: None where no captioner is served.
    """

    stage: Stage = "image"
    announces = True

    def __init__(
        self,
        store: ObjectStore,
        reader: PictureReader,
        encoder: PictureEncoder,
        *,
        patience: Patience,
        embed_timeout_s: float,
        captions: PictureCaptions | None = None,
    ) -> None:
        self._store = store
        self._reader = reader
        self._encoder = encoder
        self._patience = patience
        self._embed_timeout_s = embed_timeout_s
        self._captions = captions

    async def handle(self, work: Work) -> Outcome:
        """Make the image half of an added document; remove what was made of a deleted one."""
        document = work.document
        if document.event == "deleted":
            cleaner = Cleaner(self._store)
            await self._patience(lambda: cleaner.drop_derived(document.doc_id, before_version=work.version))
            return Outcome()
        data, content_type = await fetch(self._store, document, self._patience)
        found = await self._reader.extract_pictures(data, content_type)
        pictures: list[Picture] = []
        for start in range(0, len(found), GROUP):
            group = found[start : start + GROUP]
            vectors = await self._embed(work, group)
            captions = await self._captions.of(work, group) if self._captions else [None] * len(group)
            await self._keep(work, group)
            pictures += [
                _picture(work, picture, vector, caption)
                for picture, vector, caption in zip(group, vectors, captions, strict=True)
            ]
        space = self._encoder.space
        half = Half(
            tenant=document.tenant,
            doc_id=document.doc_id,
            version=work.version,
            space_id=space.space_id,
            half="image",
            model=space.encoders["clip_image"],
            document=document,
            pictures=tuple(pictures),
        )
        return await store_half(self._store, half, len(pictures), self._patience)

    async def _embed(self, work: Work, group: Sequence[ExtractedPicture]) -> NDArray[np.float32]:
        tensors = await asyncio.to_thread(lambda: [self._tensor(picture) for picture in group])
        return await self._patience(
            lambda: self._encoder.embed_pictures(
                tensors, priority=work.priority, timeout_s=self._embed_timeout_s, trace=work.trace
            )
        )

    def _tensor(self, picture: ExtractedPicture) -> NDArray[np.uint8]:
        try:
            image = decode_picture(picture.data, target_edge=self._encoder.image_size)
        except InvalidInput as exc:
            raise DocumentFailed("corrupt", exc.message) from exc
        return self._encoder.prepare_picture(image)

    async def _keep(self, work: Work, group: Sequence[ExtractedPicture]) -> None:
        """Store pictures and thumbnails, a few at a time."""
        doc_id, version = work.document.doc_id, work.version
        objects = [(picture_key(doc_id, version, p.ordinal), p.data) for p in group]
        objects += [(thumbnail_key(doc_id, version, p.ordinal), p.thumbnail) for p in group]
        for start in range(0, len(objects), _PUTS_AT_ONCE):
            await asyncio.gather(*(self._put(key, data) for key, data in objects[start : start + _PUTS_AT_ONCE]))

    async def _put(self, key: str, data: bytes) -> None:
        await self._patience(lambda: self._store.put(key, data))


def _picture(
    work: Work, picture: ExtractedPicture, vector: NDArray[np.float32], caption: MachineCaption | None
) -> Picture:
    return Picture(
        ordinal=picture.ordinal,
        page=picture.page,
        box=picture.box,
        anchor=picture.anchor,
        caption=picture.caption,
        width=picture.width,
        height=picture.height,
        picture_key=picture_key(work.document.doc_id, work.version, picture.ordinal),
        thumbnail_key=thumbnail_key(work.document.doc_id, work.version, picture.ordinal),
        vector=vector_bytes(vector),
        machine_caption=caption,
    )
