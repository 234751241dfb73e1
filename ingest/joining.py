"""Makes a document's joint items from its two halves. Pure: the joint updater fetches, stores and publishes."""

import math
from collections.abc import Sequence

import numpy as np

from contracts.documents import Box
from contracts.errors import BadMessage, DocumentFailed
from contracts.halves import Half, Picture, TextChunk
from contracts.items import REVISION_JOINED, REVISION_ONE_SIDED, Item, ItemSet, truncate_utf8
from contracts.joint import Vector, join_item
from contracts.space import Space


def join(space: Space, text: Half | None, image: Half | None, generation: str) -> ItemSet:
    """All items of a document: `[t ; 0]` for a chunk, `[t of the text beside it ; v]` for a picture.

    Where the document has no text, t is that of the words that a captioner found for the picture, if any.
    Both halves given make revision 1, one alone revision 0.

    Raises:
        DocumentFailed: there is neither text nor a picture.
        SpaceMismatch: a half belongs to another space.
        BadMessage: a vector has another width than its tower, or the halves are not of one document's version.
        ValueError: no half was given.
    """
    halves = [half for half in (text, image) if half is not None]
    if not halves:
        raise ValueError("join() takes at least one half")
    some = halves[0]
    for half in halves:
        space.require(half.space_id)
        if (half.tenant, half.doc_id, half.version) != (some.tenant, some.doc_id, some.version):
            raise BadMessage("The two halves do not belong to the same version of the same document.")
    chunks = text.chunks if text else ()
    pictures = image.pictures if image else ()
    if not chunks and not pictures:
        raise DocumentFailed("no_content", "Neither text nor pictures were found in this document.")
    return ItemSet(
        tenant=some.tenant,
        doc_id=some.doc_id,
        version=some.version,
        revision=REVISION_JOINED if len(halves) == 2 else REVISION_ONE_SIDED,
        generation=generation,
        space_id=space.space_id,
        collection=some.document.collection,
        source_key=some.document.source_key,
        content_type=some.document.content_type,
        added_ms=some.document.at_ms,
        readers=some.document.readers,
        items=(
            *(_text_item(space, chunk) for chunk in chunks),
            *(_picture_item(space, picture, beside(picture, chunks)) for picture in pictures),
        ),
    )


def beside(picture: Picture, chunks: Sequence[TextChunk]) -> TextChunk | None:
    """The chunk that a picture stands beside, or None where the document has no text.

    The place in the text at which the picture is anchored decides: extraction found it from single lines, while a
    chunk's box is coarse. Without an anchor the layout decides, else the nearest page. Text on the picture's own
    page comes before any other; ties go to the earlier chunk.
    """
    if not chunks:
        return None
    on_page = [chunk for chunk in chunks if picture.page is not None and chunk.page == picture.page]
    anchor, box = picture.anchor, picture.box
    if anchor is not None:
        return min(on_page or chunks, key=lambda chunk: (_distance(anchor, chunk), chunk.ordinal))
    boxed = [(_gap(box, chunk.box), chunk.ordinal, chunk) for chunk in on_page if box and chunk.box]
    if boxed:
        return min(boxed, key=lambda entry: entry[:2])[2]
    return min(chunks, key=lambda chunk: (_pages_between(picture.page, chunk.page), chunk.ordinal))


def _text_item(space: Space, chunk: TextChunk) -> Item:
    return Item(
        item_id=_chunk_id(chunk),
        kind="text",
        vector=_joint(space, chunk.vector, None),
        text=truncate_utf8(chunk.text),
        page=chunk.page,
        box=chunk.box,
        char_start=chunk.char_start,
        char_end=chunk.char_end,
        heading=chunk.heading,
    )


def _picture_item(space: Space, picture: Picture, chunk: TextChunk | None) -> Item:
    words = [chunk.text] if chunk else []
    machine = picture.machine_caption if chunk is None else None
    nearby = chunk or machine
    if picture.caption and (chunk is None or picture.caption not in chunk.text):
        words.insert(0, picture.caption)
    return Item(
        item_id=f"p{picture.ordinal}",
        kind="picture",
        vector=_joint(space, nearby.vector if nearby else None, picture.vector),
        text=truncate_utf8("\n\n".join(words)),
        page=picture.page,
        box=picture.box,
        heading=chunk.heading if chunk else None,
        caption=picture.caption,
        picture_key=picture.picture_key,
        thumbnail_key=picture.thumbnail_key,
        swallows=_chunk_id(chunk) if chunk else None,
        machine_caption=machine.words if machine else None,
        captioned_by=machine.by if machine else None,
    )


def _chunk_id(chunk: TextChunk) -> str:
    return f"t{chunk.ordinal}"


def _joint(space: Space, text: bytes | None, image: bytes | None) -> bytes:
    t = _vector(text, space.text_dim) if text is not None else None
    v = _vector(image, space.image_dim) if image is not None else None
    return join_item(space, t, v).astype("<f2").tobytes()


def _vector(data: bytes, width: int) -> Vector:
    if len(data) != 4 * width:
        raise BadMessage(f"A stored vector has {len(data)} bytes instead of {4 * width}.")
    return np.frombuffer(data, dtype="<f4")


def _gap(a: Box, b: Box) -> float:
    """Length of the straight line between two rectangles, 0 where they touch. In fractions of the page."""
    across = max(a.left - b.right, b.left - a.right, 0.0)
    down = max(a.top - b.bottom, b.top - a.bottom, 0.0)
    return math.hypot(across, down)


def _distance(anchor: int, chunk: TextChunk) -> int:
    """Characters between an anchor and a chunk, 0 inside it."""
    return max(chunk.char_start - anchor, anchor - (chunk.char_end - 1), 0)


def _pages_between(a: int | None, b: int | None) -> int:
    return abs(a - b) if a is not None and b is not None else 0
