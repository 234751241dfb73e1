"""The same judgement as at the door, as the document's own failure."""

import pytest

from contracts.errors import DocumentFailed
from contracts.media import BMP, DOCX, GIF, HTML, JPEG, PDF, PNG, TIFF, WEBP
from ingest.extraction import sniff
from tests.ingest.extraction.making import encoded, lines, pdf, picture, word


def test_real_files_are_what_they_are():
    assert sniff(pdf(lambda canvas: lines(canvas, 60, 700, ["words"])), "a/b.pdf") == PDF
    assert sniff(encoded(picture(1)), "b.png") == PNG
    assert sniff(encoded(picture(1), "JPEG"), "b.jpg") == JPEG
    for kind, media_type in (("TIFF", TIFF), ("GIF", GIF), ("BMP", BMP), ("WEBP", WEBP)):
        assert sniff(encoded(picture(1), kind), f"b.{kind.lower()}") == media_type
    assert sniff(b"<!DOCTYPE html><p>words", "b.html") == HTML
    assert sniff(word(lambda document: None), "b.docx") == DOCX


@pytest.mark.parametrize(
    ("data", "name", "cause"),
    [
        (b"", "a.pdf", "empty"),
        (b"\xff\xd8\xff\xe0", "a.pdf", "wrong_extension"),
        (b"MZ\x90\x00", "a", "unsupported"),
    ],
)
def test_refusal_is_a_failure_of_the_document_with_its_cause(data: bytes, name: str, cause: str):
    with pytest.raises(DocumentFailed) as failure:
        sniff(data, name)

    assert failure.value.cause == cause
    assert failure.value.message.endswith(".")
