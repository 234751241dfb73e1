"""Words of a machine for pictures that stand alone: which get them, and what happens when the machine is away."""

import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from docx import Document
from numpy.typing import NDArray
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from contracts.codec import decode, encode
from contracts.errors import (
    DeadlineExceeded,
    DependencyDown,
    DependencyFailed,
    Overloaded,
    TriremeError,
)
from contracts.halves import Half, MachineCaption, Picture
from contracts.joint import join_item
from contracts.topics import RETRY_DELAYS_S
from contracts.trace import TraceContext
from ingest.extraction.run import Extractor
from ingest.image_handler import ImageHandler
from ingest.joining import join
from ingest.patience import Patience
from ingest.picture_captions import PictureCaptions, stands_alone
from runtime.object_store import ObjectStore
from tests.ingest.extraction import making
from tests.ingest.samples import IMAGE_DIM, TEXT_DIM, chunk, image_half, picture, space, text_half, vector
from tests.ingest.test_handlers import NamedVectors, Wanted, embedding, png, stored_half, uploaded, work

SPACE = space()
QUICK = Patience(budget_s=0.05, first_wait_s=0.001)


class ColourNames:
    """A captioner whose words are computed from the pixels; it may fail for some calls."""

    name = "captioner@0123"
    image_size = 8

    def __init__(self, *errors: TriremeError) -> None:
        self.errors = list(errors)
        self.seen = 0

    def prepare_picture(self, image: Image.Image) -> NDArray[np.uint8]:
        return np.asarray(image.resize((self.image_size, self.image_size)), dtype=np.uint8)

    async def caption(
        self, pictures: Sequence[NDArray[np.uint8]], *, timeout_s: float, trace: TraceContext | None = None
    ) -> list[str]:
        if self.errors:
            raise self.errors[0]
        self.seen += len(pictures)
        return [
            "" if each.min() == 255 else f"something like {each.mean(axis=(0, 1)).round()}" for each in pictures
        ]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.from_url(f"file://{tmp_path}/objects")


@pytest.fixture
async def reader() -> AsyncIterator[Extractor]:
    async with Extractor() as extractor:
        yield extractor


def handler(
    store: ObjectStore, reader: Extractor, captioner: ColourNames, encoder: NamedVectors | None = None
) -> ImageHandler:
    vectors = encoder or NamedVectors()
    captions = PictureCaptions(captioner, patience=QUICK, timeout_s=5)
    parts = embedding(store, "image")
    return ImageHandler(
        store, reader, Wanted(vectors), *parts, patience=QUICK, embed_timeout_s=5, captions=captions
    )


async def captioned(store: ObjectStore, reader: Extractor, name: str, data: bytes) -> list[MachineCaption | None]:
    document = await uploaded(store, name, data)
    await handler(store, reader, ColourNames()).handle(work(document, "image"))
    return [each.machine_caption for each in (await stored_half(store, document, "image")).pictures]


async def test_a_lone_picture_is_found_by_the_captioners_words(store: ObjectStore, reader: Extractor) -> None:
    document = await uploaded(store, "ball.png", png())
    await handler(store, reader, ColourNames()).handle(work(document, "image"))
    half = await stored_half(store, document, "image")
    [kept] = half.pictures
    assert kept.machine_caption is not None
    words = kept.machine_caption.words
    assert words.startswith("something like [2")
    for text in (None, text_half(of=document)):
        [item] = join(SPACE, text, half, "g").items
        wanted = join_item(SPACE, vector(words, TEXT_DIM), np.frombuffer(kept.vector, "<f4"))
        np.testing.assert_allclose(np.frombuffer(item.vector, "<f2"), wanted, atol=1e-3)
        assert (item.machine_caption, item.captioned_by) == (words, "captioner@0123")
        # They are no words of the document: nothing may quote them.
        assert (item.text, item.caption, item.swallows) == ("", None, None)


async def test_pictures_of_documents_without_any_text_are_captioned(store: ObjectStore, reader: Extractor) -> None:
    def album(document: Document) -> None:  # type: ignore[valid-type]
        for seed in (1, 2):
            document.add_picture(io.BytesIO(making.encoded(making.picture(seed))))  # type: ignore[attr-defined]

    def page(seed: int, canvas: Canvas) -> None:
        making.draw_picture(canvas, making.picture(seed), 100, 300, 300, 225)

    pages = making.pdf(*(partial(page, seed) for seed in (3, 4)))
    for name, data in (("album.docx", making.word(album)), ("album.pdf", pages)):
        made = await captioned(store, reader, name, data)
        assert len(made) == 2
        assert all(made)


