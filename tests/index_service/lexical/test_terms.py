"""What counts as the same term in texts and queries."""

import pytest

from index_service.lexical.terms import terms, tokens


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("Use pump XYZ-4711.", "xyz-4711"),
        ("Use pump XYZ-4711.", "4711"),
        ("Use pump XYZ-4711.", "xyz4711"),
        ("Use pump XYZ-4711.", "=xyz-4711"),
        ("(A/B-12.3)", "a/b-12.3"),
        ("(A/B-12.3)", "b-12.3"),
        ("(A/B-12.3)", "ab123"),
        ("XYZ-4711's seal", "xyz-4711"),
        ("XYZ-4711/XYZ-4712", "xyz-4712"),
        ("XYZ4711", "4711"),
        ("XYZ‑4711 set with a non-breaking hyphen", "xyz-4711"),
        ("ＸＹＺ－４７１１", "xyz-4711"),
        ("a soft\u00adhyphen", "softhyphen"),
        ("written in C++", "c++"),
        ("Käse", "kase"),
        ("Ka\u0308se", "kase"),
        ("Straße", "strasse"),
        ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
        ("Σίσυφος", "σίσυφοσ"),
        ("Привет", "привет"),
        ("हिन्दी भाषा", "हिन्दी"),
        ("部品番号は4711です", "部品"),
        ("部品番号は4711です", "4711"),
    ],
)
def test_a_text_holds_the_term(text, term):
    assert term in terms(text)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("XYZ-4711-B", "=xyz-4711"),
        ("XYZ-4712", "xyz-4711"),
        ("12.3", "1.23"),
        ("3.5", "35"),
        ("page 47, 11 of 12", "4711"),
        ("XYZ-47111", "4711"),
    ],
)
def test_a_text_does_not_hold_the_term(text, term):
    assert term not in terms(text)


def test_terms_never_hold_white_space():
    text = "A-1 B/2 C_3 d+e#  \u3000 部 品\u00a0x\u2028y XYZ-4711"
    assert all(term and not any(letter.isspace() for letter in term) for term in terms(text))


def test_a_token_longer_than_any_word_is_left_out():
    assert tokens("short " + "x" * 500) == ["short"]


def test_a_long_identifier_gives_a_bounded_number_of_terms():
    assert len(terms("-".join(str(i) for i in range(100, 125)))) < 300
