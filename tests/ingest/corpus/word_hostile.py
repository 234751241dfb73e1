"""Word documents: damaged, bombs, locked, and with parts that are missing or lead elsewhere."""

import io
import struct
import zipfile
from collections.abc import Iterator
from itertools import pairwise

from tests.ingest.corpus.case import ANY_DAMAGE, Case, bad, cut, either, flipped, well
from tests.ingest.corpus.word_sound import (
    DOCUMENT,
    W,
    archive,
    body,
    letter,
    nested_tables,
    paragraph,
    parts_of,
    related,
    with_part,
    without,
)
from tests.ingest.extraction.making import black_png


def broken_parts() -> Iterator[Case]:
    """Parts missing, empty, wrong or in a loop."""
    for name in ("[Content_Types].xml", "_rels/.rels"):
        stem = name.replace("[", "").replace("]", "").replace("/", "-")
        yield either(f"without-{stem}.docx", lambda name=name: without(name), "corrupt")
    yield bad("without-document.docx", lambda: without(DOCUMENT), "wrong_extension", "corrupt")
    # What only tells how it looks may be missing: the text is there.
    for name in ("styles", "settings", "numbering", "fontTable", "theme/theme1"):
        yield well(
            f"without-{name.replace('/', '-')}.docx",
            lambda name=name: without(f"word/{name}.xml"),
            "The pilot saw",
            1,
        )
        yield either(
            f"emptied-{name.replace('/', '-')}.docx",
            lambda name=name: with_part(f"word/{name}.xml", b""),
            "corrupt",
        )
    for name in ("word/_rels/document.xml.rels", "word/media/image1.png"):
        stem = name.rsplit("/", 1)[1]
        yield well(f"without-{stem}.docx", lambda name=name: without(name), "The pilot saw", 0)
        yield either(f"emptied-{stem}.docx", lambda name=name: with_part(name, b""), "corrupt")
    yield bad("empty-document.docx", lambda: with_part(DOCUMENT, b""), "corrupt")
    yield bad("not-xml.docx", lambda: with_part(DOCUMENT, b"\x00\x01 no xml"), "corrupt")
    yield either(
        "without-body.docx",
        lambda: with_part(DOCUMENT, f'<w:document xmlns:w="{W}"/>'.encode()),
        "corrupt",
        "empty",
    )
    yield either(
        "another-root.docx", lambda: with_part(DOCUMENT, b"<html><body>x</body></html>"), "corrupt", "empty"
    )
    yield either("style-of-itself.docx", lambda: with_part("word/styles.xml", looping_style()), "corrupt")
    yield well("related-to-itself.docx", lambda: related("aFChunk", "document.xml"), "The pilot saw", 1)
    # Word itself writes the target NULL where a picture got lost.
    for name, target in (("nothing", "media/none.png"), ("null", "NULL"), ("outside", "../../../../etc/passwd")):
        yield well(f"related-to-{name}.docx", lambda target=target: related("image", target), "The pilot saw", 1)
    yield either("names-that-climb.docx", lambda: with_part("../../../tmp/evil.xml", b"<x/>"), "corrupt")
    yield either("names-twice.docx", names_twice, "corrupt")
    yield well(
        "picture-of-rubbish.docx",
        lambda: with_part("word/media/image1.png", b"\x89PNG\r\n\x1a\nrubbish"),
        "The pilot saw",
        0,
    )
    yield well("picture-of-60-megapixels.docx", huge_picture, "The pilot saw", 0)


def looping_style() -> bytes:
    style = '<w:style w:styleId="a" w:type="paragraph"><w:name w:val="a"/><w:basedOn w:val="a"/></w:style>'
    return f'<w:styles xmlns:w="{W}">{style}</w:styles>'.encode()


def huge_picture() -> bytes:

    return with_part("word/media/image1.png", black_png(60))


def names_twice() -> bytes:
    out = io.BytesIO(letter())
    with zipfile.ZipFile(out, "a") as file:
        file.NameToInfo.pop(DOCUMENT)
        file.writestr(DOCUMENT, f'<w:document xmlns:w="{W}"><w:body>{paragraph("second")}</w:body></w:document>')
    return out.getvalue()


