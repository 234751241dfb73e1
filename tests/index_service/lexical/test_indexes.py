"""The live and the sealed index against a count by hand, and against each other."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import BadMessage
from index_service.durable import sum_of
from index_service.lexical.live import LiveLexical
from index_service.lexical.sealed import LexicalSegment, build, files_of
from index_service.lexical.terms import terms
from index_service.lexical.wanted import wanted

N = 3000
QUERIES = [
    "pump XYZ-4711",
    "XYZ-12",
    "pressure valve",
    "部品番号",
    "nothing-here-99999",
    "a an the",
    "XYZ-4711 XYZ-12",
]


def texts(seed=5, n=N):
    rng = np.random.default_rng(seed)
    words = ["pump", "valve", "pressure", "seal", "motor", "winter", "部品番号", "Straße"]
    return [
        " ".join([*rng.choice(words, 3), f"XYZ-{rng.integers(4000, 5000)}", f"XYZ-{rng.integers(10, 20)}"])
        for _ in range(n)
    ]


def by_hand(query, held, selected, k):
    """The oracle: every text's terms, added up one by one."""
    weights = np.array([sum(w for t, w in query.weights.items() if t in one) for one in held], dtype=np.float32)
    weights[~selected] = 0
    order = sorted(np.flatnonzero(weights), key=lambda slot: (-weights[slot], slot))[:k]
    return [float(weights[slot]) for slot in order]


@pytest.fixture(scope="module")
def held():
    return [terms(text) for text in texts()]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("segment") / "lexical"
    return LexicalSegment(directory, build(directory, texts()))


@pytest.fixture(scope="module")
def live():
    index = LiveLexical()
    index.extend(texts())
    return index


@pytest.mark.parametrize("words", QUERIES)
@pytest.mark.parametrize("share", [1.0, 0.5, 0.01])
@pytest.mark.parametrize("kind", ["live", "sealed"])
def test_search_gives_the_best_selected_slots(request, held, kind, share, words):
    index, query = request.getfixturevalue(kind), wanted(words)
    selected = np.random.default_rng(7).random(N) < share
    slots, matched = index.search(query, 40, selected)
    assert selected[slots].all()
    assert matched.tolist() == by_hand(query, held, selected, 40)
    assert matched.tolist() == index.matched(query, slots).tolist()


@pytest.mark.parametrize("words", QUERIES)
def test_both_indexes_weigh_every_slot_alike(live, sealed, words):
    slots = np.random.default_rng(3).permutation(N)
    assert np.array_equal(live.matched(wanted(words), slots), sealed.matched(wanted(words), slots))


def test_the_few_selected_among_many_better_ones_are_found(live, sealed):
    query, selected = wanted("pump pressure valve XYZ-15"), np.zeros(N, dtype=np.bool_)
    selected[-1500:] = True
    expected = live.search(query, 100, selected)[1]
    assert sealed.search(query, 100, selected)[1].tolist() == expected.tolist()


def test_a_row_is_found_as_soon_as_it_is_added():
    index = LiveLexical()
    for number in range(100):
        index.extend([f"part ABC-{1000 + number}"])
        slots, _ = index.search(wanted(f"ABC-{1000 + number}"), 1, np.ones(number + 1, dtype=np.bool_))
        assert slots.tolist() == [number]


def test_an_empty_segment_finds_nothing(tmp_path):
    build(tmp_path / "lexical", [])
    slots, _ = LexicalSegment(tmp_path / "lexical", 0).search(wanted("pump"), 5, np.zeros(0, dtype=np.bool_))
    assert len(slots) == 0


def test_a_copied_index_answers_like_the_built_one_and_reading_leaves_its_files_as_they_are(tmp_path, sealed):
    directory, copy = tmp_path / "lexical", tmp_path / "copy"
    n = build(directory, texts())
    sums = {path.name: sum_of(path) for path in files_of(directory)}
    shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("*.lock"))
    query, selected = wanted("valve XYZ-4711"), np.ones(n, dtype=np.bool_)
    assert (
        LexicalSegment(copy, n).search(query, 20, selected)[0].tolist()
        == sealed.search(query, 20, selected)[0].tolist()
    )
    assert {path.name: sum_of(path) for path in files_of(copy)} == sums


def test_an_index_of_another_segment_is_refused(tmp_path):
    build(tmp_path / "lexical", ["one", "two"])
    with pytest.raises(BadMessage):
        LexicalSegment(tmp_path / "lexical", 3)


def test_a_directory_without_an_index_is_refused(tmp_path):
    with pytest.raises(BadMessage):
        LexicalSegment(tmp_path, 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=8), st.text(max_size=40))
def test_any_text_can_be_added_and_asked_for(written, words):
    index, query = LiveLexical(), wanted(words)
    index.extend(written)
    slots = np.arange(len(written))
    matched = index.matched(query, slots)
    assert np.all(matched <= np.float32(query.whole))
    assert matched.tolist() == [sum(w for t, w in query.weights.items() if t in terms(text)) for text in written]
