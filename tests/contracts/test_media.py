"""What a file is by its bytes and its name."""

import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import InvalidInput, UnsupportedMedia
from contracts.media import (
    BMP,
    DOCX,
    EXTENSIONS,
    GIF,
    HEAD_BYTES,
    HTML,
    JPEG,
    MARKDOWN,
    PDF,
    PNG,
    TEXT,
    TIFF,
    WEBP,
    judge,
    sniff_upload,
)

A_PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
A_JPEG = b"\xff\xd8\xff\xe0" + bytes(20)
A_PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def archive(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            file.writestr(name, "x" * 20_000)
    return stream.getvalue()


A_DOCX = archive("[Content_Types].xml", "word/document.xml")


@pytest.mark.parametrize(
    ("data", "name", "content_type"),
    [
        (A_PDF, "manual.pdf", PDF),
        (b"\n\n" + A_PDF, "manual.pdf", PDF),
        (A_PNG, "PICTURE.PNG", PNG),
        (A_JPEG, "a.jpg", JPEG),
        (A_JPEG, "a.jpeg", JPEG),
        (b"II*\x00" + bytes(9), "a.tif", TIFF),
        (b"MM\x00*" + bytes(9), "a.tiff", TIFF),
        (b"GIF89a" + bytes(9), "a.gif", GIF),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "a.webp", WEBP),
        (b"BM\x00\x01\x00\x00" + bytes(9), "a.bmp", BMP),
        (b"BMW builds cars", "cars.txt", TEXT),
        (b"GIFs are pictures", "gifs.txt", TEXT),
        (A_DOCX, "letter.docx", DOCX),
        (b"<!DOCTYPE html><p>words", "page.html", HTML),
        (b"just words", "page.htm", HTML),
        (b"\n<!-- note --> <HTML lang=en>", "download", HTML),
        (b"<p>a fragment</p>", "download", TEXT),
        (b"<html></html>", "source.txt", TEXT),
        ("A page of words".encode("utf-16-le"), "a.txt", TEXT),
        ("A page of words".encode("utf-16-be"), "a.txt", TEXT),
        (b"# Knots", "knots.md", MARKDOWN),
        (b"words", "notes.txt", TEXT),
        (b"words", "README", TEXT),
        (b"<p>words</p> %PDF-1.7 is a format", "notes.txt", TEXT),
        ("Größe".encode("cp1252"), "notes.txt", TEXT),
        ("Größe".encode("utf-16"), "notes.txt", TEXT),
        (A_PDF, "no-extension", PDF),
        (A_PNG, "download.tmp", PNG),
        (A_PNG, "folder.pdf/picture", PNG),
    ],
)
def test_content_decides_and_the_name_agrees(data: bytes, name: str, content_type: str):
    assert judge(data, name).content_type == content_type


@pytest.mark.parametrize(
    ("data", "name", "sentence"),
    [
        (A_PNG, "scan.pdf", "The file is named .pdf but its content is a PNG picture."),
        (A_PDF, "scan.png", "The file is named .png but its content is a PDF document."),
        (A_JPEG, "a.png", "The file is named .png but its content is a JPEG picture."),
        (b"just words", "a.pdf", "The file is named .pdf but its content is plain text."),
        (A_PDF, "a.txt", "The file is named .txt but its content is a PDF document."),
        (b"\x00\x01\x02\x03", "a.txt", "The file is named .txt but its content is of a kind that is not known."),
        (
            archive("xl/workbook.xml"),
            "a.docx",
            "but its content is a ZIP archive or another kind of Office document.",
        ),
        (
            OLE + bytes(600),
            "a.docx",
            "The file is named .docx but its content is an Office document of before 2007.",
        ),
    ],
)
def test_name_that_says_something_else_is_refused(data: bytes, name: str, sentence: str):
    verdict = judge(data, name)

    assert (verdict.content_type, verdict.cause) == (None, "wrong_extension")
    assert verdict.reason.endswith(sentence)


@pytest.mark.parametrize(
    ("data", "name", "what"),
    [
        (archive("a.txt"), "a.zip", "a ZIP archive"),
        (b"MZ\x90\x00\x03", "a.exe", "a program"),
        (b"\x1f\x8b\x08\x00", "a.gz", "a gzip archive"),
        (OLE + bytes(600), "a.doc", "an Office document of before 2007"),
        (b"a,b\n1,2\n", "table.csv", "Files named .csv are not read."),
        (b"<svg></svg>", "drawing.svg", "Files named .svg are not read."),
    ],
)
def test_files_that_are_not_read_are_refused_by_their_kind(data: bytes, name: str, what: str):
    verdict = judge(data, name)

    assert verdict.cause == "unsupported"
    assert what in verdict.reason
    assert (
        "Trireme reads PDF, DOCX, HTML, Markdown, plain text, PNG, JPEG, TIFF, WebP, GIF and BMP."
        in verdict.reason
    )


def test_word_file_with_a_password_is_encrypted():
    data = OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(100)

    assert judge(data, "a.docx").cause == "encrypted"


def test_head_of_a_word_file_is_enough_at_the_door():
    assert judge(A_DOCX[:HEAD_BYTES], "a.docx", complete=False).content_type == DOCX
    assert judge(OLE + bytes(600), "a.docx", complete=False).content_type == DOCX
    assert judge(A_DOCX[:HEAD_BYTES], "a.pdf", complete=False).cause == "wrong_extension"


def test_head_that_ends_inside_a_letter_is_still_text():
    data = ("ä" * HEAD_BYTES).encode()[: HEAD_BYTES - 1]

    assert judge(data, "a.txt", complete=False).content_type == TEXT


def test_door_refuses_with_an_error_that_has_a_status():
    with pytest.raises(UnsupportedMedia, match=r"named \.pdf but its content is a PNG picture"):
        sniff_upload(A_PNG, "a.pdf")
    with pytest.raises(InvalidInput, match="The file is empty"):
        sniff_upload(b"", "a.pdf")
    assert sniff_upload(A_PNG, "a.png") == PNG


@settings(deadline=None)
@given(st.binary(max_size=3000), st.sampled_from(["a", "a.bin", *(f"a.{extension}" for extension in EXTENSIONS)]))
def test_every_file_has_either_a_type_or_a_cause_and_a_sentence(data: bytes, name: str):
    verdict = judge(data, name)

    assert (verdict.content_type is None) == (verdict.cause is not None)
    assert verdict.content_type is not None or verdict.reason.endswith(".")


@pytest.mark.parametrize("before", [b"PK\x03\x04", b"MZ\x90\x00", b"\x7fELF\x02", b"\x1f\x8b\x08\x00"])
def test_a_pdf_inside_the_beginning_of_another_kind_of_file_is_none(before: bytes) -> None:
    for name in ("a.pdf", "a"):
        assert judge(before + bytes(40) + A_PDF, name).content_type is None
