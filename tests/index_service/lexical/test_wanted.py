"""What a query's terms weigh."""

import numpy as np

from index_service.lexical.live import LiveLexical
from index_service.lexical.matches import normalised
from index_service.lexical.wanted import MAX_TERMS, wanted


def score(words, text):
    index = LiveLexical()
    index.extend([text])
    query = wanted(words)
    return float(normalised(index.matched(query, np.array([0])), query)[0])


def test_an_identifier_is_matched_in_full_wherever_it_stands_alone():
    assert score("XYZ-4711", "The pump (xyz-4711) is new.") == 1.0


def test_one_digit_apart_is_hardly_a_match():
    assert score("XYZ-4711", "The pump XYZ-4712 is new.") < 0.1


def test_a_longer_identifier_is_a_weaker_match_than_the_very_one():
    assert 0.9 < score("XYZ-4711", "Part XYZ-4711-B.") < score("XYZ-4711", "Part XYZ-4711.")


def test_another_way_to_write_an_identifier_beats_another_identifier():
    other = score("XYZ-4711", "Part XYZ-4712.")
    assert score("XYZ-4711", "Part XYZ4711.") > 3 * other
    assert score("XYZ4711", "Part XYZ-4711.") > 3 * other


def test_part_of_an_identifier_finds_it():
    assert score("4711", "Part XYZ-4711.") > 0.9


def test_ordinary_words_never_make_a_full_match_of_a_short_query():
    assert 0 < score("penguin colony", "The penguin colony.") < 0.6


def test_the_shortest_words_weigh_nothing():
    assert not wanted("how is it to be in an old tin can")


def test_weights_add_up_exactly_in_any_order():
    weights = np.array(
        list(wanted("pump XYZ-4711/B well-known 部品番号 seal 12.3 maximum").weights.values()), dtype=np.float32
    )
    assert all(np.random.default_rng(i).permutation(weights).cumsum()[-1] == weights.sum() for i in range(20))


def test_a_long_query_keeps_its_identifiers():
    query = wanted(" ".join(f"ordinary{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(200)) + " XYZ-4711")
    assert len(query.weights) == MAX_TERMS
    assert "xyz-4711" in query.weights