def bombs() -> Iterator[Case]:
    """Archives and XML that grow."""
    heavy = ("compression_bomb", "corrupt", "too_much_memory", "too_much_text", "too_deep", "timeout")
    yield bad("unpacks-to-a-gigabyte.docx", lambda: big_part("word/media/a.bin", 1000), "compression_bomb")
    yield bad("text-of-100-mb.docx", lambda: big_part(DOCUMENT, 100), "compression_bomb")
    yield well("unused-part-lies-about-its-size.docx", lambda: lying_size("word/big.xml"), "The pilot saw", 1)
    yield bad("lies-about-its-size.docx", lambda: lying_size(DOCUMENT), "corrupt")
    yield bad(
        "ten-thousand-parts.docx",
        lambda: archive({**parts_of(letter()), **{f"word/x{n}.xml": b"<x/>" for n in range(10_000)}}),
        "compression_bomb",
    )
    yield bad("entities-that-double.docx", lambda: body(paragraph("&j;"), doubling_entities()), "corrupt")
    yield bad(
        "entity-of-a-file.docx",
        lambda: body(paragraph("&e;"), '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'),
        "corrupt",
    )
    yield either(
        "entity-of-the-network.docx",
        lambda: body(paragraph("x"), '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'),
        "corrupt",
    )
    yield bad("elements-10000-deep.docx", lambda: body("<w:sdt>" * 10_000 + "</w:sdt>" * 10_000), "too_deep")
    yield either(
        "elements-240-deep.docx", lambda: body("<w:ins>" * 240 + "</w:ins>" * 240 + paragraph("x")), "corrupt"
    )
    yield bad("tables-120-deep.docx", lambda: body(nested_tables(120)), "too_deep")
    yield either("word-of-30-megabytes.docx", lambda: body(paragraph("a" * 30_000_000)), *heavy)
    yield either(
        "million-runs.docx", lambda: body("<w:p>" + "<w:r><w:t>a</w:t></w:r>" * 500_000 + "</w:p>"), *heavy
    )
    yield either(
        "million-cells.docx",
        lambda: body("<w:tbl>" + ("<w:tr>" + "<w:tc><w:p/></w:tc>" * 1000 + "</w:tr>") * 600 + "</w:tbl>"),
        *heavy,
    )
    yield either(
        "half-a-million-attributes.docx",
        lambda: body("<w:p " + " ".join(f'a{n}="1"' for n in range(500_000)) + "/>"),
        *heavy,
    )
    yield bad("archive-in-archive.docx", nested_archives, "wrong_extension", "compression_bomb", "corrupt")
    yield either(
        "bomb-inside-another.docx",
        lambda: with_part("word/embeddings/a.zip", big_part("x", 500)),
        "compression_bomb",
    )


def big_part(name: str, megabytes: int) -> bytes:
    out = io.BytesIO(letter())
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        if name == DOCUMENT:
            file.NameToInfo.pop(DOCUMENT)
        with file.open(name, "w") as part:
            for _ in range(megabytes):
                part.write(b" " * 1_000_000)
    return out.getvalue()


def lying_size(name: str) -> bytes:
    """The directory says that a part of 50 MB has 10 bytes."""
    data = bytearray(big_part(name, 50))
    at = data.rindex(name.encode()) - 46
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    return bytes(data)


def doubling_entities() -> str:
    names = "abcdefghij"
    rows = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise(names))
    return f'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">{rows}]>'


def nested_archives() -> bytes:
    data = b"0" * 1_000_000
    for level in range(8):
        data = archive({f"{level}-{index}.zip": data for index in range(8)})
    return data


def locked_and_others() -> Iterator[Case]:
    """Passwords, and files that only look alike."""
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    yield bad(
        "password.docx",
        lambda: ole + bytes(1000) + "EncryptedPackage".encode("utf-16-le") + bytes(4000),
        "encrypted",
    )
    yield bad("of-1997.docx", lambda: ole + bytes(3000), "wrong_extension")
    yield bad("locked-entries.docx", locked_entries, "encrypted", "corrupt")
    yield bad(
        "a-table-of-numbers.docx",
        lambda: archive({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<x/>"}),
        "wrong_extension",
    )
    yield bad("any-archive.docx", lambda: archive({"a.txt": b"words"}), "wrong_extension")
    yield bad("letter-named-as.pdf", letter, "wrong_extension")
    yield bad("letter-named-as.png", letter, "wrong_extension")
    yield bad("empty.docx", lambda: b"", "empty")
    yield bad("end-of-archive-only.docx", lambda: b"PK\x05\x06" + bytes(18), "wrong_extension")
    yield well("letter-without-extension", letter, "The pilot saw", 1)
    yield either("bytes-before-it.docx", lambda: b"PK\x03\x04junk" + letter(), "corrupt")
    yield either("letter-and-pdf.docx", lambda: letter() + b"%PDF-1.7\n%%EOF", "corrupt")
    yield from cut("letter", "docx", letter, (0.02, 0.25, 0.5, 0.75, 0.95, 0.999), "corrupt", "wrong_extension")
    for flips in (3, 40):
        yield from flipped(
            "letter",
            "docx",
            letter,
            6,
            *ANY_DAMAGE,
            "encrypted",
            "compression_bomb",
            "wrong_extension",
            flips=flips,
            start=4,
        )


def locked_entries() -> bytes:
    data = bytearray(letter())
    at = 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        data[at + 8] |= 1
        at += 4
    return bytes(data)


def word_hostile() -> Iterator[Case]:
    """All of them."""
    yield from broken_parts()
    yield from bombs()
    yield from locked_and_others()
