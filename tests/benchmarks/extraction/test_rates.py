"""Error rates of characters and words."""

from benchmarks.extraction.rates import Errors, character_errors, word_errors


def test_same_text_has_no_errors_however_its_lines_break():
    assert character_errors("two  words\n", "two words").rate == 0.0
    assert word_errors("two\nwords", "two words").rate == 0.0


def test_edits_are_counted_against_what_stands_there():
    assert character_errors("abxd", "abcd") == Errors(1, 4)
    assert word_errors("the light house", "the lighthouse by night") == Errors(3, 4)


def test_words_that_do_not_stand_there_count_too():
    assert word_errors("one two three", "one").rate == 2.0
    assert character_errors("noise", "").rate == 1.0


def test_sums_weigh_by_length():
    assert (Errors(1, 10) + Errors(0, 90)).rate == 0.01
