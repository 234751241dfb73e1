"""The embedders with the real reader of documents and the real store; only the models are computed stand-ins."""

import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from contracts.codec import decode
from contracts.documents import FileAdded, file_added
from contracts.errors import DependencyDown, DocumentFailed, Superseded
from contracts.halves import Half, HalfReady
from contracts.keys import half_key, object_key, picture_key, thumbnail_key
from contracts.space import TextRole
from contracts.tensors import PRIORITY_BULK, PRIORITY_UPLOAD
from contracts.topics import Stage
from contracts.trace import TraceContext
from ingest.embedding.checkpoint import Checkpoints
from ingest.embedding.counting import EmbeddingCounts
from ingest.embedding.shared_batches import Pace
from ingest.embedding.spaces import SpaceVectors
from ingest.embedding.vector_cache import NoVectorCache, VectorCache
from ingest.extraction.run import Extractor
from ingest.halves import SpaceEncoder
from ingest.image_handler import ImageHandler, PictureReader
from ingest.patience import Patience
from ingest.text_handler import TextHandler, TextReader
from ingest.work import Work
from runtime.object_store import ObjectStore
from runtime.telemetry import Metrics
from tests.ingest.samples import IMAGE_DIM, TEXT_DIM, VERSION, space, vector

TRACE = TraceContext("a" * 32, "b" * 16)


