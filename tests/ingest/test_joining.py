import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.documents import Box
from contracts.errors import BadMessage, DocumentFailed, SpaceMismatch
from contracts.items import PAYLOAD_TEXT_LIMIT_BYTES, Item
from contracts.joint import join_item
from ingest.joining import beside, join
from tests.ingest.samples import (
    IMAGE_DIM,
    TEXT_DIM,
    VERSION,
    chunk,
    document,
    image_half,
    picture,
    space,
    text_half,
    vector,
)

SPACE = space()


def joint(item: Item) -> NDArray[np.float16]:
    return np.frombuffer(item.vector, dtype="<f2")


def test_a_chunk_becomes_its_text_vector_and_an_absent_picture_half() -> None:
    [item] = join(SPACE, text_half(chunk(0)), image_half(), "g").items
    assert (item.item_id, item.kind, item.swallows) == ("t0", "text", None)
    expected = join_item(SPACE, vector("text 0", TEXT_DIM), None)
    np.testing.assert_allclose(joint(item), expected, atol=1e-3)  # fp16 keeps three digits
    assert not joint(item)[TEXT_DIM:].any()


def test_a_picture_is_joined_with_the_text_beside_it_and_swallows_that_chunk() -> None:
    items = join(SPACE, text_half(chunk(0, page=1), chunk(1, page=2)), image_half(picture(0, page=2)), "g").items
    joined = items[-1]
    assert (joined.item_id, joined.kind, joined.swallows) == ("p0", "picture", "t1")
    expected = join_item(SPACE, vector("text 1", TEXT_DIM), vector("image 0", IMAGE_DIM))
    np.testing.assert_allclose(joint(joined), expected, atol=1e-3)
    assert joined.text == "chunk 1"


def test_a_picture_without_any_text_has_an_absent_text_half() -> None:
    [item] = join(SPACE, text_half(), image_half(picture(0)), "g").items
    assert not joint(item)[:TEXT_DIM].any()
    assert joint(item)[TEXT_DIM:].any()
    assert (item.swallows, item.text) == (None, "")


def test_both_halves_make_revision_1_and_one_alone_revision_0() -> None:
    assert join(SPACE, text_half(chunk(0)), image_half(), "g").revision == 1
    assert join(SPACE, text_half(chunk(0)), None, "g").revision == 0
    assert join(SPACE, None, image_half(picture(0)), "g").revision == 0


def test_the_item_set_carries_the_documents_own_names() -> None:
    found = join(SPACE, text_half(chunk(0)), None, "g")
    source = document()
    assert (found.doc_id, found.version, found.generation) == (source.doc_id, VERSION, "g")
    assert (found.tenant, found.collection, found.source_key) == ("t", "c", "report.pdf")
    assert (found.content_type, found.added_ms, found.space_id) == ("application/pdf", 5, SPACE.space_id)


def test_the_item_set_carries_who_may_see_the_document() -> None:
    restricted = msgspec.structs.replace(document(), readers=("board", "staff"))
    assert join(SPACE, text_half(chunk(0), of=restricted), None, "g").readers == ("board", "staff")
    assert join(SPACE, None, image_half(picture(0), of=restricted), "g").readers == ("board", "staff")


def test_a_document_with_neither_text_nor_picture_fails_with_a_reason() -> None:
    with pytest.raises(DocumentFailed, match="Neither text nor pictures") as caught:
        join(SPACE, text_half(), image_half(), "g")
    assert caught.value.cause == "no_content"


def test_a_half_of_another_space_is_refused() -> None:
    with pytest.raises(SpaceMismatch):
        join(SPACE, text_half(chunk(0), in_space=space(name="b")), None, "g")


def test_halves_of_two_versions_are_not_joined() -> None:
    with pytest.raises(BadMessage):
        join(SPACE, text_half(chunk(0)), image_half(version=VERSION + 1), "g")


def test_a_vector_of_the_wrong_width_is_refused() -> None:
    bad = msgspec.structs.replace(chunk(0), vector=b"1234")
    with pytest.raises(BadMessage):
        join(SPACE, text_half(bad), None, "g")


