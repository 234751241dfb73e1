"""Kinds of files: which ones Trireme reads, and what a file is by its first bytes and its name.

The content decides; the name may only agree. A name that says something else is refused, because either the
file or the name is a mistake, and guessing which would hide it.
"""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from contracts.errors import InvalidInput, UnsupportedMedia

PDF = "application/pdf"
PNG = "image/png"
JPEG = "image/jpeg"
TIFF = "image/tiff"
WEBP = "image/webp"
GIF = "image/gif"
BMP = "image/bmp"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML = "text/html"
MARKDOWN = "text/markdown"
TEXT = "text/plain"

PICTURES = frozenset({PNG, JPEG, TIFF, WEBP, GIF, BMP})

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
        "tif": TIFF,
        "tiff": TIFF,
        "webp": WEBP,
        "gif": GIF,
        "bmp": BMP,
        "docx": DOCX,
        "html": HTML,
        "htm": HTML,
        "xhtml": HTML,
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
        TIFF: "a TIFF picture",
        WEBP: "a WebP picture",
        GIF: "a GIF picture",
        BMP: "a BMP picture",
        DOCX: "a Word document (DOCX)",
        HTML: "a web page (HTML)",
        MARKDOWN: "Markdown text",
        TEXT: "plain text",
    }
)
_READS = "Trireme reads PDF, DOCX, HTML, Markdown, plain text, PNG, JPEG, TIFF, WebP, GIF and BMP."
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
# First bytes of pictures. A BMP's are two letters and its size; the four bytes behind them are reserved and zero.
_PICTURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),
    (b"MM\x00+", TIFF),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
)
# What a web page without a name that says so begins with.
_WEB_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)[\s>]", re.I | re.S
)
# What other files begin with, only so that the refusal can name them.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"{\\rtf", "a rich text (RTF) document"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"%!PS", "a PostScript document"),
)
_NEVER_BEFORE_A_PDF = (*_ZIP, *(magic for magic, _ in _OTHERS))
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FEWEST_UNITS, _MOSTLY_ZERO = 8, 0.7
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
        return _judge_text(data, extension, named)
    if named not in (None, found):
        return _misnamed(extension, description)
    return Verdict(found)


def wide_encoding(data: bytes) -> str | None:
    """The byte order of UTF-16 without a mark, None for all other bytes.

    Told by the zeros that every second byte of European letters is; texts of other scripts need their mark.
    """
    head = data[: HEAD_BYTES // 2 * 2]
    n_units = len(head) // 2
    if n_units < _FEWEST_UNITS:
        return None
    high, low = head[1::2].count(0), head[0::2].count(0)
    if high >= _MOSTLY_ZERO * n_units and low == 0:
        return "utf-16-le"
    return "utf-16-be" if low >= _MOSTLY_ZERO * n_units and high == 0 else None


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
    picture = _picture(data)
    if picture is not None:
        return picture, READABLE[picture]
    # The header may stand anywhere in the first 1024 bytes (PDF 1.7 reference, appendix H, note 13). Behind the
    # beginning of an archive or a program it makes a file that is two kinds at once: nobody does so by mistake.
    if data.startswith(b"%PDF-") or (
        b"%PDF-" in data[:1024] and named in (None, PDF) and not data.startswith(_NEVER_BEFORE_A_PDF)
    ):
        return PDF, READABLE[PDF]
    if data.startswith(_ZIP):
        is_docx = b"word/document.xml" in data or (not complete and named == DOCX)
        return (DOCX, READABLE[DOCX]) if is_docx else (None, "a ZIP archive or another kind of Office document")
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        return None, "a HEIC or AVIF picture"
    other = next((words for magic, words in _OTHERS if data.startswith(magic)), None)
    if other is not None and (b"\x00" in data or not _looks_like_text(data)):
        return None, other
    if _looks_like_text(data):
        return TEXT, READABLE[TEXT]
    return None, "of a kind that is not known"


def _picture(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    if data.startswith(b"BM") and data[6:10] == bytes(4):
        return BMP
    return next((kind for magic, kind in _PICTURES if data.startswith(magic)), None)


def _judge_text(data: bytes, extension: str, named: str | None) -> Verdict:
    if named in (TEXT, MARKDOWN, HTML):
        return Verdict(named)
    if named is not None:
        return _misnamed(extension, READABLE[TEXT])
    if not extension and _WEB_PAGE.match(data[:HEAD_BYTES]):
        return Verdict(HTML)
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
    if head.startswith(_BOMS) or wide_encoding(head) is not None:
        return True
    return sum(byte in _CONTROLS for byte in head) * 100 <= len(head) and b"\x00" not in head
