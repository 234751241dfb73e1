"""What confidence sequences promise, by simulation: however often one looks, at most 5 % false calls."""

from math import sqrt
from random import Random

import pytest

from gateway.core.confidence import DifferenceSequence, MeanSequence, difference

ALPHA = 0.05


def false_calls(runs: int, units: int, *, rate: float, share: float, seed: int) -> tuple[float, float]:
    """Shares of A/A experiments with a call, looked at after every unit: by sequences, by a repeated z-test."""
    rng = Random(seed)
    called = called_by_z = 0
    for _ in range(runs):
        sequence = difference(ALPHA, min(share, 1 - share))
        wrong = wrong_by_z = False
        for n in range(units):
            sequence.add(float(rng.random() < rate), treated=rng.random() < share, probability=share)
            interval = sequence.interval
            wrong = wrong or not interval.low <= 0 <= interval.high
            wrong_by_z = wrong_by_z or (n >= 50 and z_calls(sequence))
        called += wrong
        called_by_z += wrong_by_z
    return called / runs, called_by_z / runs


def z_calls(sequence: DifferenceSequence) -> bool:
    """The usual test of two proportions at 5 %, once more at every look."""
    n0, n1 = sequence.n_control, sequence.n_treatment
    if not n0 or not n1:
        return False
    pooled = (sequence.total_control + sequence.total_treatment) / (n0 + n1)
    deviation = sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
    apart = abs(sequence.total_treatment / n1 - sequence.total_control / n0)
    return deviation > 0 and apart > 1.96 * deviation


@pytest.mark.parametrize(("rate", "share"), [(0.3, 0.5), (0.02, 0.5), (0.5, 0.2)])
def test_looking_after_every_unit_gives_no_more_false_calls_than_promised(rate: float, share: float) -> None:
    rate_of_calls, by_z = false_calls(150, 500, rate=rate, share=share, seed=7)
    assert rate_of_calls <= ALPHA
    # The same looks with the test that is meant for one look: the simulation can see what it looks for.
    assert by_z > 2 * ALPHA


@pytest.mark.soak
@pytest.mark.parametrize(("rate", "share"), [(0.3, 0.5), (0.02, 0.5), (0.5, 0.2), (0.9, 0.05)])
def test_long_experiments_give_no_more_false_calls_than_promised(rate: float, share: float) -> None:
    rate_of_calls, _by_z = false_calls(1000, 5000, rate=rate, share=share, seed=11)
    assert rate_of_calls <= ALPHA


def test_a_mean_is_left_out_no_more_often_than_promised() -> None:
    rng = Random(3)
    missed = 0
    for _ in range(200):
        sequence, mean = MeanSequence(ALPHA), rng.uniform(0.02, 0.98)
        wrong = False
        for _ in range(400):
            sequence.add(float(rng.random() < mean))
            wrong = wrong or not sequence.low <= mean <= sequence.high
        missed += wrong
    assert missed / 200 <= ALPHA


def test_a_true_difference_is_found_and_its_size_is_within_the_bounds() -> None:
    rng = Random(5)
    found = missed = 0
    for _ in range(60):
        sequence, wrong = difference(ALPHA, 0.5), False
        for _ in range(1500):
            treated = rng.random() < 0.5
            sequence.add(float(rng.random() < (0.45 if treated else 0.3)), treated=treated, probability=0.5)
            interval = sequence.interval
            wrong = wrong or not interval.low <= 0.15 <= interval.high
        found += interval.low > 0
        missed += wrong
    assert missed / 60 <= ALPHA
    assert found / 60 >= 0.8


def test_shares_may_change_while_it_runs() -> None:
    """The rate changes with the share, as on a Monday when more people come: plain means would be misled."""
    rng = Random(9)
    sequence = difference(ALPHA, 0.1)
    for share, rate in ((0.1, 0.1), (0.5, 0.6)):
        for _ in range(3000):
            treated = rng.random() < share
            sequence.add(float(rng.random() < rate), treated=treated, probability=share)
    plain = sequence.total_treatment / sequence.n_treatment - sequence.total_control / sequence.n_control
    assert plain > 0.1
    assert sequence.looks.low <= 0.5 <= sequence.looks.high


def test_intervals_only_ever_get_narrower() -> None:
    rng = Random(1)
    sequence = MeanSequence(ALPHA)
    width = 1.0
    for _ in range(300):
        sequence.add(rng.random())
        assert sequence.high - sequence.low <= width
        width = sequence.high - sequence.low
    assert width < 0.3
