"""What the extracting worker and its reading process say to each other over pipes: frames of msgpack.

A frame is its length (8 bytes, big-endian) and the message. Errors travel as `Failed`, never as exceptions.
"""

import struct
from typing import Literal

import msgspec

from ingest.extraction.types import ExtractedPicture, ExtractedText, ExtractionLimits, Paragraph

HEADER = struct.Struct(">Q")
# What an answer's small frames (progress, failures, the last one) may take of its `max_output_bytes`.
SPARE_BYTES = 64 * 1024


class Request(msgspec.Struct, frozen=True, tag=True):
    """Read one document.

    Args:
        words: what OCR found on pages of this document before, by page from 1: these are not looked at again.
    """

    want: Literal["text", "pictures"]
    content_type: str
    limits: ExtractionLimits
    data: bytes
    words: dict[int, tuple[Paragraph, ...]] = {}


class Started(msgspec.Struct, frozen=True, tag=True):
    """The reading process has loaded its libraries and takes requests."""


class Progress(msgspec.Struct, frozen=True, tag=True):
    """Another page is done."""


class WordsRead(msgspec.Struct, frozen=True, tag=True):
    """OCR is done with a page, the `page`th from 1."""

    page: int
    paragraphs: tuple[Paragraph, ...]


class PictureFound(msgspec.Struct, frozen=True, tag=True):
    """One more picture; sent one by one so that neither side holds all of them in one frame."""

    picture: ExtractedPicture


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The document is done.

    Args:
        text: set when text was wanted.
        left_out: pictures that could not be decoded or were beyond the limit.
    """

    text: ExtractedText | None = None
    left_out: int = 0


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The document cannot be read.

    Args:
        cause, reason: as in `contracts.errors.DocumentFailed`.
        detail: for the log only, such as a traceback.
    """

    cause: str
    reason: str
    detail: str | None = None


Reply = Started | Progress | WordsRead | PictureFound | Finished | Failed


def frame(message: Request | Reply) -> bytes:
    """One message, ready to be written to a pipe."""
    body = msgspec.msgpack.encode(message)
    return HEADER.pack(len(body)) + body


def read_request(body: bytes) -> Request:
    """Read a request back."""
    return msgspec.msgpack.decode(body, type=Request)


def read_reply(body: bytes) -> Reply:
    """Read a reply back.

    Raises:
        msgspec.DecodeError: the bytes are no reply.
    """
    reply: Reply = msgspec.msgpack.decode(body, type=Reply)
    return reply
