from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.interleaving import team_draft

RANKINGS = st.lists(st.integers(0, 20), unique=True, max_size=12)


def same(entry: int) -> int:
    return entry


@given(RANKINGS, RANKINGS, st.integers(1, 15), st.integers(0, 99))
def test_the_list_holds_each_entry_once_and_as_many_as_there_are(
    one: list[int], other: list[int], k: int, seed: int
) -> None:
    drafted = [entry for entry, _ in team_draft((one, other), k, same, Random(seed))]
    assert len(drafted) == len(set(drafted)) == min(k, len({*one, *other}))


@given(RANKINGS, RANKINGS, st.integers(1, 15), st.integers(0, 99))
def test_each_team_brings_its_best_that_was_left(one: list[int], other: list[int], k: int, seed: int) -> None:
    drafted = team_draft((one, other), k, same, Random(seed))
    taken: set[int] = set()
    for entry, team in drafted:
        assert entry == next(each for each in (one, other)[team] if each not in taken)
        taken.add(entry)


@given(RANKINGS, st.integers(1, 15), st.integers(0, 99))
def test_two_equal_rankings_give_that_ranking(one: list[int], k: int, seed: int) -> None:
    assert [entry for entry, _ in team_draft((one, one), k, same, Random(seed))] == one[:k]


def test_both_teams_have_the_same_places_on_average() -> None:
    rng = Random(5)
    first = [team_draft((range(10), range(100, 110)), 10, same, rng) for _ in range(2000)]
    on_top = sum(drafted[0][1] for drafted in first)
    assert abs(on_top - 1000) < 5 * (2000 * 0.25) ** 0.5
    assert all(4 <= sum(team for _, team in drafted) <= 6 for drafted in first)
