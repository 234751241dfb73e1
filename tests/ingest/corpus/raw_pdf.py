"""PDFs written object by object, so that any of them may be wrong."""

import zlib
from collections.abc import Mapping

HELLO = b"BT /F1 24 Tf 72 700 Td (Hello from a page) Tj ET"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def raw_pdf(
    objects: Mapping[int, bytes], *, trailer: bytes = b"", head: bytes = b"%PDF-1.7\n", xref: bool = True
) -> bytes:
    """A file with these objects; object 1 is the catalogue."""
    out = bytearray(head)
    places: dict[int, int] = {}
    for number, body in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(out)
    size = max(objects, default=0) + 1
    if xref:
        out += b"xref\n0 %d\n0000000000 65535 f \n" % size
        for number in range(1, size):
            out += b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 00000 f \n"
    out += b"trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start)
    return bytes(out)


def stream(data: bytes, entries: bytes = b"") -> bytes:
    """A stream object."""
    return b"<</Length %d%s>>\nstream\n" % (len(data), entries) + data + b"\nendstream"


def packed(data: bytes, entries: bytes = b"", times: int = 1) -> bytes:
    """A stream object, deflated so many times over."""
    for _ in range(times):
        data = zlib.compress(data, 9)
    return stream(data, b"/Filter[" + b"/FlateDecode" * times + b"]" + entries)


def one_page(
    content: bytes = HELLO,
    *,
    box: bytes = b"[0 0 600 800]",
    page: bytes = b"",
    resources: bytes = b"",
    more: Mapping[int, bytes] | None = None,
    content_object: bytes | None = None,
    **options: object,
) -> bytes:
    """A file of one page.

    Args:
        box: the value of its MediaBox; empty for none.
        page, resources: further entries of these dictionaries.
        more: further objects, or others in place of the usual ones: 1 catalogue, 2 pages, 3 page, 4 content,
            5 font.
    """
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 2 0 R%s/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>%s>>%s>>"
        % (b"/MediaBox" + box if box else b"", resources, page),
        4: stream(content) if content_object is None else content_object,
        5: FONT,
    }
    return raw_pdf({**objects, **(more or {})}, **options)  # type: ignore[arg-type]


def with_image(image: bytes, *, width: float = 400, height: float = 400) -> bytes:
    """A file of one page that shows an image object."""
    content = HELLO + b" q %f 0 0 %f 60 100 cm /I Do Q" % (width, height)
    return one_page(content, resources=b"/XObject<</I 6 0 R>>", more={6: image})


def mapped_font(letters: str, more_entries: bytes = b"") -> tuple[bytes, bytes]:
    """A font and its table that says which letter each code from 1 on means; shapes do not matter to readers."""
    rows = b"".join(
        b"<%02x> <%s>\n" % (code, letter.encode("utf-16-be").hex().encode())
        for code, letter in enumerate(letters, 1)
    )
    table = (
        b"/CIDInit /ProcSet findresource begin begincmap /CMapName /T def\n"
        b"1 begincodespacerange <00> <ff> endcodespacerange\n"
        b"%d beginbfchar\n%sendbfchar\nendcmap end" % (len(letters), rows)
    )
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R%s>>" % more_entries
    return font, stream(table)


def image(width: int, height: int, data: bytes, entries: bytes = b"") -> bytes:
    return stream(
        data,
        b"/Type/XObject/Subtype/Image/Width %d/Height %d/BitsPerComponent 1/ColorSpace/DeviceGray%s"
        % (width, height, entries),
    )


def form(content: bytes, resources: bytes) -> bytes:
    return stream(content, b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<<%s>>" % resources)
