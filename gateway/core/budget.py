"""The 200 ms rule: when each step of a search must end. All times count from the arrival of the request."""

from dataclasses import dataclass

# The last milliseconds belong to merging and writing the answer, not to waiting.
_FINISH_S = 0.005


@dataclass(frozen=True, slots=True)
class Budgets:
    """Lengths in seconds, from arrival unless said otherwise.

    Args:
        encode_s: encoders have until then; the halves that are ready go on.
        hedge_after_s: a shard that has not answered so long after it was asked is late (or its p95, if longer).
        hedge_until_s: nothing is asked a second time after this.
        shard_deadline_s: shards drop requests that they have not begun by then.
        total_s: the answer leaves, with whatever is there.
    """

    encode_s: float = 0.080
    hedge_after_s: float = 0.040
    hedge_until_s: float = 0.110
    shard_deadline_s: float = 0.180
    total_s: float = 0.200

    def start(self, arrived_s: float) -> "Budget":
        """The budget of a request that arrived at this monotonic time."""
        return Budget(self, arrived_s)


@dataclass(frozen=True, slots=True)
class Budget:
    """Points in monotonic time for one request."""

    lengths: Budgets
    arrived_s: float

    @property
    def encode_until_s(self) -> float:
        """When encoding ends, if at least one half is ready."""
        return self.arrived_s + self.lengths.encode_s

    @property
    def hedge_until_s(self) -> float:
        """After this no shard is asked a second time."""
        return self.arrived_s + self.lengths.hedge_until_s

    @property
    def shard_deadline_s(self) -> float:
        """Shards drop the request after this."""
        return self.arrived_s + self.lengths.shard_deadline_s

    @property
    def collect_until_s(self) -> float:
        """Replies are waited for until then, so that the answer itself leaves within the total."""
        return self.arrived_s + self.lengths.total_s - _FINISH_S

    def elapsed_ms(self, now_s: float) -> float:
        """Milliseconds since arrival."""
        return (now_s - self.arrived_s) * 1000

    def hedge_at_s(self, asked_s: float, p95_s: float | None) -> float:
        """When a shard asked at `asked_s` is late: after `hedge_after_s`, or its p95 when that is longer."""
        return asked_s + max(self.lengths.hedge_after_s, p95_s or 0.0)
