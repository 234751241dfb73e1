"""Splitting extracted text into sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.sentences import split_sentences


def texts(text: str) -> list[str]:
    return [text[s.start : s.end] for s in split_sentences(text)]


def test_a_line_break_inside_a_sentence_does_not_end_it() -> None:
    assert texts("The bees fly when it is\nwarm enough. They rest at night.") == [
        "The bees fly when it is\nwarm enough.",
        "They rest at night.",
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "Dr. Haas and J. Smith met at 14.5 degrees.",
        "See fig. 3 and p. 12, e.g. the second row.",
        "It took approx. 10 min. in all.",
        "Version 2.0 of No. 4 costs 3.14 euros.",
    ],
)
def test_abbreviations_initials_and_decimals_do_not_end_a_sentence(sentence: str) -> None:
    assert texts(f"{sentence} Then it ended.") == [sentence, "Then it ended."]


def test_an_abbreviation_can_end_a_sentence_before_a_capital() -> None:
    assert texts("Close it at 5 p.m. The rest can wait.") == ["Close it at 5 p.m.", "The rest can wait."]


def test_questions_exclamations_and_quoted_sentences_end() -> None:
    assert texts('Is she laying? "Look for eggs." Stop! then go on.') == [
        "Is she laying?",
        '"Look for eggs."',
        "Stop!",
        "then go on.",
    ]


def test_headings_are_told_from_statements() -> None:
    text = "Spring inspection\n\nOpen the hive.\n\n## Tools\n\nMay I smoke them?\n\nYes, a little."
    assert [(text[s.start : s.end], s.heading) for s in split_sentences(text)] == [
        ("Spring inspection", True),
        ("Open the hive.", False),
        ("## Tools", True),
        ("May I smoke them?", True),
        ("Yes, a little.", False),
    ]


def test_a_short_first_line_without_a_stop_is_the_heading_of_its_paragraph() -> None:
    text = "Cable tension\nShift up one click from the smallest sprocket and turn the pedals\nonce."
    assert [s.heading for s in split_sentences(text)] == [True, False]


def test_list_items_are_sentences_without_their_marks() -> None:
    assert texts("Bring this along:\n- a hive tool\n- a smoker\n1. Open the lid.\n2. Lift frame no. 4 out.") == [
        "Bring this along:",
        "a hive tool",
        "a smoker",
        "Open the lid.",
        "Lift frame no. 4 out.",
    ]


def test_a_lone_line_with_nothing_below_it_is_a_statement() -> None:
    assert [s.heading for s in split_sentences("a violin has four strings")] == [False]


def test_blank_text_has_no_sentences() -> None:
    assert texts(" \n\n\t ") == []


@given(st.text(alphabet="aB .!?\n-1#(“", max_size=120))
def test_sentences_are_in_order_trimmed_and_never_overlap(text: str) -> None:
    end = 0
    for sentence in split_sentences(text):
        assert end <= sentence.start < sentence.end
        piece = text[sentence.start : sentence.end]
        assert piece == piece.strip()
        end = sentence.end


@given(st.lists(st.sampled_from(["alpha", "Beta", "gamma.", "Delta!", "ö"]), min_size=1, max_size=30))
def test_no_word_is_lost(words: list[str]) -> None:
    text = " ".join(words)
    assert " ".join(texts(text)).split() == words
