"""What a file is, told by its bytes, and whether a document holds them already."""

import io
import zipfile
from dataclasses import replace

import pytest

from contracts.api import DocumentView, has_bytes
from contracts.errors import InvalidInput, UnsupportedMedia
from contracts.media import DOCX, HEAD_BYTES
from gateway.core.upload import Upload, refuse_early

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
PDF = b"%PDF-1.7\n"
VIEW = DocumentView(
    doc_id="d",
    state="indexed",
    version=1,
    visible_version=1,
    source="a",
    collection="c",
    content_type="text/plain",
    size_bytes=1,
    reason=None,
    trace_id=None,
    sha256="same",
)


def archive(name: str, size: int) -> bytes:
    """A ZIP archive with a large first entry and then one of this name."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as file:
        file.writestr("media/large.bin", bytes(size))
        file.writestr(name, b"<x/>")
    return held.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.pdf", PNG + PDF),
        ("a.txt", PNG),
        ("a.png", PDF + PNG),
        ("a.pdf", archive("word/document.xml", 10) + PDF),
        ("a.pdf", archive("x", 10)[:20] + PDF),
        ("a.docx", archive("xl/workbook.xml", 10)),
        ("a.exe", b"MZ\x00\x01" + bytes(100) + PDF),
    ],
)
def test_a_name_that_the_content_does_not_bear_out_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        Upload.of(name, data).content_type()


@pytest.mark.parametrize("size", [10, 3 * 1024**2])
def test_a_word_document_is_known_whatever_its_size(size: int) -> None:
    assert Upload.of("a.docx", archive("word/document.xml", size)).content_type() == DOCX


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(InvalidInput):
        Upload.of("a.txt", b"").content_type()


def test_the_first_bytes_refuse_only_what_no_name_could_save() -> None:
    refuse_early(archive("word/document.xml", HEAD_BYTES)[:HEAD_BYTES], "blob")
    refuse_early(PNG, "a.pdf")
    with pytest.raises(UnsupportedMedia):
        refuse_early(b"\x7fELF" + bytes(HEAD_BYTES), "blob")


@pytest.mark.parametrize(
    ("change", "known"),
    [
        ({}, True),
        ({"state": "processing"}, True),
        ({"state": "indexed", "reason": "The pictures are missing."}, False),
        ({"state": "failed"}, False),
        ({"state": "deleted"}, False),
        ({"state": "deleting"}, False),
        ({"state": "expired"}, False),
        ({"state": "superseded"}, False),
        ({"sha256": "other"}, False),
        ({"sha256": None}, False),
    ],
)
def test_bytes_are_known_while_the_document_that_has_them_is_well(change: dict[str, str], known: bool) -> None:
    assert has_bytes(replace(VIEW, **change), "same") is known  # type: ignore[arg-type]
