"""Choosing sentences, with vectors made by hand."""

import numpy as np

from gateway.core.extraction import candidates, choose
from gateway.core.prompt import passages_of
from tests.gateway.core.answering import hit, passages

TEXT = """May I bring a router?

Yes, if it hands out no addresses.

The knot is strong. It leaves 65 percent of it."""


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def test_questions_headings_and_fragments_are_no_statements() -> None:
    quotes = [c.quote for c in candidates("router", passages(TEXT + "\n\nNo. Is it?"), limit=10)]
    assert "May I bring a router?" not in quotes
    assert "No." not in quotes


def test_a_statement_under_a_question_is_embedded_together_with_it() -> None:
    (first,) = [c for c in candidates("router", passages(TEXT), limit=10) if c.quote.startswith("Yes")]
    assert first.meaning == "May I bring a router? Yes, if it hands out no addresses."


def test_a_sentence_that_points_back_is_quoted_with_the_one_before_it() -> None:
    quotes = [c.quote for c in candidates("knot", passages(TEXT), limit=10)]
    assert "The knot is strong. It leaves 65 percent of it." in quotes


def test_sentences_that_hold_a_marker_of_their_own_are_left_out() -> None:
    assert candidates("x", passages("This was shown by others before [3] in a study."), limit=10) == []


def test_the_pool_is_bounded_and_keeps_the_statements_that_share_most_words() -> None:
    text = " ".join(f"Sentence number {i} speaks of nothing." for i in range(50)) + " The rotor turns slowly here."
    pool = candidates("how slowly does the rotor turn", passages(text), limit=5)
    assert len(pool) == 5
    assert pool[0].quote == "The rotor turns slowly here."


def test_the_closest_statement_comes_first_and_repeats_are_left_out() -> None:
    pool = candidates(
        "q", passages("Alpha beta gamma delta.", "Alpha beta gamma delta too.", "Other things are here."), limit=9
    )
    vectors = np.stack([unit(1, 0.1), unit(1, 0.12), unit(0, 1)])
    chosen = choose("q", unit(1, 0), pool, vectors, limit=3)
    assert [c.quote for c in chosen] == ["Alpha beta gamma delta."]


def test_statements_of_one_passage_keep_their_reading_order() -> None:
    pool = candidates("q", passages("First statement stands here. Second statement stands here."), limit=9)
    chosen = choose("q", unit(1, 0, 0), pool, np.stack([unit(1, 0.2, 0), unit(1, 0, 0.45)]), limit=3)
    assert [c.quote for c in chosen] == ["First statement stands here.", "Second statement stands here."]


def test_nothing_is_chosen_when_nothing_is_close() -> None:
    pool = candidates("q", passages("First statement stands here."), limit=9)
    assert choose("q", unit(1, 0), pool, np.stack([unit(0.2, 1)]), limit=3) == []


def test_a_picture_s_caption_can_be_quoted() -> None:
    picture = hit(1, "Text beside it.", kind="picture", caption="A larch trunk of great age in the gravel")
    quotes = [c.quote for c in candidates("larch", passages_of([picture]), limit=9)]
    assert "A larch trunk of great age in the gravel" in quotes