class NamedVectors:
    """An encoder whose vectors are computed from what it is given; it may be away for some calls."""

    max_tokens = 60
    image_size = 16
    space = space()

    def __init__(self, outages: int = 0) -> None:
        self.outages = outages
        self.calls: list[tuple[int, int]] = []

    def token_count(self, text: str) -> int:
        return len(text.split())

    def prepare_picture(self, image: Image.Image) -> NDArray[np.uint8]:
        return np.asarray(image.resize((self.image_size, self.image_size)), dtype=np.uint8)

    async def texts_at_once(self, *, timeout_s: float) -> int:
        return 64

    async def pictures_at_once(self, *, timeout_s: float) -> int:
        return 64

    async def embed_texts(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> NDArray[np.float32]:
        self._called(len(texts), priority)
        return np.stack([vector(text, TEXT_DIM) for text in texts])

    async def embed_pictures(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> NDArray[np.float32]:
        self._called(len(pictures), priority)
        return np.stack([vector(str(picture.mean().round()), IMAGE_DIM) for picture in pictures])

    def _called(self, n: int, priority: int) -> None:
        self.calls.append((n, priority))
        if self.outages:
            self.outages -= 1
            raise DependencyDown("triton")


E = TypeVar("E", bound=SpaceEncoder)


class Wanted(Generic[E]):
    """Encoders of live spaces that do not change."""

    def __init__(self, *encoders: E) -> None:
        self.encoders = encoders

    async def wanted(self, document: FileAdded) -> Sequence[E]:
        return [e for e in self.encoders if document.space_id in (None, e.space.space_id)]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.from_url(f"file://{tmp_path}/objects")


@pytest.fixture
async def reader() -> AsyncIterator[Extractor]:
    async with Extractor() as extractor:
        yield extractor


def text_handler(store: ObjectStore, reader: TextReader, *encoders: NamedVectors) -> TextHandler:
    vectors, checkpoints = embedding(store, "text")
    return TextHandler(
        store, reader, Wanted(*encoders), vectors, checkpoints, patience=_quick(), embed_timeout_s=5
    )


def image_handler(store: ObjectStore, reader: PictureReader, *encoders: NamedVectors) -> ImageHandler:
    vectors, checkpoints = embedding(store, "image")
    return ImageHandler(
        store, reader, Wanted(*encoders), vectors, checkpoints, patience=_quick(), embed_timeout_s=5
    )


def embedding(
    store: ObjectStore, stage: Stage, *, cache: VectorCache | None = None, pace: Pace | None = None
) -> tuple[SpaceVectors[Any, Any], Checkpoints]:
    """What a handler is given besides its encoders; by default nothing is remembered and four rows make a call."""
    counts = EmbeddingCounts(Metrics(), stage)
    vectors: SpaceVectors[Any, Any] = SpaceVectors(cache or NoVectorCache(), counts, pace or Pace(4, 4))
    return vectors, Checkpoints(store, counts, every_s=60.0)


def _quick() -> Patience:
    return Patience(budget_s=0.05, first_wait_s=0.001)


async def uploaded(store: ObjectStore, name: str, data: bytes, lane: str = "live") -> FileAdded:
    uri = object_key("t", "c", name)
    return file_added(
        name,
        uri=uri,
        etag=await store.put(uri, data),
        content_type="application/octet-stream",
        size_bytes=len(data),
        at_ms=1,
        tenant="t",
        collection="c",
        lane=lane,  # type: ignore[arg-type]
    )


def work(document: FileAdded, stage: str = "text") -> Work:
    return Work(stage, document, None, VERSION, 0, False, False, "file_added", b"", TRACE)  # type: ignore[arg-type]


def png(colour: str = "orange") -> bytes:
    image = Image.new("RGB", (400, 300), "white")
    ImageDraw.Draw(image).ellipse((80, 40, 320, 260), fill=colour)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


PROSE = "\n\n".join(
    f"Paragraph {i} tells how valve number {i} is opened, cleaned and closed again." for i in range(40)
)


async def stored_half(store: ObjectStore, document: FileAdded, half: str) -> Half:
    return decode(Half, await store.get(half_key(space().space_id, document.doc_id, VERSION, half)))


async def test_a_text_file_becomes_chunks_with_their_own_vectors(store: ObjectStore, reader: Extractor) -> None:
    document = await uploaded(store, "valves.txt", PROSE.encode())
    encoder = NamedVectors()
    outcome = await text_handler(store, reader, encoder).handle(work(document))
    half = await stored_half(store, document, "text")
    assert outcome.count == len(half.chunks) > 5
    assert max(n for n, _ in encoder.calls) <= 4
    for chunk in half.chunks:
        assert chunk.vector == vector(chunk.text, TEXT_DIM).tobytes()
        assert encoder.token_count(chunk.text) <= encoder.max_tokens


async def test_the_pointer_names_the_half_and_its_hash(store: ObjectStore, reader: Extractor) -> None:
    document = await uploaded(store, "valves.txt", PROSE.encode())
    [outgoing] = (await text_handler(store, reader, NamedVectors()).handle(work(document))).outgoing
    pointer = outgoing.message
    assert isinstance(pointer, HalfReady)
    assert pointer.key is not None
    assert pointer.sha256 == hashlib.sha256(await store.get(pointer.key)).hexdigest()
    assert (outgoing.topic, outgoing.key, pointer.document) == ("embeddings", document.doc_id, document)


async def test_a_text_file_has_an_explicit_empty_image_half(store: ObjectStore, reader: Extractor) -> None:
    document = await uploaded(store, "valves.txt", PROSE.encode())
    outcome = await image_handler(store, reader, NamedVectors()).handle(work(document, "image"))
    assert outcome.count == 0
    assert (await stored_half(store, document, "image")).pictures == ()


async def test_a_picture_file_is_embedded_and_kept_with_a_thumbnail(store: ObjectStore, reader: Extractor) -> None:
    document = await uploaded(store, "ball.png", png())
    outcome = await image_handler(store, reader, NamedVectors()).handle(work(document, "image"))
    [picture] = (await stored_half(store, document, "image")).pictures
    assert outcome.count == 1
    assert picture.picture_key == picture_key(document.doc_id, VERSION, 0)
    assert picture.thumbnail_key == thumbnail_key(document.doc_id, VERSION, 0)
    kept = Image.open(io.BytesIO(await store.get(picture.picture_key)))
    assert kept.size == (picture.width, picture.height) == (400, 300)
    assert max(Image.open(io.BytesIO(await store.get(picture.thumbnail_key))).size) <= 256


async def test_a_short_outage_of_the_model_is_sat_out(store: ObjectStore, reader: Extractor) -> None:
    document = await uploaded(store, "note.txt", b"A short note about pumps.")
    outcome = await text_handler(store, reader, NamedVectors(outages=3)).handle(work(document))
    assert outcome.count == 1


async def test_a_long_outage_is_handed_to_the_worker(store: ObjectStore, reader: Extractor) -> None:
    document = await uploaded(store, "note.txt", b"A short note about pumps.")
    with pytest.raises(DependencyDown):
        await text_handler(store, reader, NamedVectors(outages=10**6)).handle(work(document))


async def test_a_backfill_asks_the_model_with_the_lowest_priority(store: ObjectStore, reader: Extractor) -> None:
    encoder = NamedVectors()
    for name, lane in (("a.txt", "live"), ("b.txt", "bulk")):
        document = await uploaded(store, name, b"A short note about pumps.", lane)
        await text_handler(store, reader, encoder).handle(work(document))
    assert [priority for _, priority in encoder.calls] == [PRIORITY_UPLOAD, PRIORITY_BULK]


@pytest.mark.parametrize("gone", ["replaced", "removed"])
async def test_a_file_that_is_no_longer_the_announced_one_is_superseded(
    store: ObjectStore, reader: Extractor, gone: str
) -> None:
    document = await uploaded(store, "note.txt", b"A short note about pumps.")
    if gone == "replaced":
        await store.put(document.uri, b"Quite another note.")
    else:
        await store.delete(document.uri)
    with pytest.raises(Superseded):
        await text_handler(store, reader, NamedVectors()).handle(work(document))


@pytest.mark.parametrize(
    ("name", "data", "cause"),
    [
        ("cut.png", png()[:150], "corrupt"),
        ("empty.pdf", b"", "empty"),
        ("picture.pdf", png(), "wrong_extension"),
        ("music.mp3", b"\xff\xfb\x90\x00" * 100, "unsupported"),
    ],
)
async def test_a_file_that_cannot_be_read_fails_with_its_cause(
    store: ObjectStore, reader: Extractor, name: str, data: bytes, cause: str
) -> None:
    document = await uploaded(store, name, data)
    with pytest.raises(DocumentFailed) as caught:
        await image_handler(store, reader, NamedVectors()).handle(work(document, "image"))
    assert caught.value.cause == cause


async def test_a_delete_is_passed_on_by_the_text_embedder_alone(store: ObjectStore, reader: Extractor) -> None:
    document = await uploaded(store, "ball.png", png())
    await image_handler(store, reader, NamedVectors()).handle(work(document, "image"))
    fields = {name: getattr(document, name) for name in document.__struct_fields__}
    event = FileAdded(**fields | {"event": "deleted"})
    later = Work("text", event, None, VERSION + 1, 0, False, False, "file_added", b"", TRACE)
    [outgoing] = (await text_handler(store, reader, NamedVectors()).handle(later)).outgoing
    assert isinstance(outgoing.message, HalfReady)
    assert (outgoing.message.half, outgoing.message.version) == ("deleted", VERSION + 1)
    assert (await image_handler(store, reader, NamedVectors()).handle(later)).outgoing == ()
    assert [meta.key async for meta in store.list("derived/")] == []
