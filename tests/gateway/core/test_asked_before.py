"""Queries that were asked before are known for a while, in bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.asked_before import AskedBefore


def test_the_second_time_counts_as_again() -> None:
    asked = AskedBefore()
    assert [asked.note(key, 0.0) for key in ("a", "b", "a", "a", "b")] == [False, False, True, True, True]


def test_a_query_is_known_for_a_window_at_least_and_two_at_most() -> None:
    asked = AskedBefore(window_s=10)
    asked.note("a", 0.0)
    assert asked.note("a", 9.9)
    asked.note("b", 10.0)
    assert asked.note("a", 19.0), "noted again at 9.9"
    asked.note("c", 30.0)
    assert not asked.note("b", 40.0)


def test_after_a_long_silence_all_is_forgotten() -> None:
    asked = AskedBefore(window_s=10)
    asked.note("a", 0.0)
    assert not asked.note("a", 25.0)


@given(st.lists(st.integers(0, 500), max_size=2000))
def test_memory_is_bounded_and_a_repetition_within_the_bound_is_known(keys: list[int]) -> None:
    asked = AskedBefore(most=50)
    for at, key in enumerate(keys):
        known = asked.note(key, 0.0)
        if key in keys[max(0, at - 49) : at]:
            assert known
        assert len(asked._newer) <= 51
        assert len(asked._older) <= 51
