"""Word documents: order and kinds of blocks, pictures with their captions and anchors."""

import io
from collections.abc import Callable

import docx
from docx.document import Document
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from PIL import Image

from contracts.media import DOCX
from ingest.extraction.types import ExtractedPicture, ExtractedText
from tests.ingest.extraction.making import encoded, picture, read_pictures, read_text, word


def text_of(fill: Callable[[Document], None]) -> ExtractedText:
    return read_text(word(fill), DOCX)


def pictures_of(fill: Callable[[Document], None]) -> list[ExtractedPicture]:
    return read_pictures(word(fill), DOCX)


def add_picture(document: Document, image: Image.Image) -> None:
    document.add_picture(io.BytesIO(encoded(image)))


def test_headings_paragraphs_lists_and_rows_come_in_order():
    def fill(document: Document) -> None:
        document.add_heading("Colony report", 0)
        document.add_paragraph("The count was made in November.")
        document.add_heading("Result", 1)
        document.add_paragraph("Nests in the north", style="List Bullet")
        document.add_paragraph("Nests in the south", style="List Number")
        table = document.add_table(rows=2, cols=2)
        for cell, text in zip(table._cells, ("Year", "Nests", "2024", "8,412"), strict=True):
            cell.text = text
        document.add_paragraph("Counting took four days.")

    text = text_of(fill)

    assert [(block.kind, block.text, block.heading) for block in text.blocks] == [
        ("heading", "Colony report", None),
        ("paragraph", "The count was made in November.", "Colony report"),
        ("heading", "Result", "Colony report"),
        ("list_item", "Nests in the north", "Result"),
        ("list_item", "Nests in the south", "Result"),
        ("table_row", "Year | Nests", "Result"),
        ("table_row", "2024 | 8,412", "Result"),
        ("paragraph", "Counting took four days.", "Result"),
    ]
    assert {block.page for block in text.blocks} == {None}


def test_picture_is_anchored_at_its_caption():
    def fill(document: Document) -> None:
        document.add_paragraph("Something else is said before.")
        add_picture(document, picture(1))
        document.add_paragraph("Figure 1: A penguin of the colony", style="Caption")
        document.add_paragraph("And something after.")

    (found,) = pictures_of(fill)

    assert found.caption == "Figure 1: A penguin of the colony"
    assert text_of(fill).text[found.anchor :].startswith("Figure 1: A penguin")


def test_caption_above_a_picture_is_found_too():
    def fill(document: Document) -> None:
        document.add_paragraph("Figure 4: The harbour")
        add_picture(document, picture(1))
        document.add_paragraph("Text that follows the picture.")

    assert pictures_of(fill)[0].caption == "Figure 4: The harbour"


def test_caption_of_a_table_is_not_that_of_the_picture_before_it():
    def fill(document: Document) -> None:
        add_picture(document, picture(1))
        document.add_paragraph("Table 1: Nests by year", style="Caption")

    assert pictures_of(fill)[0].caption is None


def test_picture_without_caption_is_anchored_behind_the_paragraph_above():
    def fill(document: Document) -> None:
        document.add_paragraph("The valve sits on the left.")
        add_picture(document, picture(1))
        document.add_paragraph("The motor sits on the right.")

    (found,) = pictures_of(fill)

    assert text_of(fill).text[: found.anchor].endswith("on the left.")


def test_alternative_text_serves_as_caption():
    def fill(document: Document) -> None:
        add_picture(document, picture(1))
        document.inline_shapes[0]._inline.docPr.set("descr", "A pump seen from the side")

    assert pictures_of(fill)[0].caption == "A pump seen from the side"


def test_picture_in_a_table_is_anchored_at_its_row():
    def fill(document: Document) -> None:
        document.add_paragraph("Parts of the pump")
        table = document.add_table(rows=2, cols=2)
        table.cell(0, 0).text = "Impeller"
        table.cell(1, 0).text = "Seal"
        table.cell(1, 1).paragraphs[0].add_run().add_picture(io.BytesIO(encoded(picture(1))))

    (found,) = pictures_of(fill)

    assert text_of(fill).text[found.anchor :].startswith("Seal")


def test_same_picture_twice_counts_once():
    def fill(document: Document) -> None:
        add_picture(document, picture(1))
        add_picture(document, picture(2))
        add_picture(document, picture(1))

    assert len(pictures_of(fill)) == 2


def test_deleted_text_is_not_read_and_inserted_text_is():
    def fill(document: Document) -> None:
        paragraph = document.add_paragraph("The price is ")
        for tag, text_tag, text in (("w:del", "w:delText", "forty"), ("w:ins", "w:t", "fifty")):
            change, run, words = OxmlElement(tag), OxmlElement("w:r"), OxmlElement(text_tag)
            words.text = text
            run.append(words)
            change.append(run)
            paragraph._p.append(change)

    assert text_of(fill).text == "The price is fifty"


def test_text_inside_content_controls_is_read():
    def fill(document: Document) -> None:
        inside = document.add_paragraph("Chosen from a list.")._p
        control, content = OxmlElement("w:sdt"), OxmlElement("w:sdtContent")
        inside.addprevious(control)
        control.append(content)
        content.append(inside)

    assert text_of(fill).text == "Chosen from a list."


def test_style_based_on_a_heading_is_a_heading():
    def fill(document: Document) -> None:
        style = document.styles.add_style("Company Title", docx.enum.style.WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = document.styles["Heading 2"]
        document.add_paragraph("Our pumps", style="Company Title")

    assert text_of(fill).blocks[0].kind == "heading"


def test_numbered_paragraph_without_a_list_style_is_a_list_item():
    def fill(document: Document) -> None:
        properties = document.add_paragraph("Close the valve.")._p.get_or_add_pPr()
        properties.append(OxmlElement("w:numPr"))

    assert text_of(fill).blocks[0].kind == "list_item"


def test_picture_that_lies_elsewhere_is_not_fetched():
    def fill(document: Document) -> None:
        add_picture(document, picture(1))
        blip = next(document.element.body.iter(qn("a:blip")))
        target = "http://127.0.0.1:9/picture.png"
        kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"
        blip.set(qn("r:embed"), document.part.relate_to(target, kind, is_external=True))

    assert pictures_of(fill) == []


def test_document_without_text_or_pictures_is_empty():
    assert text_of(lambda document: None).text == ""
    assert pictures_of(lambda document: None) == []
