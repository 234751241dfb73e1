from hypothesis import given
from hypothesis import strategies as st

from gateway.core.hedging import HedgeAllowance


@given(st.lists(st.booleans(), min_size=1, max_size=600), st.sampled_from([0.01, 0.05, 0.2]))
def test_hedges_never_exceed_their_share_by_more_than_the_first_one(wishes: list[bool], share: float) -> None:
    allowance = HedgeAllowance(share)
    taken = 0
    for n, wish in enumerate(wishes, start=1):
        allowance.earn()
        taken += wish and allowance.take()
        assert taken <= 1 + share * n + 1e-9


def test_without_a_share_nothing_is_hedged() -> None:
    allowance = HedgeAllowance(0.0)
    for _ in range(100):
        allowance.earn()
        assert not allowance.take()


def test_a_quiet_time_saves_up_no_more_than_the_reserve() -> None:
    allowance = HedgeAllowance(0.05, reserve=3.0)
    for _ in range(10_000):
        allowance.earn()
    assert sum(allowance.take() for _ in range(10)) == 3
