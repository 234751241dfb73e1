from random import Random

import pytest

from gateway.core.sample_ratio import ALPHA, RatioTest


def looked_at(units: int, kept: float, rng: Random) -> RatioTest:
    """Units by fair coins, of which the treatment's get lost in part before they are counted."""
    test = RatioTest([0, 0])
    for _ in range(units):
        arm = rng.randrange(2)
        if arm == 0 or rng.random() < kept:
            test.add(arm, (0.5, 0.5))
    return test


def test_kept_shares_are_believed_however_often_one_looks() -> None:
    rng = Random(2)
    assert sum(not looked_at(1000, 1.0, rng).holds for _ in range(300)) <= 2


def test_lost_units_are_noticed() -> None:
    test = looked_at(4000, 0.8, Random(4))
    assert not test.holds
    assert test.p < ALPHA


def test_an_alarm_stays() -> None:
    test = looked_at(4000, 0.7, Random(4))
    for _ in range(200):
        test.add(1, (0.5, 0.5))
    assert not test.holds


def test_shares_that_change_are_followed() -> None:
    rng, test = Random(6), RatioTest([0, 0])
    for share in (0.5, 0.1, 0.7):
        for _ in range(1500):
            test.add(int(rng.random() < share), (1 - share, share))
    assert test.holds


@pytest.mark.soak
def test_false_alarms_stay_rare_over_long_runs() -> None:
    rng = Random(8)
    assert sum(not looked_at(20_000, 1.0, rng).holds for _ in range(500)) / 500 <= 5 * ALPHA
