"""PDFs made to do damage: little files that become large ones, and work without end."""

import zlib
from collections.abc import Iterator

from tests.ingest.corpus.case import Case, either, well
from tests.ingest.corpus.raw_pdf import HELLO, form, image, one_page, packed, stream, with_image

HEAVY = ("timeout", "too_much_memory", "crashed", "too_much_text")


def zeros(megabytes: int, byte: bytes = b"\x00", times: int = 1) -> bytes:
    """So many bytes, deflated piece by piece; `times` over."""
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(byte * 1_000_000) for _ in range(megabytes)) + packer.flush()
    for _ in range(times - 1):
        data = zlib.compress(data, 9)
    return data


def doubling_forms() -> bytes:
    more = {6 + level: form(b"/X Do /X Do", b"/XObject<</X %d 0 R>>" % (7 + level)) for level in range(30)}
    more[36] = form(HELLO, b"/Font<</F1 5 0 R>>")
    return one_page(b"/X Do", resources=b"/XObject<</X 6 0 R>>", more=more)


def pdf_bombs() -> Iterator[Case]:
    """Little files that become large ones."""
    yield either("forms-double-30-times.pdf", doubling_forms, "corrupt", *HEAVY)
    yield either(
        "content-of-800-mb.pdf",
        lambda: one_page(content_object=stream(zeros(800, b" "), b"/Filter/FlateDecode")),
        "corrupt",
        *HEAVY,
    )
    yield either(
        "content-packed-twice.pdf",
        lambda: one_page(content_object=stream(zeros(1000, b"q ", 2), b"/Filter[/FlateDecode/FlateDecode]")),
        "corrupt",
        *HEAVY,
    )
    yield either(
        "million-saved-states.pdf",
        lambda: one_page(content_object=packed(b"q " * 1_000_000 + HELLO)),
        "corrupt",
        *HEAVY,
    )
    yield either(
        "million-letters-on-a-page.pdf",
        lambda: one_page(content_object=packed(b"BT /F1 1 Tf " + b"(abcdefghij) Tj " * 100_000 + b"ET")),
        "corrupt",
        *HEAVY,
    )
    yield either(
        "million-lines-on-a-page.pdf",
        lambda: one_page(HELLO, content_object=packed(HELLO + b" 0 0 m 9 9 l S" * 1_000_000)),
        "corrupt",
        *HEAVY,
    )
    yield either(
        "string-of-20-mb.pdf",
        lambda: one_page(content_object=packed(b"BT /F1 9 Tf (" + b"a" * 20_000_000 + b") Tj ET")),
        "corrupt",
        *HEAVY,
    )
    yield either(
        "image-of-10-gigapixels.pdf",
        lambda: with_image(image(100_000, 100_000, zeros(10), b"/Filter/FlateDecode")),
        "corrupt",
        "too_many_pixels",
        *HEAVY,
    )
    yield either(
        "image-of-900-megapixels.pdf",
        lambda: with_image(image(30_000, 30_000, zeros(113), b"/Filter/FlateDecode")),
        "corrupt",
        "too_many_pixels",
        *HEAVY,
    )
    yield either(
        "image-beyond-integers.pdf",
        lambda: with_image(image(2**31 - 1, 2**31 - 1, b"x")),
        "corrupt",
        "too_many_pixels",
        *HEAVY,
    )
    yield either("image-of-no-size.pdf", lambda: with_image(image(0, 0, b"")), "corrupt")
    yield either("image-of-negative-size.pdf", lambda: with_image(image(-5, -5, b"x")), "corrupt")
    yield either("image-without-its-bytes.pdf", lambda: with_image(image(500, 500, b"")), "corrupt")
    for kind in (
        b"JPXDecode",
        b"JBIG2Decode",
        b"DCTDecode",
        b"CCITTFaxDecode",
        b"LZWDecode",
        b"RunLengthDecode",
        b"NoSuchDecode",
    ):
        yield either(
            f"image-of-rubbish-{kind.decode()}.pdf",
            lambda kind=kind: with_image(image(500, 500, bytes(range(256)) * 20, b"/Filter/" + kind)),
            "corrupt",
        )
    yield either(
        "inline-image-of-absurd-size.pdf",
        lambda: one_page(HELLO + b" BI /W 100000 /H 100000 /BPC 8 /CS /G ID xx EI"),
        "corrupt",
        *HEAVY,
    )
    yield either("tiles-without-number.pdf", tiles, "corrupt", *HEAVY)
    yield either(
        "function-without-end.pdf",
        lambda: one_page(
            HELLO + b" /S sh",
            resources=b"/Shading<</S<</ShadingType 1/ColorSpace/DeviceGray/Function 6 0 R>>>>",
            more={6: stream(b"{" * 5000 + b"}" * 5000, b"/FunctionType 4/Domain[0 1 0 1]/Range[0 1]")},
        ),
        "corrupt",
        *HEAVY,
    )
    yield either("mask-of-itself.pdf", lambda: with_image(image(64, 64, bytes(512), b"/SMask 6 0 R")), "corrupt")
    yield either("letters-of-size-zero.pdf", lambda: one_page(b"BT /F1 0 Tf 72 700 Td (Hello) Tj ET"), "corrupt")
    yield either(
        "letters-of-absurd-size.pdf", lambda: one_page(b"BT /F1 1e9 Tf 72 700 Td (Hello) Tj ET"), "corrupt"
    )
    yield either(
        "letters-off-the-page.pdf", lambda: one_page(b"BT /F1 12 Tf -9000 -9000 Td (Hello) Tj ET"), "corrupt"
    )
    yield well("letters-in-white.pdf", lambda: one_page(b"1 g " + HELLO))
    yield either("matrix-without-area.pdf", lambda: one_page(b"0 0 0 0 0 0 cm " + HELLO), "corrupt")


def tiles() -> bytes:
    pattern = stream(
        b"0 0 1 1 re f",
        b"/Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 1 1]"
        b"/XStep 0.00001/YStep 0.00001/Resources<<>>",
    )
    return one_page(
        HELLO + b" /Pattern cs /P scn 0 0 600 800 re f", resources=b"/Pattern<</P 6 0 R>>", more={6: pattern}
    )