async def test_a_picture_with_text_beside_it_is_not_looked_at(store: ObjectStore, reader: Extractor) -> None:
    def report(document: Document) -> None:  # type: ignore[valid-type]
        document.add_paragraph("The pump of the north well, seen from the road.")  # type: ignore[attr-defined]
        document.add_picture(io.BytesIO(making.encoded(making.picture(1))))  # type: ignore[attr-defined]

    document = await uploaded(store, "report.docx", making.word(report))
    captioner = ColourNames()
    await handler(store, reader, captioner).handle(work(document, "image"))
    assert [p.machine_caption for p in (await stored_half(store, document, "image")).pictures] == [None]
    assert captioner.seen == 0


def test_words_of_a_machine_give_way_to_text_that_turns_up() -> None:
    said = MachineCaption(words="a ball", by="captioner@1", vector=vector("a ball", TEXT_DIM).tobytes())
    lone = msgspec.structs.replace(picture(0), machine_caption=said)
    item = join(SPACE, text_half(chunk(0)), image_half(lone), "g").items[-1]
    wanted = join_item(SPACE, vector("text 0", TEXT_DIM), vector("image 0", IMAGE_DIM))
    np.testing.assert_allclose(np.frombuffer(item.vector, "<f2"), wanted, atol=1e-3)
    assert (item.machine_caption, item.captioned_by, item.text) == (None, None, "chunk 0")


async def test_a_captioner_without_words_leaves_the_text_half_absent(
    store: ObjectStore, reader: Extractor
) -> None:
    assert await captioned(store, reader, "white.png", png("white")) == [None]


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (DependencyDown("triton"), 1),
        (DependencyFailed("triton"), 1),
        (Overloaded("full"), len(RETRY_DELAYS_S)),
        (DeadlineExceeded("slow"), len(RETRY_DELAYS_S)),
    ],
)
async def test_a_captioner_that_does_not_answer_delays_a_picture_and_never_loses_it(
    store: ObjectStore, reader: Extractor, error: TriremeError, tries: int
) -> None:
    document = await uploaded(store, "ball.png", png())
    made = handler(store, reader, ColourNames(error))
    for attempt in range(tries):
        with pytest.raises(type(error)):
            await made.handle(replace(work(document, "image"), attempt=attempt))
    outcome = await made.handle(replace(work(document, "image"), attempt=tries))
    [kept] = (await stored_half(store, document, "image")).pictures
    assert outcome.count == 1
    assert (kept.machine_caption, len(kept.vector)) == (None, 4 * IMAGE_DIM)


async def test_a_captioner_that_comes_back_is_used(store: ObjectStore, reader: Extractor) -> None:
    document = await uploaded(store, "ball.png", png())
    captioner = ColourNames(DependencyDown("triton"))
    made = handler(store, reader, captioner)
    with pytest.raises(DependencyDown):
        await made.handle(work(document, "image"))
    captioner.errors.clear()
    await made.handle(replace(work(document, "image"), attempt=1))
    [kept] = (await stored_half(store, document, "image")).pictures
    assert kept.machine_caption is not None


async def test_a_text_encoder_that_is_away_is_waited_for_as_ever(store: ObjectStore, reader: Extractor) -> None:
    document = await uploaded(store, "ball.png", png())
    made = handler(store, reader, ColourNames(), NamedVectors(outages=10**6))
    for attempt in (0, len(RETRY_DELAYS_S)):
        with pytest.raises(DependencyDown):
            await made.handle(replace(work(document, "image"), attempt=attempt))


def test_halves_from_before_there_were_captioners_are_still_read() -> None:
    half = image_half(picture(0))
    raw = msgspec.msgpack.decode(encode(half))
    for each in raw["pictures"]:
        del each["machine_caption"]
    old = msgspec.msgpack.encode(raw)
    assert decode(Half, old) == half
    assert {field.name for field in msgspec.structs.fields(Picture) if field.required} == set(raw["pictures"][0])


def test_what_stands_alone_has_no_caption_and_nothing_before_it(tmp_path: Path) -> None:
    [photo] = making.read_pictures(png(), "image/png")
    assert stands_alone(photo)
    assert stands_alone(msgspec.structs.replace(photo, anchor=None))
    assert not stands_alone(msgspec.structs.replace(photo, anchor=12))
    assert not stands_alone(msgspec.structs.replace(photo, caption="Figure 1: a ball."))
