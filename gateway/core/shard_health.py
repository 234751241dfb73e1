"""What the gateway knows of each shard in each replica group: its latencies, and a breaker. No I/O."""

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from contracts.search import CPU_GROUP, PRIMARY_GROUP
from runtime.breaker import CircuitBreaker

_WINDOW = 128
# A 95th percentile of fewer samples would be a maximum.
_FEWEST_SAMPLES = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """Which shards are asked in which group. A shard may stand in both (its breaker tries again), or in none."""

    by_group: Mapping[int, tuple[int, ...]]


class _Shard:
    def __init__(self, breaker: CircuitBreaker) -> None:
        self.breaker = breaker
        self.latencies_s: deque[float] = deque(maxlen=_WINDOW)
        self.asked_s: OrderedDict[str, float] = OrderedDict()


class ShardHealth:
    """Tells how each (group, shard) has been answering. Use it from one event loop.

    Args:
        clock: monotonic seconds.
        answer_within_s: a shard that has not answered so long after it was asked has failed.
        failures, reset_s: of the breakers.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        answer_within_s: float,
        failures: int = 5,
        reset_s: float = 1.0,
    ) -> None:
        self._clock = clock
        self._answer_within_s = answer_within_s
        self._failures = failures
        self._reset_s = reset_s
        self._generation: str | None = None
        self._shards: dict[tuple[int, int], _Shard] = {}

    def turn_to(self, generation: str) -> None:
        """Searches go to the shards of this generation from now on. Those of another one are other processes: what
        is known of them says nothing about these."""
        if generation != self._generation:
            self._generation = generation
            self._shards = {}

    def plan(self, n_shards: int, preferred_group: int) -> Plan:
        """Whom to ask: the preferred group, and the other one for shards whose breaker there is open.

        A half-open breaker lets one search try the shard again; the other group is asked beside it, so that no
        search pays for the trial.
        """
        other_group = other(preferred_group)
        groups: dict[int, list[int]] = {preferred_group: [], other_group: []}
        for shard in range(n_shards):
            breaker = self._at(preferred_group, shard).breaker
            trusted = breaker.state == "closed"
            if breaker.allow():
                groups[preferred_group].append(shard)
            if not trusted and self._at(other_group, shard).breaker.allow():
                groups[other_group].append(shard)
        return Plan({group: tuple(shards) for group, shards in groups.items() if shards})

    def may_ask(self, group: int, shard: int) -> bool:
        """Whether the breaker of this shard lets a call pass."""
        return self._at(group, shard).breaker.allow()

    def asked(self, group: int, shard: int, correlation_id: str) -> None:
        """A request is on its way to this shard."""
        self._at(group, shard).asked_s[correlation_id] = self._clock()

    def answered(self, group: int, shard: int, correlation_id: str, at_s: float, *, ok: bool = True) -> None:
        """The shard answered at this monotonic time, perhaps late; `ok` is False for an error."""
        state = self._at(group, shard)
        asked_s = state.asked_s.pop(correlation_id, None)
        if asked_s is None:
            return
        state.latencies_s.append(at_s - asked_s)
        if ok and at_s - asked_s <= self._answer_within_s:
            state.breaker.succeeded()
        else:
            state.breaker.failed()

    def sweep(self) -> None:
        """Count every request that has waited too long as a failure of its shard."""
        due_s = self._clock() - self._answer_within_s
        for state in self._shards.values():
            while state.asked_s and next(iter(state.asked_s.values())) < due_s:
                state.asked_s.popitem(last=False)
                state.breaker.failed()

    def forget_asked(self) -> None:
        """Requests on their way were lost by something else than the shards (Kafka): hold it against none."""
        for state in self._shards.values():
            state.asked_s.clear()

    def p95_s(self, group: int, shard: int) -> float | None:
        """95th percentile of the shard's last round trips in seconds; None while there are too few."""
        latencies_s = self._at(group, shard).latencies_s
        if len(latencies_s) < _FEWEST_SAMPLES:
            return None
        return sorted(latencies_s)[math.ceil(0.95 * len(latencies_s)) - 1]

    def states(self) -> Iterator[tuple[str, str]]:
        """Name and state of every breaker."""
        for state in self._shards.values():
            yield state.breaker.name, state.breaker.state

    def _at(self, group: int, shard: int) -> _Shard:
        known = self._shards.get((group, shard))
        if known is None:
            name = f"group-{group}/shard-{shard}"
            breaker = CircuitBreaker(name, failures=self._failures, reset_s=self._reset_s, clock=self._clock)
            known = self._shards[(group, shard)] = _Shard(breaker)
        return known


def other(group: int) -> int:
    """The replica group beside this one."""
    return CPU_GROUP if group == PRIMARY_GROUP else PRIMARY_GROUP
