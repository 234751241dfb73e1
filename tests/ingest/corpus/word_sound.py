"""Word documents that must be read, and the means to change one part of them."""

import io
import zipfile
from collections.abc import Iterator

from docx.document import Document

from tests.ingest.corpus.case import Case, well
from tests.ingest.extraction.making import encoded, picture, word

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
DOCUMENT = "word/document.xml"


def letter() -> bytes:
    """A document with all that is read: what most damage is done to."""

    def fill(document: Document) -> None:
        document.add_heading("The pilot's letter", 1)
        document.add_paragraph("The pilot saw the light from the bridge that night.")
        document.add_paragraph("a rope", style="List Bullet")
        table = document.add_table(2, 2)
        for index, cell in enumerate(cell for row in table.rows for cell in row.cells):
            cell.text = f"cell {index}"
        document.add_picture(io.BytesIO(encoded(picture(1))))
        document.add_paragraph("Figure 1: Discs", style="Caption")

    return word(fill)


def parts_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(parts: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


def without(name: str) -> bytes:
    whole = parts_of(letter())
    del whole[name]
    return archive(whole)


def with_part(name: str, content: bytes) -> bytes:
    return archive({**parts_of(letter()), name: content})


def body(xml: str, before: str = "") -> bytes:
    """The letter with another body."""
    text = (
        f'<?xml version="1.0"?>{before}<w:document xmlns:w="{W}" xmlns:r="{R}"><w:body>{xml}</w:body></w:document>'
    )
    return with_part(DOCUMENT, text.encode())


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def word_sound() -> Iterator[Case]:
    """Documents that must be read."""
    yield well("letter.docx", letter, "The pilot saw", 1)
    yield well("letter-stored.docx", lambda: archive(parts_of(letter()), zipfile.ZIP_STORED), "cell 2 | cell 3", 1)
    yield well("empty-body.docx", lambda: word(lambda document: None), "", 0)
    for name, words in {
        "chinese": "船在清晨抵达港口，水手们上岸。",
        "hebrew": "הספינה הגיעה לנמל בשעת בוקר מוקדמת",
        "arabic": "وصلت السفينة إلى الميناء في الصباح الباكر",
        "mixed-directions": "The word שלום means peace",
    }.items():
        yield well(f"{name}.docx", lambda words=words: word(lambda document: document.add_paragraph(words)), words)
    yield well(
        "bidi-marks.docx", lambda: body(paragraph("pay \u202e001\u202c euros\u200b now")), "pay 001 euros now"
    )
    yield well(
        "ten-thousand-paragraphs.docx", lambda: body(paragraph("The pilot saw it.") * 10_000), "The pilot saw it."
    )
    yield well("nested-tables.docx", lambda: body(nested_tables(12)), "innermost")
    yield well("wide-characters.docx", in_utf_16, "in UTF-16")
    for name, kind, target in (("picture", "image", "x.png"), ("template", "attachedTemplate", "x.dotm")):
        yield well(
            f"{name}-elsewhere.docx",
            lambda kind=kind, target=target: related(kind, f"http://127.0.0.1:9/{target}", external=True),
            "The pilot saw",
            1,
        )
    yield well(
        "drawing-with-entities.docx",
        lambda: with_part(
            "word/media/a.svg", b'<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/hostname">]><svg>&e;</svg>'
        ),
        "The pilot saw",
        1,
    )
    yield well(
        "inside-another.docx", lambda: with_part("word/embeddings/other.docx", letter()), "The pilot saw", 1
    )


def in_utf_16() -> bytes:
    text = f'<w:document xmlns:w="{W}"><w:body>{paragraph("in UTF-16")}</w:body></w:document>'
    return with_part(DOCUMENT, f'<?xml version="1.0" encoding="UTF-16"?>{text}'.encode("utf-16"))


def related(kind: str, target: str, *, external: bool = False) -> bytes:
    """The letter with one more relationship of its main part."""
    name = "word/_rels/document.xml.rels"
    mode = ' TargetMode="External"' if external else ""
    relation = f'<Relationship Id="rId98" Type="{R}/{kind}" Target="{target}"{mode}/></Relationships>'
    return with_part(name, parts_of(letter())[name].replace(b"</Relationships>", relation.encode()))


def nested_tables(depth: int) -> str:
    text = paragraph("innermost")
    for _ in range(depth):
        text = f"<w:tbl><w:tr><w:tc>{text}<w:p/></w:tc></w:tr></w:tbl>"
    return text
