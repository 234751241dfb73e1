"""Whether the arms of an experiment get the shares of units that they were promised. Pure.

When they do not, something takes units out of one arm (a bot filter, a crash before the exposure is told, a broken
assignment), and no difference between the arms can be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

import msgspec

ALPHA = 0.001
"""Below this the ratio is called wrong: an alarm that throws an experiment away must be almost never false."""


class RatioTest(msgspec.Struct):
    """A sequential multinomial test: counts against promised shares, valid at all times.

    Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022, arXiv 2011.03567: the
    Bayes factor of a Dirichlet mixture (here with one imagined unit in each arm) against the promised shares is a
    martingale while they are kept, and by Ville's inequality exceeds 1/a at any time with probability a at most.
    Promised shares may change from unit to unit.
    """

    counts: list[int]
    log_evidence: float = 0.0
    log_most: float = 0.0

    def add(self, arm: int, shares: Sequence[float]) -> None:
        """A unit came into this arm while these were the shares of all arms (they sum to 1)."""
        if shares[arm] <= 0:
            return
        guess = (self.counts[arm] + 1) / (sum(self.counts) + len(self.counts))
        self.log_evidence += log(guess) - log(shares[arm])
        self.log_most = max(self.log_most, self.log_evidence)
        self.counts[arm] += 1

    @property
    def p(self) -> float:
        """The p-value at any time: the probability that evidence ever gets so strong while shares are kept."""
        return min(1.0, exp(-self.log_most))

    @property
    def holds(self) -> bool:
        """Whether the shares may be believed."""
        return self.p >= ALPHA
