"""Documents that cannot be read: each ends with its cause and a sentence for people."""

import io
import random
import zipfile
from collections.abc import Callable

import pytest
from docx.document import Document
from PIL import Image
from reportlab.lib import pdfencrypt
from reportlab.pdfgen.canvas import Canvas

from contracts.errors import DocumentFailed
from contracts.media import BMP, DOCX, GIF, JPEG, PDF, PNG, TEXT, TIFF, WEBP
from tests.ingest.extraction.making import (
    black_png,
    encoded,
    lines,
    pdf,
    picture,
    read_pictures,
    read_text,
    scan,
    word,
)

# What a sentence for people does not hold: names of libraries, of Python and of files.
FOREIGN_WORDS = ("pdfium", "pillow", "traceback", "exception", "0x", "none", "zlib", "lxml", "package", "/")


def page(canvas: Canvas) -> None:
    lines(canvas, 60, 700, ["A page with a sentence."])


def word_file() -> bytes:
    return word(lambda document: document.add_paragraph("A paragraph of the document."))


def with_part(data: bytes, name: str, content: bytes) -> bytes:
    """A copy of a ZIP archive in which one part is replaced or added."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            if entry.filename != name:
                new.writestr(entry, old.read(entry))
        new.writestr(name, content)
    return stream.getvalue()


def shuffled(data: bytes, start: int) -> bytes:
    """The bytes behind `start` in random order."""
    tail = list(data[start:])
    random.Random(7).shuffle(tail)
    return data[:start] + bytes(tail)


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def encrypted_pdf() -> bytes:
    return pdf(page, encrypt=pdfencrypt.StandardEncryption("secret", ownerPassword="owner"))


DAMAGED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "empty PDF": (lambda: b"", PDF, "empty"),
    "empty picture": (lambda: b"", PNG, "empty"),
    "empty text": (lambda: b"", TEXT, "empty"),
    "text of white space": (lambda: b" \n\t\n\xef\xbb\xbf", TEXT, "empty"),
    "PDF cut in half": (lambda: half(pdf(page, page, page)), PDF, "corrupt"),
    "PDF without its last kilobyte": (lambda: pdf(*[page] * 40)[:-1000], PDF, "corrupt"),
    "PDF of random bytes": (lambda: b"%PDF-1.7\n" + random.Random(1).randbytes(9000) + b"%%EOF", PDF, "corrupt"),
    "PDF with a password": (encrypted_pdf, PDF, "encrypted"),
    "PDF with 301 pages": (lambda: pdf(*[page] * 301), PDF, "too_many_pages"),
    "PNG with shuffled pixels": (lambda: shuffled(encoded(picture(1)), 60), PNG, "corrupt"),
    "PNG cut in half": (lambda: half(encoded(picture(1))), PNG, "corrupt"),
    "PNG that is only a signature": (lambda: b"\x89PNG\r\n\x1a\n", PNG, "corrupt"),
    "JPEG cut in half": (lambda: half(encoded(picture(1), "JPEG")), JPEG, "corrupt"),
    "TIFF cut in half": (lambda: half(encoded(picture(1), "TIFF")), TIFF, "corrupt"),
    "GIF cut in half": (lambda: half(encoded(picture(1), "GIF")), GIF, "corrupt"),
    "WebP cut in half": (lambda: half(encoded(picture(1), "WEBP")), WEBP, "corrupt"),
    "BMP cut in half": (lambda: half(encoded(picture(1), "BMP")), BMP, "corrupt"),
    "PNG with 60 megapixels": (lambda: black_png(60), PNG, "too_many_pixels"),
    "JPEG with 42 megapixels": (lambda: encoded(Image.new("L", (7000, 6000)), "JPEG"), JPEG, "too_many_pixels"),
    "DOCX cut in half": (lambda: half(word_file()), DOCX, "corrupt"),
    "DOCX with broken XML": (
        lambda: with_part(word_file(), "word/document.xml", b"<w:document>"),
        DOCX,
        "corrupt",
    ),
    "DOCX without a document": (
        lambda: with_part(b"PK\x05\x06" + bytes(18), "word/x.xml", b"<x/>"),
        DOCX,
        "corrupt",
    ),
    "DOCX that unpacks to 201 MB": (
        lambda: with_part(word_file(), "word/media/a.bin", bytes(201_000_000)),
        DOCX,
        "compression_bomb",
    ),
    "DOCX whose text unpacks to 41 MB": (
        lambda: with_part(word_file(), "word/document.xml", b" " * 41_000_000),
        DOCX,
        "compression_bomb",
    ),
    "DOCX that unpacks a thousandfold": (
        lambda: with_part(word_file(), "word/media/a.bin", bytes(30_000_000)),
        DOCX,
        "compression_bomb",
    ),
    "a type that is not read": (lambda: b"x", "image/svg+xml", "unsupported"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_document_fails_with_its_cause_and_a_sentence(name: str):
    make, content_type, cause = DAMAGED[name]
    data = make()

    with pytest.raises(DocumentFailed) as failure:
        read_text(data, content_type)

    assert failure.value.cause == cause
    sentence = failure.value.message
    assert sentence[0].isupper()
    assert sentence[-1] in ".?"
    assert not any(word in sentence.lower() for word in FOREIGN_WORDS if content_type != "image/svg+xml")


@pytest.mark.parametrize("name", [name for name in DAMAGED if DAMAGED[name][1] != TEXT])
def test_pictures_of_a_damaged_document_fail_for_the_same_cause(name: str):
    make, content_type, cause = DAMAGED[name]

    with pytest.raises(DocumentFailed) as failure:
        read_pictures(make(), content_type)

    assert failure.value.cause == cause


def test_numbers_in_the_sentence_say_what_was_too_much():
    with pytest.raises(DocumentFailed, match=r"60\.0 megapixels; at most 40"):
        read_pictures(black_png(60), PNG)
    with pytest.raises(DocumentFailed, match="301 pages; at most 300"):
        read_text(pdf(*[page] * 301), PDF)


def test_pdf_with_bytes_behind_its_end_is_read():
    assert "sentence" in read_text(pdf(page) + b"\r\n-- appended by a mail gateway --\r\n", PDF).text


def test_pdf_that_needs_a_password_only_for_printing_is_read():
    data = pdf(page, encrypt=pdfencrypt.StandardEncryption("", ownerPassword="owner", canPrint=0))

    assert "sentence" in read_text(data, PDF).text


def test_picture_of_exactly_the_limit_is_read():
    assert len(read_pictures(encoded(picture(1, 200, 150)), PNG, max_pixels=30_000)) == 1


def test_broken_picture_inside_a_word_file_does_not_fail_the_others():
    def fill(document: Document) -> None:
        document.add_picture(io.BytesIO(encoded(picture(1))))
        document.add_picture(io.BytesIO(encoded(picture(2))))

    data = with_part(word(fill), "word/media/image1.png", b"\x89PNG\r\n\x1a\n broken")

    assert len(read_pictures(data, DOCX)) == 1


def test_xml_entities_in_a_word_file_are_not_expanded():
    body = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9)
    )
    namespace = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body += (
        b']><w:document xmlns:w="%s"><w:body><w:p><w:r><w:t>&j;</w:t></w:r></w:p></w:body></w:document>'
        % namespace
    )

    with pytest.raises(DocumentFailed) as failure:
        read_text(with_part(word_file(), "word/document.xml", body), DOCX)
    assert failure.value.cause == "corrupt"


def test_scan_is_refused_like_any_other_pdf_when_its_end_is_missing():
    with pytest.raises(DocumentFailed, match="incomplete"):
        read_text(pdf(scan("minutes"))[:-2000], PDF)
