"""Plain text and Markdown: encodings, paragraphs, headings."""

import codecs

import pytest

from contracts.errors import DocumentFailed
from contracts.media import MARKDOWN, TEXT
from ingest.extraction.text_encoding import decoded
from tests.ingest.extraction.making import read_pictures, read_text

GREETING = "Grüße aus Łódź"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encoding_is_found_by_its_mark_or_is_utf_8(encoding: str):
    assert decoded(GREETING.encode(encoding)) == GREETING


def test_big_endian_utf_16_is_read():
    assert decoded(codecs.BOM_UTF16_BE + GREETING.encode("utf-16-be")) == GREETING


def test_text_of_old_windows_programs_is_read():
    assert decoded("Größe: 5 € “netto”".encode("cp1252")) == "Größe: 5 € “netto”"


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        ("Größe und Gewicht der Bücher überraschten die Käufer.", "iso-8859-15"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "iso-8859-2"),
        ("Zażółć gęślą jaźń, a potem pójdź do łodzi.", "cp1250"),
        ("Съешь ещё этих мягких французских булок.", "cp1251"),
        ("Съешь ещё этих мягких французских булок.", "koi8-r"),
        ("Το ποτάμι κυλάει ήσυχα δίπλα στο παλιό χωριό.", "iso-8859-7"),
        ("הספינה הגיעה לנמל בשעת בוקר מוקדמת.", "cp1255"),
        ("وصلت السفينة إلى الميناء في الصباح الباكر.", "cp1256"),
        ("船は早朝に港に着き、水夫たちは岸に降りた。", "shift_jis"),
        ("船は早朝に港に着き、水夫たちは岸に降りた。", "iso-2022-jp"),
        ("船在清晨抵达港口，水手们上岸。", "gb18030"),
        ("船在清晨抵達港口，水手們上岸。", "big5"),
        ("배는 이른 아침에 항구에 도착했다.", "euc-kr"),
        ("The ship came in early.", "utf-16-le"),
        ("The ship came in early.", "utf-16-be"),
    ],
)
def test_encoding_without_a_mark_is_detected(words: str, encoding: str):
    assert decoded(words.encode(encoding)) == words


def test_utf_8_that_was_cut_inside_a_letter_or_damaged_in_one_stays_utf_8():
    data = ("Größe, Länge, Höhe, Tür " * 4).encode()

    assert decoded(data[:-6]).startswith("Größe, Länge")
    assert decoded(data.replace(b"L\xc3", b"L\xf3", 1)).startswith("Größe, L\ufffd")


def test_text_that_contradicts_its_mark_is_corrupt():
    with pytest.raises(DocumentFailed) as failure:
        decoded(codecs.BOM_UTF8 + b"\xff\xfe\xfa")
    assert failure.value.cause == "corrupt"


def test_blank_lines_end_paragraphs():
    text = read_text(b"One line\r\nand its next.\r\n\r\n  \r\nAnother paragraph.", TEXT)

    assert [block.text for block in text.blocks] == ["One line\nand its next.", "Another paragraph."]
    assert {block.kind for block in text.blocks} == {"paragraph"}


def test_items_of_a_plain_list_are_blocks():
    text = read_text(b"Tools:\n- a spanner\n  of 12 mm\n- a mallet\n\nThen begin.", TEXT)

    assert [(block.kind, block.text) for block in text.blocks] == [
        ("list_item", "Tools:"),
        ("list_item", "- a spanner\nof 12 mm"),
        ("list_item", "- a mallet"),
        ("paragraph", "Then begin."),
    ]


def test_markdown_is_read_as_people_see_it():
    source = """# Seven knots

Learn **them** with a [rope](https://example.org/rope) that holds `40 kN`.

![A bowline](bowline.png)

## For joining

* sheet bend
* fisherman's knot

| Knot | Strength |
|------|----------|
| bowline | 60 % |

```
tie --twice
```
<!-- a note to the editor -->
"""
    text = read_text(source.encode(), MARKDOWN)

    assert [(block.kind, block.text, block.heading) for block in text.blocks] == [
        ("heading", "Seven knots", None),
        ("paragraph", "Learn them with a rope that holds 40 kN.", "Seven knots"),
        ("paragraph", "A bowline", "Seven knots"),
        ("heading", "For joining", "Seven knots"),
        ("list_item", "sheet bend", "For joining"),
        ("list_item", "fisherman's knot", "For joining"),
        ("table_row", "Knot | Strength", "For joining"),
        ("table_row", "bowline | 60 %", "For joining"),
        ("paragraph", "tie --twice", "For joining"),
    ]


def test_markdown_has_no_pictures_because_addresses_are_not_fetched():
    assert read_pictures(b"![x](http://127.0.0.1:9/x.png)", MARKDOWN) == []


def test_items_of_a_numbered_markdown_list_keep_their_numbers():
    text = read_text(b"3. oil the lock\n4. turn the key\n\n- a bell\n", MARKDOWN)

    assert [block.text for block in text.blocks] == ["3. oil the lock", "4. turn the key", "a bell"]
    assert {block.kind for block in text.blocks} == {"list_item"}


def test_markdown_nested_deeper_than_its_parser_goes_is_read_as_plain_text():
    deep = b"".join(b" " * (2 * n) + b"- item\n" for n in range(70)) + b" " * 140 + b"- innermost\n"

    assert "innermost" in read_text(deep, MARKDOWN).text
