"""What each embedder makes of a document: its half of the joint items, before joining.

Halves hold the encoders' raw unit vectors. Centring and joining happen once, in the joint updater.
A document without text (or without pictures) has an explicit empty half.
"""

from typing import ClassVar, Literal

import msgspec

from contracts.codec import Message
from contracts.documents import Box, FileAdded


class TextChunk(msgspec.Struct, frozen=True, kw_only=True):
    """One chunk of a document's text.

    Args:
        ordinal: position in the document, from 0.
        page: page from 1, or None where the format has no pages.
        box: the chunk's rectangle on its page, where known.
        char_start, char_end: range in the document's extracted text.
        heading: the nearest heading above, or None.
        vector: float32 little-endian [text_dim], the text encoder's unit output.
    """

    ordinal: int
    text: str
    page: int | None
    box: Box | None
    char_start: int
    char_end: int
    heading: str | None
    vector: bytes


class MachineCaption(msgspec.Struct, frozen=True, kw_only=True):
    """What a captioner says that a picture shows.

    Args:
        by: the model, "captioner@" and the beginning of its SHA-256.
        vector: float32 little-endian [text_dim], the text encoder's unit output for the words.
    """

    words: str
    by: str
    vector: bytes


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """One picture of a document.

    Args:
        anchor: character offset in the document's extracted text at which the picture stands, where known;
            with `page` and `box` it decides which chunk stands beside the picture.
        caption: words found next to the picture, or None.
        picture_key, thumbnail_key: keys in the object store.
        vector: float32 little-endian [image_dim], the CLIP image tower's unit output.
        machine_caption: for a picture that seems to stand alone, where a captioner is served; used only where the
            document has no text.
    """

    ordinal: int
    page: int | None
    box: Box | None
    anchor: int | None
    caption: str | None
    width: int
    height: int
    picture_key: str
    thumbnail_key: str
    vector: bytes
    machine_caption: MachineCaption | None = None


class Half(Message, frozen=True, kw_only=True):
    """One half of a document's version, stored at `halves/<space>/<doc_id>/<version>/<half>`."""

    WIRE: ClassVar[Literal["json", "msgpack"]] = "msgpack"

    doc_id: str
    version: int
    space_id: str
    half: Literal["text", "image"]
    model: str
    document: FileAdded
    chunks: tuple[TextChunk, ...] = ()
    pictures: tuple[Picture, ...] = ()


class HalfReady(Message, frozen=True, kw_only=True):
    """A half is in the store, or the document was deleted (topic `embeddings`, key `doc_id`).

    Args:
        half: "text" or "image" for a pointer to a half; "deleted" for a delete, which has no object
            (`key`, `sha256` None) and is sent by the text embedder alone.
        n: chunks or pictures in the half.
    """

    doc_id: str
    version: int
    space_id: str
    half: Literal["text", "image", "deleted"]
    key: str | None
    sha256: str | None
    n: int
    document: FileAdded
