"""Small, whole examples of what travels between the workers. Vectors are computed from names, so tests can too."""

import hashlib
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.documents import Box, FileAdded, file_added
from contracts.halves import Half, Picture, TextChunk
from contracts.keys import object_key
from contracts.space import Space

TEXT_DIM, IMAGE_DIM = 6, 4
VERSION = 2**40 + 7


def space(*, centred: bool = True, name: str = "a") -> Space:
    means = {
        "text": (0.1 * vector("text mean", TEXT_DIM)).tolist(),
        "clip_text": (0.1 * vector("clip text mean", IMAGE_DIM)).tolist(),
        "clip_image": (0.1 * vector("clip image mean", IMAGE_DIM)).tolist(),
    }
    encoders = {"text": f"{name}-text@1", "clip_text": f"{name}-clip@1", "clip_image": f"{name}-clip@1"}
    return Space(encoders=encoders, text_dim=TEXT_DIM, image_dim=IMAGE_DIM, centred=centred, means=means)


def vector(name: str, dim: int) -> NDArray[np.float32]:
    """A unit vector that depends on the name alone."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    raw = np.random.default_rng(seed).normal(size=dim)
    return (raw / np.linalg.norm(raw)).astype(np.float32)


def document(name: str = "report.pdf", *, etag: str | None = "e1", tenant: str = "t", at_ms: int = 5) -> FileAdded:
    return file_added(
        name,
        uri=object_key(tenant, "c", name),
        etag=etag,
        content_type="application/pdf",
        size_bytes=10,
        at_ms=at_ms,
        tenant=tenant,
        collection="c",
    )


def chunk(
    ordinal: int, *, page: int | None = 1, box: Box | None = None, at: int | None = None, text: str | None = None
) -> TextChunk:
    start = 100 * ordinal if at is None else at
    words = f"chunk {ordinal}" if text is None else text
    return TextChunk(
        ordinal=ordinal,
        text=words,
        page=page,
        box=box,
        char_start=start,
        char_end=start + 100,
        heading="Heading",
        vector=vector(f"text {ordinal}", TEXT_DIM).tobytes(),
    )


def picture(
    ordinal: int,
    *,
    page: int | None = 1,
    box: Box | None = None,
    anchor: int | None = None,
    caption: str | None = None,
) -> Picture:
    return Picture(
        ordinal=ordinal,
        page=page,
        box=box,
        anchor=anchor,
        caption=caption,
        width=20,
        height=10,
        picture_key=f"derived/d/1/picture-{ordinal}",
        thumbnail_key=f"derived/d/1/thumbnail-{ordinal}",
        vector=vector(f"image {ordinal}", IMAGE_DIM).tobytes(),
    )


def text_half(
    *chunks: TextChunk, of: FileAdded | None = None, version: int = VERSION, in_space: Space | None = None
) -> Half:
    return msgspec.structs.replace(_half("text", of or document(), version, in_space or space()), chunks=chunks)


def image_half(
    *pictures: Picture, of: FileAdded | None = None, version: int = VERSION, in_space: Space | None = None
) -> Half:
    return msgspec.structs.replace(
        _half("image", of or document(), version, in_space or space()), pictures=pictures
    )


def _half(kind: Literal["text", "image"], of: FileAdded, version: int, in_space: Space) -> Half:
    return Half(
        tenant=of.tenant,
        doc_id=of.doc_id,
        version=version,
        space_id=in_space.space_id,
        half=kind,
        model="m",
        document=of,
    )
