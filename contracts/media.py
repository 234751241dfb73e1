"""Kinds of files: which ones Trireme reads, and what a file is by its first bytes and its name.

The content decides; the name may only agree. A name that says something else is refused, because either the
file or the name is a mistake, and guessing which would hide it.
"""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from contracts.errors import InvalidInput, UnsupportedMedia

PDF = "application/pdf"
PNG = "image/png"
JPEG = "image/jpeg"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
MARKDOWN = "text/markdown"
TEXT = "text/plain"

# As many bytes of a file as `judge` needs to see when it does not get all of it.
HEAD_BYTES = 8192

Cause = Literal["empty", "unsupported", "wrong_extension", "encrypted"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file is: a content type that Trireme reads, or a cause and a sentence why it does not."""

    content_type: str | None
    cause: Cause | None = None
    reason: str = ""


EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {
        "pdf": PDF,
        "png": PNG,
        "jpg": JPEG,
        "jpeg": JPEG,
        "docx": DOCX,
        "md": MARKDOWN,
        "markdown": MARKDOWN,
        "txt": TEXT,
        "text": TEXT,
        "log": TEXT,
    }
)
READABLE: Mapping[str, str] = MappingProxyType(
    {
        PDF: "a PDF document",
        PNG: "a PNG picture",
        JPEG: "a JPEG picture",
        DOCX: "a Word document (DOCX)",
        MARKDOWN: "Markdown text",
        TEXT: "plain text",
    }
)
_READS = "Trireme reads PDF, PNG, JPEG, DOCX, Markdown and plain text."
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
# What other files begin with, only so that the refusal can name them.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"{\\rtf", "a rich text (RTF) document"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"%!PS", "a PostScript document"),
)
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Bytes that text files hold: everything but C0 controls, though with tab, line feed, form feed, return, escape.
_CONTROLS = frozenset(range(32)) - {9, 10, 12, 13, 27}


def extension_of(name: str) -> str:
    """Lower-case extension of a file's name without the dot, "" when there is none."""
    stem, dot, extension = name.rsplit("/", 1)[-1].rpartition(".")
    return extension.lower() if dot and stem else ""


def judge(data: bytes, name: str, *, complete: bool = True) -> Verdict:
    """What a file is.

    Args:
        data: the whole file, or its first `HEAD_BYTES` bytes at least.
        complete: whether `data` is the whole file. A head says less: a ZIP archive named .docx passes, and is
            looked into when all of it is there.
    """
    if not data:
        return Verdict(None, "empty", "The file is empty.")
    extension = extension_of(name)
    named = EXTENSIONS.get(extension)
    if data.startswith(_OLE):
        return _judge_ole(data, extension, complete)
    found, description = _content(data, named, complete)
    if found is None:
        if named is not None:
            return _misnamed(extension, description)
        return Verdict(None, "unsupported", f"The file is {description}. {_READS}")
    if found == TEXT:
        return _judge_text(extension, named)
    if named not in (None, found):
        return _misnamed(extension, description)
    return Verdict(found)


def sniff_upload(data: bytes, name: str, *, complete: bool = True) -> str:
    """Content type of a file at the door, by its first bytes and its name; arguments as for `judge`.

    Raises:
        UnsupportedMedia: a kind that Trireme does not read, or a name that says something else.
        InvalidInput: the file is empty.
    """
    verdict = judge(data, name, complete=complete)
    if verdict.content_type is not None:
        return verdict.content_type
    if verdict.cause == "empty":
        raise InvalidInput(verdict.reason)
    raise UnsupportedMedia(verdict.reason)


def _content(data: bytes, named: str | None, complete: bool) -> tuple[str | None, str]:
    """Content type by the bytes (TEXT for all text), or None, and what it is in words."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG, READABLE[PNG]
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG, READABLE[JPEG]
    # The header may stand anywhere in the first 1024 bytes (PDF 1.7 reference, appendix H, note 13).
    if b"%PDF-" in data[:1024] and (data.startswith(b"%PDF-") or named in (None, PDF)):
        return PDF, READABLE[PDF]
    if data.startswith(_ZIP):
        is_docx = b"word/document.xml" in data or (not complete and named == DOCX)
        return (DOCX, READABLE[DOCX]) if is_docx else (None, "a ZIP archive or another kind of Office document")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return None, "a WebP picture"
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        return None, "a HEIC or AVIF picture"
    other = next((words for magic, words in _OTHERS if data.startswith(magic)), None)
    if other is not None and (b"\x00" in data or not _looks_like_text(data)):
        return None, other
    if _looks_like_text(data):
        return TEXT, READABLE[TEXT]
    return None, "of a kind that is not known"


def _judge_text(extension: str, named: str | None) -> Verdict:
    if named in (TEXT, MARKDOWN):
        return Verdict(named)
    if named is not None:
        return _misnamed(extension, READABLE[TEXT])
    if extension:
        return Verdict(None, "unsupported", f"Files named .{extension} are not read. {_READS}")
    return Verdict(TEXT)


def _judge_ole(data: bytes, extension: str, complete: bool) -> Verdict:
    """Compound files: a DOCX with a password lies inside one, as do Word, Excel and PowerPoint before 2007."""
    if extension == "docx" and not complete:
        return Verdict(DOCX)
    if "EncryptedPackage".encode("utf-16-le") in data:
        return Verdict(None, "encrypted", "The document is protected with a password.")
    description = "an Office document of before 2007"
    if extension in EXTENSIONS:
        return _misnamed(extension, description)
    return Verdict(None, "unsupported", f"The file is {description}. {_READS}")


def _misnamed(extension: str, description: str) -> Verdict:
    return Verdict(None, "wrong_extension", f"The file is named .{extension} but its content is {description}.")


def _looks_like_text(data: bytes) -> bool:
    head = data[:HEAD_BYTES]
    if head.startswith(_BOMS):
        return True
    return sum(byte in _CONTROLS for byte in head) * 100 <= len(head) and b"\x00" not in head