def test_the_caption_comes_first_unless_the_text_holds_it_already() -> None:
    text = text_half(chunk(0, text="The pump. Figure 1: a pump."))
    shown = [
        join(SPACE, text, image_half(picture(0, caption=caption)), "g").items[-1].text
        for caption in ("Figure 1: a pump.", "A red pump")
    ]
    assert shown == ["The pump. Figure 1: a pump.", "A red pump\n\nThe pump. Figure 1: a pump."]


@given(st.text(max_size=3000))
def test_shown_text_is_a_prefix_within_the_limit(text: str) -> None:
    [item, joined] = join(SPACE, text_half(chunk(0, text=text)), image_half(picture(0)), "g").items
    for shown in (item.text, joined.text):
        assert text.startswith(shown)
        assert len(shown.encode()) <= PAYLOAD_TEXT_LIMIT_BYTES


def test_the_anchor_decides_before_the_layout_does() -> None:
    top, bottom = Box(0, 0, 1, 0.4), Box(0, 0.6, 1, 1)
    chunks = [chunk(0, box=top), chunk(1, box=bottom)]
    assert beside(picture(0, box=bottom, anchor=50), chunks) is chunks[0]


def test_without_an_anchor_the_nearest_box_on_the_page_is_beside_the_picture() -> None:
    far, near = chunk(0, box=Box(0, 0, 1, 0.1)), chunk(1, box=Box(0, 0.5, 1, 0.6))
    elsewhere = chunk(2, page=2, box=Box(0, 0.65, 1, 0.7))
    assert beside(picture(0, box=Box(0, 0.65, 1, 0.9)), [far, near, elsewhere]) is near


def test_an_anchor_between_chunks_takes_the_nearer_one() -> None:
    chunks = [chunk(0, page=None, at=0), chunk(1, page=None, at=200)]
    assert beside(picture(0, page=None, anchor=180), chunks) is chunks[1]
    assert beside(picture(0, page=None, anchor=110), chunks) is chunks[0]


def test_text_on_the_pictures_own_page_comes_before_a_nearer_anchor() -> None:
    chunks = [chunk(0, page=1, at=0), chunk(1, page=2, at=100)]
    assert beside(picture(0, page=2, anchor=99), chunks) is chunks[1]


def test_a_picture_on_a_page_without_text_takes_the_nearest_page() -> None:
    chunks = [chunk(0, page=1), chunk(1, page=4), chunk(2, page=4)]
    assert beside(picture(0, page=5), chunks) is chunks[1]


places = st.none() | st.integers(1, 4)
corners = st.tuples(st.floats(0, 0.9), st.floats(0, 0.9)).map(lambda p: Box(p[0], p[1], p[0] + 0.1, p[1] + 0.1))


@given(
    st.lists(st.tuples(places, st.none() | corners), max_size=6),
    st.lists(st.tuples(places, st.none() | corners, st.none() | st.integers(0, 900)), max_size=4),
)
def test_every_part_of_a_document_becomes_one_item_whatever_the_layout(
    chunk_places: list[tuple[int | None, Box | None]],
    picture_places: list[tuple[int | None, Box | None, int | None]],
) -> None:
    chunks = [chunk(i, page=page, box=box) for i, (page, box) in enumerate(chunk_places)]
    pictures = [picture(i, page=p, box=b, anchor=a) for i, (p, b, a) in enumerate(picture_places)]
    if not chunks and not pictures:
        return
    items = join(SPACE, text_half(*chunks), image_half(*pictures), "g").items
    ids = [item.item_id for item in items]
    assert ids == [f"t{i}" for i in range(len(chunks))] + [f"p{i}" for i in range(len(pictures))]
    for item in items:
        values = joint(item).astype(np.float32)
        halves = values[:TEXT_DIM], values[TEXT_DIM:]
        assert all(np.isclose(np.linalg.norm(h), 1, atol=2e-3) or not h.any() for h in halves)
        if item.kind == "picture":
            assert (item.swallows in ids) is bool(chunks)
            assert halves[0].any() == bool(chunks)
