"""Quotas as leaky buckets: a minute's worth may be used at once, then it comes back steadily. Pure.

The generic cell rate algorithm (ITU-T I.371, ATM): of each bucket one time is kept, when it will be empty again.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

Kind = Literal["requests", "tokens"]

WINDOW_MS = 60_000.0
_MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Drawn:
    """What came of drawing on a bucket.

    Args:
        empty_ms: when the bucket will be empty again; what is kept of it.
        wait_ms: how long to wait before another try, 0 when it was allowed.
    """

    empty_ms: float
    wait_ms: float


def draw(empty_ms: float, now_ms: float, cost: float, per_minute: int, *, force: bool = False) -> Drawn:
    """Draw on a bucket.

    Args:
        empty_ms: what was kept of it; anything in the past for a new one.
        cost: 0 only asks whether it is overdrawn.
        force: for what was used already and is counted afterwards: the bucket may be overdrawn by it.
    """
    after_ms = max(empty_ms, now_ms) + cost * WINDOW_MS / per_minute
    over_ms = after_ms - now_ms - WINDOW_MS
    if over_ms > 0 and not force:
        return Drawn(empty_ms, over_ms)
    return Drawn(after_ms, 0.0)


class LocalQuotas:
    """Buckets of this process alone, for as long as those that all gateways share cannot be reached."""

    def __init__(self) -> None:
        self._empty_ms: OrderedDict[str, float] = OrderedDict()

    def draw(self, bucket: str, now_ms: float, cost: float, per_minute: int, *, force: bool = False) -> float:
        """See `draw`; gives `wait_ms`. Of too many buckets the one that was used longest ago is forgotten."""
        drawn = draw(self._empty_ms.get(bucket, 0.0), now_ms, cost, per_minute, force=force)
        self._empty_ms[bucket] = drawn.empty_ms
        self._empty_ms.move_to_end(bucket)
        if len(self._empty_ms) > _MOST_BUCKETS:
            self._empty_ms.popitem(last=False)
        return drawn.wait_ms
