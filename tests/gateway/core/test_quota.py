"""Buckets that let a minute's worth through at once, and then as much as comes back."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.quota import WINDOW_MS, LocalQuotas, draw


def test_a_minutes_worth_at_once_then_one_at_a_time() -> None:
    empty_ms = 0.0
    for _ in range(60):
        drawn = draw(empty_ms, 1000.0, 1, 60)
        assert drawn.wait_ms == 0
        empty_ms = drawn.empty_ms
    refused = draw(empty_ms, 1000.0, 1, 60)
    assert (refused.wait_ms, refused.empty_ms) == (1000.0, empty_ms), "a refusal costs nothing"
    assert draw(empty_ms, 2000.0, 1, 60).wait_ms == 0


def test_what_was_used_already_may_overdraw_and_then_nothing_is_let_in_until_it_has_come_back() -> None:
    over = draw(0.0, 1000.0, 250, 100, force=True)
    assert draw(over.empty_ms, 1000.0, 0, 100).wait_ms == 1.5 * WINDOW_MS
    assert draw(over.empty_ms, 1000.0 + 1.5 * WINDOW_MS, 0, 100).wait_ms == 0


@given(st.lists(st.tuples(st.floats(0, 5000), st.integers(1, 5)), max_size=200), st.integers(5, 100))
def test_in_no_minute_more_than_twice_the_quota_passes(draws: list[tuple[float, int]], per_minute: int) -> None:
    now_ms, empty_ms = 0.0, 0.0
    passed: list[tuple[float, int]] = []
    for gap_ms, cost in draws:
        now_ms += gap_ms
        drawn = draw(empty_ms, now_ms, cost, per_minute)
        if drawn.wait_ms == 0:
            empty_ms = drawn.empty_ms
            passed.append((now_ms, cost))
        else:
            assert draw(empty_ms, now_ms + drawn.wait_ms + 1e-6, cost, per_minute).wait_ms < 1e-3
    for begin_ms, _ in passed:
        assert sum(cost for at, cost in passed if begin_ms <= at < begin_ms + WINDOW_MS) <= 2 * per_minute + 1e-6


def test_the_bucket_that_was_used_longest_ago_is_forgotten() -> None:
    quotas = LocalQuotas()
    quotas.draw("first", 0.0, 1, 1)
    assert quotas.draw("first", 0.0, 1, 1) > 0
    for number in range(10_000):
        quotas.draw(str(number), 0.0, 1, 1)
    assert quotas.draw("first", 0.0, 1, 1) == 0
