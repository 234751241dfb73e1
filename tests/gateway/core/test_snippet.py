"""The matching sentence of a hit, against the plain way to find it: every sentence split, every word compared."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.sentences import sentences_at, split_sentences
from gateway.core.snippet import Snippets
from gateway.core.words import content_words

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
TEXTS = [path.read_text() for path in sorted(SAMPLES.glob("*.md")) + sorted(SAMPLES.glob("*.txt"))]
PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["bees", "Bee", "hive.", "3.5mm", "e.g.", "Dr.", "strings", "STRING", "İstanbul", "straße", "_x"]
        ),
        st.sampled_from([" ", " ", " ", "\n", "\n\n", ". ", "! ", "- ", "# ", "1) ", "  "]),
        st.text(max_size=6),
    ),
    max_size=40,
).map("".join)


def plainly(words: str, text: str) -> tuple[int, int] | None:
    wanted, best, most = content_words(words), None, 0.0
    for sentence in split_sentences(text):
        found = content_words(text[sentence.start : sentence.end])
        score = len(wanted & found) - len(found) / 1000 - sentence.heading / 2
        if wanted & found and score > most:
            best, most = sentence, score
    return None if best is None else (best.start, min(best.end, best.start + 300))


@given(PIECES, PIECES)
def test_any_text_has_the_snippet_that_the_plain_way_finds(words: str, text: str) -> None:
    assert Snippets(words).of(text) == plainly(words, text)


@pytest.mark.parametrize("words", ["bees in spring", "how warm must it be?", "3.5 mm strings", "the", "", "Käse"])
def test_real_texts_have_the_snippet_that_the_plain_way_finds(words: str) -> None:
    for text in TEXTS:
        assert Snippets(words).of(text) == plainly(words, text)


@given(PIECES, st.lists(st.integers(0, 200), max_size=5).map(sorted))
def test_sentences_at_places_are_those_of_all_that_hold_one(text: str, places: list[int]) -> None:
    holding = [each for each in split_sentences(text) if any(each.start <= at < each.end for at in places)]
    assert sentences_at(text, places) == holding


def test_without_words_nothing_matches() -> None:
    assert Snippets(None).of("Bees dance.") is None
