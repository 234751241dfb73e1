"""The restart budget: pauses grow, and the bound holds within its window."""

from stack.restarts import FIRST_PAUSE_S, LONGEST_PAUSE_S, RestartBudget


def test_pauses_double_up_to_the_longest() -> None:
    budget = RestartBudget(max_restarts=10)
    pauses = [budget.next_pause_s(float(second)) for second in range(10)]
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S


def test_no_more_restarts_than_the_bound_within_the_window() -> None:
    budget = RestartBudget(max_restarts=2, window_s=300.0)
    assert [budget.next_pause_s(now) is None for now in (0.0, 10.0, 20.0)] == [False, False, True]
    assert budget.total == 2


def test_restarts_older_than_the_window_are_forgotten() -> None:
    budget = RestartBudget(max_restarts=1, window_s=300.0)
    assert budget.next_pause_s(0.0) == FIRST_PAUSE_S
    assert budget.next_pause_s(299.0) is None
    assert budget.next_pause_s(301.0) == FIRST_PAUSE_S
