"""PDFs with locks, pieces of PDFs, and PDFs with flipped bits."""

import zlib
from collections.abc import Iterator

from reportlab.lib import pdfencrypt

from tests.ingest.corpus.case import ANY_DAMAGE, Case, bad, cut, either, flipped
from tests.ingest.corpus.pdf_sound import prose, sound_pdf
from tests.ingest.corpus.raw_pdf import HELLO, mapped_font, one_page, stream
from tests.ingest.extraction.making import pdf, scan


def locked() -> Iterator[Case]:
    """Encrypted files."""
    for bits in (40, 128):
        yield bad(
            f"password-{bits}-bits.pdf",
            lambda bits=bits: pdf(prose, encrypt=pdfencrypt.StandardEncryption("secret", "owner", strength=bits)),
            "encrypted",
        )
    yield bad(
        "unknown-lock.pdf",
        lambda: one_page(trailer=b"/Encrypt<</Filter/Foreign/V 9>>/ID[(a)(b)]"),
        "encrypted",
        "corrupt",
    )
    yield bad(
        "lock-without-keys.pdf",
        lambda: one_page(trailer=b"/Encrypt<</Filter/Standard/V 5/R 6>>/ID[(a)(b)]"),
        "encrypted",
        "corrupt",
    )


def fragments() -> Iterator[Case]:
    """Pieces, and files of other kinds inside."""
    yield bad("empty.pdf", lambda: b"", "empty")
    yield bad("only-a-header.pdf", lambda: b"%PDF-1.7\n", "corrupt")
    yield bad("header-and-end.pdf", lambda: b"%PDF-1.7\n%%EOF\n", "corrupt")
    yield bad("rubbish-between.pdf", lambda: b"%PDF-1.7\n" + bytes(range(256)) * 40 + b"\n%%EOF\n", "corrupt")
    yield bad("zeros.pdf", lambda: bytes(5000), "wrong_extension")
    yield bad("end-without-start.pdf", lambda: sound_pdf()[500:], "wrong_extension", "corrupt")
    yield either(
        "wrong-start-of-table.pdf", lambda: sound_pdf().replace(b"startxref\n", b"startxref\n9"), "corrupt"
    )
    yield either(
        "wrong-lengths.pdf",
        lambda: one_page(content_object=b"<</Length 3>>\nstream\n" + HELLO + b"\nendstream"),
        "corrupt",
    )
    yield either(
        "length-missing.pdf",
        lambda: one_page(content_object=b"<<>>\nstream\n" + HELLO + b"\nendstream"),
        "corrupt",
    )
    yield either(
        "content-without-end.pdf",
        lambda: one_page(content_object=b"<</Length 999999>>\nstream\n" + HELLO),
        "corrupt",
    )
    yield either(
        "broken-deflate.pdf",
        lambda: one_page(content_object=stream(zlib.compress(HELLO * 50)[:-30], b"/Filter/FlateDecode")),
        "corrupt",
    )
    yield either("font-missing.pdf", lambda: one_page(more={5: b"null"}), "corrupt")
    yield either(
        "resources-missing.pdf",
        lambda: one_page(more={3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R>>"}),
        "corrupt",
    )
    yield either("map-of-private-letters.pdf", private_letters, "corrupt")
    yield either("map-of-bidi-marks.pdf", lambda: mapped("\u202e\u2066abc\u200b\u2069"), "corrupt")
    for stem, make in (("sound", sound_pdf), ("scan", lambda: pdf(scan("One sheet of paper")))):
        yield from cut(stem, "pdf", make, (0.05, 0.3, 0.6, 0.9, 0.99), "corrupt", "wrong_extension")
        yield from flipped(
            stem, "pdf", make, 7, *ANY_DAMAGE, "encrypted", "wrong_extension", "too_many_pages", "too_much_memory"
        )
    yield from flipped("sound", "pdf", sound_pdf, 8, *ANY_DAMAGE, "encrypted", "wrong_extension", flips=400)


def private_letters() -> bytes:
    return mapped("\ue001\ue002\ue003\ue004\ue005")


def mapped(letters: str) -> bytes:
    font, table = mapped_font(letters)
    codes = bytes(range(1, len(letters) + 1)).hex().encode()
    return one_page(b"BT /F1 18 Tf 72 600 Td <" + codes + b"> Tj ET", more={5: font, 6: table})


def pdf_fragments() -> Iterator[Case]:
    """All of them."""
    yield from locked()
    yield from fragments()
