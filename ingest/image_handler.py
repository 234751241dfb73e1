"""The vision embedder's own work: a document's pictures become vectors, thumbnails and the image half."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.documents import FileAdded
from contracts.errors import DocumentFailed, InvalidInput
from contracts.halves import Half, MachineCaption, Picture
from contracts.keys import picture_key, thumbnail_key
from contracts.space import Space
from contracts.topics import Stage
from contracts.trace import TraceContext
from encoding.pictures import decode_picture
from ingest.cleanup import Cleaner
from ingest.embedding.checkpoint import Checkpoints, Progress
from ingest.embedding.digests import digest
from ingest.embedding.row_vectors import RowVectors
from ingest.embedding.spaces import SpaceVectors
from ingest.extraction.types import ExtractedPicture
from ingest.halves import fetch, in_every_space, store_half
from ingest.patience import Patience
from ingest.picture_captions import CaptionEncoder, PictureCaptions
from ingest.work import Outcome, Work
from runtime.object_store import ObjectStore

# Pictures whose vectors are asked for together: what fills a call, and what one document may have waiting.
_GROUP = 64
_PUTS_AT_ONCE = 8

Tensor = NDArray[np.uint8]


class PictureReader(Protocol):
    """Takes pictures out of documents; `ingest.extraction.run.Extractor` does."""

    async def extract_pictures(self, data: bytes, content_type: str) -> list[ExtractedPicture]:
        """Pictures in reading order. Raises DocumentFailed."""
        ...


class PictureEncoder(CaptionEncoder, Protocol):
    """Turns pictures, and words about them, into vectors; `encoding.encoder.Encoder` does."""

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

    async def pictures_at_once(self, *, timeout_s: float) -> int:
        """Most pictures that one request takes."""
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


class PictureEncoders(Protocol):
    """Knows the spaces that take documents; `ingest.live_encoders.LiveEncoders` does."""

    async def wanted(self, document: FileAdded) -> Sequence[PictureEncoder]:
        """Encoders of the spaces that this document belongs in, that of the serving index first."""
        ...


class ImageHandler:
    """Handles `file_added` for the consumer group of the vision embedder.

    Args:
        embed_timeout_s: longest wait for the vectors of one call.
        bulk_reader: reads backfills' documents, which thereby hold up nobody's upload; `reader` where not given.
        captions: None where no captioner is served.
    """

    stage: Stage = "image"
    announces = True

    def __init__(
        self,
        store: ObjectStore,
        reader: PictureReader,
        encoders: PictureEncoders,
        vectors: SpaceVectors[ExtractedPicture, Tensor],
        checkpoints: Checkpoints,
        *,
        patience: Patience,
        embed_timeout_s: float,
        bulk_reader: PictureReader | None = None,
        captions: PictureCaptions | None = None,
    ) -> None:
        self._store = store
        self._reader = reader
        self._bulk_reader = bulk_reader or reader
        self._encoders = encoders
        self._vectors = vectors
        self._checkpoints = checkpoints
        self._patience = patience
        self._embed_timeout_s = embed_timeout_s
        self._captions = captions

    async def handle(self, work: Work) -> Outcome:
        """Make the image half of an added document, in every live space; remove what was made of a deleted one."""
        document = work.document
        if document.event == "deleted":
            cleaner = Cleaner(self._store)
            await self._patience(lambda: cleaner.drop_derived(document.doc_id, before_version=work.version))
            return Outcome()
        async with self._checkpoints.of(work) as progress:
            found = await self._read(work, progress)
            groups = [found[start : start + _GROUP] for start in range(0, len(found), _GROUP)]
            words = [await self._words(work, group, progress) for group in groups]
            encoders = await self._encoders.wanted(document)
            outcome = await in_every_space(
                document,
                encoders,
                lambda encoder, event: self._half(work, event, groups, words, encoder, progress),
            )
            if not work.is_silent:
                for group in groups:
                    await self._keep(work, group)
        return self._checkpoints.done(outcome, progress)

    async def _read(self, work: Work, progress: Progress) -> list[ExtractedPicture]:
        data, content_type = await fetch(self._store, work.document, self._patience)
        if progress.read is not None:
            found, progress.read = msgspec.msgpack.decode(progress.read, type=list[ExtractedPicture]), None
        else:
            reader = self._bulk_reader if work.is_bulk else self._reader
            found = await reader.extract_pictures(data, content_type)
        progress.encode_read = lambda: msgspec.msgpack.encode(found)
        return found

    async def _words(
        self, work: Work, group: Sequence[ExtractedPicture], progress: Progress
    ) -> Sequence[str] | None:
        """What the captioner says of the pictures; remembered, because it takes longer than all else."""
        if self._captions is None:
            return None
        names = [digest(work.document.tenant, "", "image", picture.data) for picture in group]
        if not all(name in progress.made for name in names):
            said = await self._captions.words(work, group)
            progress.made |= {name: each.encode() for name, each in zip(names, said, strict=True)}
        return [progress.made[name].decode() for name in names]

    async def _half(
        self,
        work: Work,
        event: FileAdded,
        groups: Sequence[Sequence[ExtractedPicture]],
        words: Sequence[Sequence[str] | None],
        encoder: PictureEncoder,
        progress: Progress,
    ) -> Outcome:
        pictures: list[Picture] = []
        for group, said in zip(groups, words, strict=True):
            vectors = await self._embed(work, group, encoder, progress)
            captions: Sequence[MachineCaption | None] = [None] * len(group)
            if self._captions is not None and said is not None:
                captions = await self._captions.captions(work, said, encoder)
            pictures += [
                picture_of(work, picture, vector, caption)
                for picture, vector, caption in zip(group, vectors, captions, strict=True)
            ]
        space = encoder.space
        half = Half(
            tenant=event.tenant,
            doc_id=event.doc_id,
            version=work.version,
            space_id=space.space_id,
            half="image",
            model=space.encoders["clip_image"],
            document=event,
            pictures=tuple(pictures),
        )
        return await store_half(self._store, half, len(pictures), self._patience)

    async def _embed(
        self, work: Work, group: Sequence[ExtractedPicture], encoder: PictureEncoder, progress: Progress
    ) -> list[bytes]:
        space_id, tenant = encoder.space.space_id, work.document.tenant
        names = [digest(tenant, space_id, "image", picture.data) for picture in group]
        rows = dict(zip(names, group, strict=True))
        vectors = await self._patience(lambda: self._vectors_of(encoder))
        await self._patience(lambda: vectors.add(progress.made, rows, priority=work.priority, trace=work.trace))
        return [progress.made[name] for name in names]

    async def _vectors_of(self, encoder: PictureEncoder) -> RowVectors[ExtractedPicture, Tensor]:
        async def compute(pictures: Sequence[Tensor], priority: int, trace: TraceContext) -> NDArray[np.float32]:
            return await encoder.embed_pictures(
                pictures, priority=priority, timeout_s=self._embed_timeout_s, trace=trace
            )

        async def at_once() -> int:
            return await encoder.pictures_at_once(timeout_s=self._embed_timeout_s)

        space_id = encoder.space.space_id
        return await self._vectors.of(space_id, at_once, lambda picture: tensor_of(picture, encoder), compute)

    async def _keep(self, work: Work, group: Sequence[ExtractedPicture]) -> None:
        """Store pictures and thumbnails, a few at a time."""
        doc_id, version = work.document.doc_id, work.version
        objects = [(picture_key(doc_id, version, p.ordinal), p.data) for p in group]
        objects += [(thumbnail_key(doc_id, version, p.ordinal), p.thumbnail) for p in group]
        for start in range(0, len(objects), _PUTS_AT_ONCE):
            await asyncio.gather(*(self._put(key, data) for key, data in objects[start : start + _PUTS_AT_ONCE]))

    async def _put(self, key: str, data: bytes) -> None:
        await self._patience(lambda: self._store.put(key, data))


def tensor_of(picture: ExtractedPicture, encoder: PictureEncoder) -> Tensor:
    """A picture as the model takes it. Raises DocumentFailed where it cannot be decoded."""
    try:
        image = decode_picture(picture.data, target_edge=encoder.image_size)
    except InvalidInput as exc:
        raise DocumentFailed("corrupt", exc.message) from exc
    return encoder.prepare_picture(image)


def picture_of(work: Work, picture: ExtractedPicture, vector: bytes, caption: MachineCaption | None) -> Picture:
    """A picture as the image half holds it."""
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
        vector=vector,
        machine_caption=caption,
    )
