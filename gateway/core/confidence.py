"""Confidence sequences: intervals that hold at all times at once; who looks every second is not misled.

A fixed test that is looked at again and again finds "significant" differences where there are none, in time with
certainty. These intervals may be looked at after every observation, and the experiment may be stopped because of
what they show: the probability that they ever leave out the truth is at most `alpha`. Pure.
"""

from __future__ import annotations

from math import inf, log, sqrt

import msgspec

# The largest bet (c in the paper, which proposes 1/2 or 3/4): below 1, so that no observation can ruin it.
_LARGEST_BET = 0.5


class Interval(msgspec.Struct, frozen=True):
    """Where the truth lies, as far as is known: from `low` to `high`, most likely near `estimate`."""

    estimate: float
    low: float
    high: float


class MeanSequence(msgspec.Struct):
    """The mean of observations from 0 to 1 that come one by one, each with the same mean given those before it.

    The predictable plug-in empirical-Bernstein confidence sequence of Waudby-Smith and Ramdas, "Estimating means
    of bounded random variables by betting", JRSS B 86 (2024), arXiv 2010.09686, Theorem 2 with the bets of its
    equation (26). It needs no assumption on the distribution and holds from the first observation on. Intervals of
    earlier times hold too, so the one that is told is what all of them have in common.

    Args:
        alpha: probability of ever leaving out the truth, at most.
    """

    alpha: float
    n: int = 0
    total: float = 0.0
    deviations: float = 0.0
    bets: float = 0.0
    bets_won: float = 0.0
    cost: float = 0.0
    low: float = 0.0
    high: float = 1.0

    def add(self, x: float) -> None:
        """Take in one observation from 0 to 1."""
        mean = (0.5 + self.total) / (self.n + 1)
        variance = (0.25 + self.deviations) / (self.n + 1)
        self.n += 1
        budget = log(2 / self.alpha)
        bet = min(_LARGEST_BET, sqrt(2 * budget / (variance * self.n * log(1 + self.n))))
        self.bets += bet
        self.bets_won += bet * x
        self.cost += (x - mean) ** 2 * (-log(1 - bet) - bet)
        self.total += x
        self.deviations += (x - (0.5 + self.total) / (self.n + 1)) ** 2
        centre, width = self.bets_won / self.bets, (budget + self.cost) / self.bets
        low, high = max(self.low, centre - width), min(self.high, centre + width)
        # Empty only where the sequence has failed; it then stays where it was, as it must not tell of nothing.
        if low <= high:
            self.low, self.high = low, high

    @property
    def interval(self) -> Interval:
        """The plain mean, kept within the bounds."""
        mean = self.total / self.n if self.n else 0.5
        return Interval(min(max(mean, self.low), self.high), self.low, self.high)


class DifferenceSequence(msgspec.Struct):
    """How much more the treatment gives than the control, from -1 to 1, where units are assigned at random.

    Each unit gives one unbiased look at the difference: its outcome, less a guess made before it, divided by the
    probability of the arm that it was in (inverse propensity with a predictable baseline; Howard, Ramdas,
    McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics
    49 (2021), section 4.2). So probabilities may change while it runs, as long as none gets smaller than at the
    start.

    Args:
        alpha: as for `MeanSequence`.
        reach: 1 over the smallest probability of an arm among the two, at any time.
    """

    looks: MeanSequence
    reach: float
    n_control: int = 0
    n_treatment: int = 0
    total_control: float = 0.0
    total_treatment: float = 0.0

    def add(self, outcome: float, *, treated: bool, probability: float) -> None:
        """Take in a unit's outcome from 0 to 1.

        Args:
            probability: of the treatment among the two arms when the unit was assigned, above 0 and below 1.
        """
        n = self.n_control + self.n_treatment
        guess = (0.5 + self.total_control + self.total_treatment) / (n + 1)
        look = (outcome - guess) / probability if treated else (guess - outcome) / (1 - probability)
        self.looks.add(min(1.0, max(0.0, (look / self.reach + 1) / 2)))
        if treated:
            self.n_treatment += 1
            self.total_treatment += outcome
        else:
            self.n_control += 1
            self.total_control += outcome

    @property
    def interval(self) -> Interval:
        """The difference of the plain means, kept within the bounds."""
        low, high = (max(-1.0, min(1.0, self.reach * (2 * x - 1))) for x in (self.looks.low, self.looks.high))
        if not self.n_control or not self.n_treatment:
            return Interval(min(max(0.0, low), high), low, high)
        means = self.total_treatment / self.n_treatment - self.total_control / self.n_control
        return Interval(min(max(means, low), high), low, high)


def difference(alpha: float, smallest_probability: float) -> DifferenceSequence:
    """A new sequence for two arms, of which the rarer one has this probability."""
    return DifferenceSequence(MeanSequence(alpha), 1 / smallest_probability if smallest_probability > 0 else inf)
