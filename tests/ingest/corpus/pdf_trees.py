"""PDFs whose pages and objects make no sense: sizes, loops, nesting without end."""

from collections.abc import Iterator

from tests.ingest.corpus.case import Case, bad, either
from tests.ingest.corpus.pdf_sound import prose
from tests.ingest.corpus.raw_pdf import FONT, HELLO, form, image, one_page, raw_pdf, stream
from tests.ingest.extraction.making import pdf

CATALOG, PAGE_NODE = b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>"


def deep_pages(depth: int) -> bytes:
    objects = {1: CATALOG}
    for number in range(2, depth + 2):
        objects[number] = b"<</Type/Pages/Kids[%d 0 R]/Count 1%s>>" % (
            number + 1,
            b"/Parent %d 0 R" % (number - 1) if number > 2 else b"",
        )
    last = depth + 2
    objects[last] = (
        b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 600 800]/Contents %d 0 R/Resources<</Font<</F1 %d 0 R>>>>>>"
        % (last - 1, last + 1, last + 2)
    )
    objects[last + 1], objects[last + 2] = stream(HELLO), FONT
    return raw_pdf(objects)


def boxes() -> Iterator[Case]:
    """Pages whose size is wrong."""
    sizes = {
        "none": b"",
        "zero": b"[0 0 0 0]",
        "reversed": b"[600 800 0 0]",
        "line": b"[0 0 600 0]",
        "negative": b"[-600 -800 0 0]",
        "huge": b"[0 0 14400 14400]",
        "absurd": b"[0 0 1000000 1000000]",
        "endless": b"[0 0 1e30 1e30]",
        "beyond-integers": b"[0 0 99999999999999999999 99999999999999999999]",
        "of-names": b"[/a /b /c /d]",
        "of-two": b"[0 0]",
        "of-nothing": b"null",
        "tiny": b"[0 0 0.001 0.001]",
        "far-away": b"[1000000 1000000 1000600 1000800]",
        "narrow": b"[0 0 1 100000]",
    }
    for name, box in sizes.items():
        yield either(f"page-box-{name}.pdf", lambda box=box: one_page(box=box), "corrupt")
    yield either("page-box-huge-scan.pdf", lambda: with_box_of_image(b"[0 0 200000 200000]"), "corrupt")


def with_box_of_image(box: bytes) -> bytes:
    picture = image(64, 64, bytes(range(256)) * 2)
    content = b"q 200000 0 0 200000 0 0 cm /I Do Q"
    return one_page(content, box=box, resources=b"/XObject<</I 6 0 R>>", more={6: picture})


def trees() -> Iterator[Case]:
    """Pages and objects in loops, and nested without end."""
    yield either("page-tree-50-deep.pdf", lambda: deep_pages(50), "corrupt")
    yield either("page-tree-2000-deep.pdf", lambda: deep_pages(2000), "corrupt", "too_deep", "empty")
    yield either("page-tree-40000-deep.pdf", lambda: deep_pages(40_000), "corrupt", "too_deep", "empty")
    yield bad(
        "page-tree-is-its-own-child.pdf",
        lambda: one_page(more={2: b"<</Type/Pages/Kids[2 0 R]/Count 1>>"}),
        "corrupt",
    )
    yield bad("no-pages.pdf", lambda: one_page(more={2: b"<</Type/Pages/Kids[]/Count 0>>"}), "corrupt", "empty")
    yield bad("pages-missing.pdf", lambda: raw_pdf({1: CATALOG}), "corrupt", "empty")
    yield bad("catalogue-missing.pdf", lambda: raw_pdf({2: PAGE_NODE}), "corrupt")
    yield either(
        "says-a-billion-pages.pdf",
        lambda: one_page(more={2: b"<</Type/Pages/Kids[3 0 R]/Count 1000000000>>"}),
        "corrupt",
        "too_many_pages",
    )
    yield either(
        "says-minus-one-pages.pdf",
        lambda: one_page(more={2: b"<</Type/Pages/Kids[3 0 R]/Count -1>>"}),
        "corrupt",
        "empty",
    )
    yield either(
        "same-page-ten-times.pdf",
        lambda: one_page(more={2: b"<</Type/Pages/Kids[" + b"3 0 R " * 10 + b"]/Count 10>>"}),
        "corrupt",
    )
    yield bad("301-pages.pdf", lambda: pdf(*[prose] * 301), "too_many_pages")
    yield either(
        "form-draws-itself.pdf",
        lambda: one_page(
            HELLO + b" /X Do", resources=b"/XObject<</X 6 0 R>>", more={6: form(b"/X Do", b"/XObject<</X 6 0 R>>")}
        ),
        "corrupt",
    )
    yield either("contents-in-a-loop.pdf", lambda: one_page(more={4: b"[4 0 R 4 0 R]"}), "corrupt")
    yield either(
        "length-in-a-loop.pdf",
        lambda: one_page(content_object=b"<</Length 4 0 R>>\nstream\n" + HELLO + b"\nendstream"),
        "corrupt",
    )
    yield either(
        "font-in-a-loop.pdf",
        lambda: one_page(
            more={5: b"<</Type/Font/Subtype/Type0/BaseFont/X/DescendantFonts[5 0 R]/Encoding/Identity-H>>"}
        ),
        "corrupt",
    )
    yield either("object-is-itself.pdf", lambda: one_page(more={5: b"5 0 R"}), "corrupt")
    yield either(
        "outline-in-a-loop.pdf",
        lambda: one_page(
            more={1: b"<</Type/Catalog/Pages 2 0 R/Outlines 6 0 R>>", 6: b"<</First 6 0 R/Last 6 0 R/Next 6 0 R>>"}
        ),
        "corrupt",
    )
    yield either("previous-table-in-a-loop.pdf", lambda: looping_xref(), "corrupt")
    yield either(
        "arrays-100000-deep.pdf",
        lambda: one_page(page=b"/X" + b"[" * 100_000 + b"]" * 100_000),
        "corrupt",
        "empty",
    )
    yield either(
        "dictionaries-50000-deep.pdf",
        lambda: one_page(page=b"/X" + b"<</A" * 50_000 + b"null" + b">>" * 50_000),
        "corrupt",
        "empty",
    )
    yield either(
        "type-3-font-draws-itself.pdf",
        lambda: one_page(
            more={
                5: b"<</Type/Font/Subtype/Type3/FontBBox[0 0 9 9]/FontMatrix[1 0 0 1 0 0]/FirstChar 65"
                b"/LastChar 90/Widths[9]/Encoding<</Differences[65/A]>>/CharProcs<</A 6 0 R>>"
                b"/Resources<</Font<</F1 5 0 R>>>>>>",
                6: stream(b"BT /F1 9 Tf (A) Tj ET"),
            }
        ),
        "corrupt",
    )


def looping_xref() -> bytes:
    data = one_page()
    at = int(data.rsplit(b"startxref\n", 1)[1].split()[0])
    return one_page(trailer=b"/Prev %d" % at)


def pdf_trees() -> Iterator[Case]:
    """All of them."""
    yield from boxes()
    yield from trees()
