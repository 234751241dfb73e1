"""Checking citations against the passages."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.citations import check_citations, find_quote
from tests.gateway.core.answering import passages

BEES = "Wait until it is at least 14 °C\nin the shade. Work from the side, never from above."
PILOTS = "Pilots climb aboard by a rope ladder on the lee side. Boarding stops at 3.5 metres of swell."


def test_a_verbatim_statement_becomes_a_citation_with_its_place() -> None:
    checked = check_citations("Work from the side, never from above. [1]", passages(BEES, PILOTS))
    (citation,) = checked.citations
    assert (citation.n, citation.doc_id, citation.source, citation.page) == (1, "doc-1", "source-1.pdf", 1)
    assert citation.quote == "Work from the side, never from above."
    start = 100 + BEES.index("Work")
    assert (citation.char_start, citation.char_end) == (start, start + len(citation.quote))
    assert checked.dropped == 0


def test_white_space_does_not_matter_but_words_do() -> None:
    checked = check_citations(
        "“at least 14 °C in the shade” [1] “at least 15 °C in the shade” [1]", passages(BEES)
    )
    assert [citation.quote for citation in checked.citations] == ["at least 14 °C in the shade"]
    assert checked.dropped == 1
    assert checked.text == "“at least 14 °C in the shade” [1] “at least 15 °C in the shade”"


def test_a_quote_of_another_passage_is_dropped() -> None:
    checked = check_citations('"Work from the side, never from above." [2]', passages(BEES, PILOTS))
    assert checked.citations == ()
    assert checked.dropped == 1


def test_a_number_without_a_passage_is_dropped() -> None:
    checked = check_citations("Work from the side, never from above. [7]", passages(BEES))
    assert (checked.citations, checked.dropped) == ((), 1)
    assert checked.text == "Work from the side, never from above."


def test_own_words_are_backed_by_the_sentence_that_shares_most_of_them() -> None:
    checked = check_citations("Pilots go aboard using a rope ladder on the lee side [1].", passages(PILOTS))
    assert [c.quote for c in checked.citations] == ["Pilots climb aboard by a rope ladder on the lee side."]


def test_own_words_that_the_passage_does_not_speak_of_are_not_backed() -> None:
    checked = check_citations("The harbour was founded by monks in 1204 [1].", passages(PILOTS))
    assert (checked.citations, checked.dropped) == ((), 1)


def test_own_words_with_another_number_than_the_passage_are_not_backed() -> None:
    checked = check_citations("Boarding stops at 4.5 metres of the swell [1].", passages(PILOTS))
    assert (checked.citations, checked.dropped) == ((), 1)
    assert check_citations("Boarding stops at 3.5 metres of the swell [1].", passages(PILOTS)).dropped == 0


def test_two_markers_after_one_statement_are_checked_each() -> None:
    checked = check_citations("Boarding stops at 3.5 metres of swell. [1][2]", passages(BEES, PILOTS))
    assert [citation.n for citation in checked.citations] == [2]
    assert checked.text == "Boarding stops at 3.5 metres of swell. [2]"


def test_the_same_quote_is_listed_once() -> None:
    checked = check_citations("Work from the side [1]. Work from the side [1]", passages(BEES))
    assert len(checked.citations) == 1
    assert checked.dropped == 0


@given(st.text(alphabet="ab \n.[]12", max_size=60), st.text(alphabet="ab \n.", max_size=60))
def test_every_citation_that_is_shown_can_be_read_in_its_source(answer: str, source: str) -> None:
    checked = check_citations(answer, passages(source))
    for citation in checked.citations:
        assert find_quote(citation.quote, source) is not None


@given(st.lists(st.sampled_from(["one", "two", "three,", "(four)"]), min_size=1, max_size=12), st.data())
def test_any_run_of_words_is_found_whatever_the_space_between_them(words: list[str], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    source = "\n ".join(words)
    span = find_quote(" ".join(words[first : last + 1]), source)
    assert span is not None
    assert source[span[0] : span[1]].split() == words[first : last + 1]


@given(st.lists(st.sampled_from(["Work from the side, never from above.", "Bees fly.", "[1]", "[2]", "[7]", " "])))
def test_every_mark_stands_where_it_says_in_both_texts(parts: list[str]) -> None:
    answer = "".join(parts)
    checked = check_citations(answer, passages(BEES, PILOTS))
    for mark in checked.marks:
        assert answer[slice(*mark.written)] == f"[{mark.citation.n}]"
        assert checked.text[slice(*mark.kept)] == f"[{mark.citation.n}]"
    assert len(checked.marks) + checked.dropped == sum(answer.count(f"[{n}]") for n in (1, 2, 7))
    assert {mark.citation for mark in checked.marks} == set(checked.citations)
