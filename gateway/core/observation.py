"""What one unit of an experiment saw and said, and what that makes in numbers from 0 to 1. Pure.

A unit is one observation, however often it asks: requests of one person resemble each other, and a test that took
each for itself would be too sure. Its outcome is settled `window_s` after its first request; what comes later does
not count.
"""

from __future__ import annotations

import msgspec

from contracts.experiment_events import Exposure, Outcome
from contracts.experiments import Measure

# Beyond, a program asks, not a person.
MOST_IMPRESSIONS = 50


class Seen(msgspec.Struct, array_like=True):
    """One impression and what was said about it.

    Args:
        said: +1 for a yes, -1 for a no: relevance, and the answer's thumbs.
        wins: of an interleaved list, clicks on the treatment's hits less clicks on the control's.
    """

    slow: bool
    failed: bool
    empty: bool
    partial: bool
    clicks: int = 0
    said: int = 0
    said_no: bool = False
    wins: int = 0


class OpenUnit(msgspec.Struct, array_like=True):
    """A unit whose outcome is not settled yet.

    Args:
        shares: of all variants when it came.
    """

    first_ms: int
    variant: int
    shares: tuple[float, ...]
    seen: dict[str, Seen]

    def expose(self, exposure: Exposure, slow_ms: float) -> bool:
        """Take an exposure in; False when it does not count: another variant (weights changed), or too many."""
        if exposure.variant != self.variant or len(self.seen) >= MOST_IMPRESSIONS:
            return False
        self.seen[exposure.impression] = Seen(
            exposure.latency_ms > slow_ms, exposure.failed, exposure.empty, exposure.partial
        )
        return True

    def hear(self, outcome: Outcome) -> bool:
        """Take feedback in; False when it is about an impression that does not count."""
        seen = self.seen.get(outcome.impression)
        if seen is None:
            return False
        if outcome.kind == "click":
            seen.clicks += 1
            if outcome.team is not None:
                seen.wins += 1 if outcome.team == 1 else -1
        elif outcome.positive:
            seen.said += 1
        else:
            seen.said -= 1
            seen.said_no = True
        return True

    def measures(self) -> dict[Measure, float]:
        """The unit's outcome in each measure: the mean over its impressions."""
        seen, n = self.seen.values(), len(self.seen)
        return {
            "clicks": sum(one.clicks > 0 for one in seen) / n,
            "relevance": sum(_relevance(one) for one in seen) / n,
            "success": sum(_succeeded(one) for one in seen) / n,
            "latency": sum(one.slow for one in seen) / n,
            "errors": sum(one.failed for one in seen) / n,
            "zero_results": sum(one.empty for one in seen) / n,
            "partial": sum(one.partial for one in seen) / n,
        }

    def preference(self) -> float:
        """Of interleaved lists: 1 where the treatment's hits were clicked more, 0 the control's, 1/2 neither."""
        return sum(_sign(one.wins) + 1 for one in self.seen.values()) / (2 * len(self.seen))


def _relevance(seen: Seen) -> float:
    """1 for a yes, 0 for a no, 1/2 where nobody said: without the silent, two different crowds are compared."""
    return (_sign(seen.said) + 1) / 2


def _succeeded(seen: Seen) -> bool:
    """Something good was said or clicked, and nothing bad was said."""
    return (seen.clicks > 0 or seen.said > 0) and not seen.said_no


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)
