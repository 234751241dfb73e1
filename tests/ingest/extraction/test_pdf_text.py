"""PDFs with a text layer: order, kinds and places of blocks."""

import pytest
from reportlab.pdfgen.canvas import Canvas

from tests.ingest.extraction.making import NEAR, PAGE, lines, pdf_text, scan

SENTENCE = "The pump lifts forty litres a minute over nine metres."


def paragraph(word: str, n: int) -> list[str]:
    return [f"{word} line {index} of the text that stands here in a column" for index in range(n)]


def test_title_paragraph_and_caption_are_told_apart():
    def draw(canvas: Canvas) -> None:
        lines(canvas, 60, 740, ["How the pump works"], size=20, font="Helvetica-Bold")
        lines(canvas, 60, 700, [SENTENCE, "It needs no priming."])
        lines(canvas, 60, 640, ["Care of the seals"], size=11, font="Helvetica-Bold")
        lines(canvas, 60, 620, ["Grease them in spring."])
        lines(canvas, 60, 500, ["Figure 2: The pump from the side"])

    text = pdf_text(draw)

    assert [(block.kind, block.text) for block in text.blocks] == [
        ("heading", "How the pump works"),
        ("paragraph", f"{SENTENCE} It needs no priming."),
        ("heading", "Care of the seals"),
        ("paragraph", "Grease them in spring."),
        ("caption", "Figure 2: The pump from the side"),
    ]
    assert [block.heading for block in text.blocks] == [
        None,
        "How the pump works",
        "How the pump works",
        "Care of the seals",
        "Care of the seals",
    ]


def test_box_is_where_the_words_are_drawn():
    text = pdf_text(lambda canvas: lines(canvas, 150, 600, [SENTENCE], size=12))

    box = text.blocks[0].box
    assert box is not None
    assert box.left == pytest.approx(150 / PAGE[0], abs=NEAR)
    assert box.bottom == pytest.approx(1 - 600 / PAGE[1], abs=NEAR)
    assert box.top == pytest.approx(1 - 612 / PAGE[1], abs=NEAR)
    assert text.blocks[0].page == 1


@pytest.mark.parametrize(("rotation", "left", "top"), [(90, 0.8, 0.2), (180, 0.8, 0.8), (270, 0.2, 0.8)])
def test_box_follows_the_rotation_of_the_page(rotation: int, left: float, top: float):
    """A mark near the upper left corner of a page (0.2, 0.2) is elsewhere on the page that people see."""
    width, height = PAGE if rotation == 180 else PAGE[::-1]  # reportlab swaps them, so that people see 600 x 800
    text = pdf_text(lambda canvas: lines(canvas, 0.2 * width, 0.8 * height, ["mark"]), rotation=rotation)

    box = text.blocks[0].box
    assert box is not None
    near = 0.06  # the word itself is 0.04 long
    assert min(abs(box.left - left), abs(box.right - left)) < near
    assert min(abs(box.top - top), abs(box.bottom - top)) < near


def test_columns_are_read_one_after_the_other_whatever_the_order_in_the_file():
    def draw(canvas: Canvas) -> None:
        lines(canvas, 320, 700, paragraph("right", 12), size=9)
        lines(canvas, 60, 760, ["A heading across both of the columns of this page here"], size=18)
        lines(canvas, 60, 500, paragraph("lower", 8), size=9)
        lines(canvas, 60, 700, paragraph("left", 10), size=9)

    first_words = [block.text.split()[0] for block in pdf_text(draw).blocks]

    assert first_words == ["A", "left", "lower", "right"]


def test_table_rows_stay_whole():
    rows = [("Part", "Number", "Price"), ("Impeller", "A-100", "30"), ("Seal", "B-7", "4")]

    def draw(canvas: Canvas) -> None:
        lines(canvas, 60, 740, [SENTENCE])
        for index, row in enumerate(rows):
            for column, cell in enumerate(row):
                lines(canvas, 60 + 140 * column, 680 - 18 * index, [cell])

    text = pdf_text(draw)

    found = [block.text for block in text.blocks if block.kind == "table_row"]
    assert found == ["Part | Number | Price", "Impeller | A-100 | 30", "Seal | B-7 | 4"]
    assert "30\nSeal" in text.text


def test_items_of_a_list_are_blocks():
    text = pdf_text(lambda canvas: lines(canvas, 60, 700, ["- close the valve", "- drain the case", "- lift it"]))

    assert [(b.kind, b.text) for b in text.blocks] == [
        ("list_item", "- close the valve"),
        ("list_item", "- drain the case"),
        ("list_item", "- lift it"),
    ]


def test_word_broken_at_the_end_of_a_line_is_whole_again():
    broken = ["Each of the centri-", "fugal pumps has a non-", "European thread"]

    text = pdf_text(lambda canvas: lines(canvas, 60, 700, broken))

    assert text.text == "Each of the centrifugal pumps has a non-European thread"
    assert text.blocks[0].box is not None
    assert text.blocks[0].box.bottom - text.blocks[0].box.top > 3 * 11 / PAGE[1]


def test_text_of_later_pages_follows_with_its_page_number():
    text = pdf_text(*(lambda canvas, n=n: lines(canvas, 60, 700, [f"Page {n} says this."]) for n in (1, 2, 3)))

    assert [(block.page, block.text) for block in text.blocks] == [(n, f"Page {n} says this.") for n in (1, 2, 3)]


def test_blank_page_gives_no_text():
    assert pdf_text(lambda canvas: None).text == ""


def test_scanned_page_is_read_by_tesseract_with_the_places_of_its_paragraphs():
    text = pdf_text(scan("Workshop report on a mantel clock", "The mainspring is broken in two places"))

    assert "mainspring is broken" in text.text
    assert {block.kind for block in text.blocks} == {"ocr"}
    box = text.blocks[0].box
    assert box is not None
    assert box.left == pytest.approx(100 / 1240, abs=NEAR)
    assert box.top == pytest.approx(120 / 1754, abs=NEAR)


def test_scan_among_pages_with_text_keeps_its_place():
    text = pdf_text(
        lambda canvas: lines(canvas, 60, 700, ["Typed beforehand."]),
        scan("Signed by the harbour master"),
        lambda canvas: lines(canvas, 60, 700, ["Typed afterwards."]),
    )

    assert [block.page for block in text.blocks] == [1, 2, 3]
    assert text.text.index("beforehand") < text.text.index("harbour master") < text.text.index("afterwards")


def test_scan_with_a_stamped_page_number_is_still_read():
    def draw(canvas: Canvas) -> None:
        scan("The lock gates open at dawn")(canvas)
        lines(canvas, 280, 20, ["Page 4 of 9"])

    assert "lock gates open" in pdf_text(draw).text
