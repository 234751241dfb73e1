"""What cleaning removes and keeps, and that offsets hold."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.extraction.text_builder import TextBuilder, clean

KINDS = st.sampled_from(["heading", "paragraph", "list_item", "table_row", "caption", "ocr"])


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("pass\u200bword", "password"),
        ("soft\u00adhyphen", "softhyphen"),
        ("\u202eevil\u202c", "evil"),
        ("tag\U000e0041\U000e0042", "tag"),
        ("hidden\ufe0f\U000e0101", "hidden"),
        ("bullet \uf0b7 glyph", "bullet glyph"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("bell\x07 null\x00 del\x7f", "bell null del"),
        ("no\u00a0break\u2003space\tand tab", "no break space and tab"),
        ("line\r\nbreak\u2028here", "line\nbreak\nhere"),
        ("  ends \n\n\n ", "ends"),
        ("e\u0301", "é"),
        ("日本語 и русский", "日本語 и русский"),
        ("x² − ½ ≈ 3 €", "x² − ½ ≈ 3 €"),
    ],
)
def test_invisible_characters_go_and_visible_ones_stay(dirty: str, expected: str):
    assert clean(dirty) == expected


@settings(deadline=None)
@given(st.text())
def test_cleaned_text_is_normal_printable_and_stays_as_it_is(text: str):
    cleaned = clean(text)

    assert unicodedata.is_normalized("NFC", cleaned)
    assert all(c == "\n" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"} for c in cleaned)
    assert clean(cleaned) == cleaned
    cleaned.encode()  # raises for what cannot be stored


@settings(deadline=None)
@given(st.lists(st.tuples(KINDS, st.text())))
def test_offsets_of_blocks_hold_in_the_text_and_only_white_space_lies_between(parts: list[tuple[str, str]]):
    builder = TextBuilder(5_000_000)
    for kind, text in parts:
        builder.add(kind, text)
    built = builder.build()

    position = 0
    for block in built.blocks:
        assert built.text[position : block.char_start].strip() == ""
        assert built.text[block.char_start : block.char_end] == block.text
        position = block.char_end
    assert position == len(built.text)
    assert unicodedata.is_normalized("NFC", built.text)
