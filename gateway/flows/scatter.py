"""Asks the shards of a generation over the bus and collects their replies: hedging, breakers, partial results."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from contracts.errors import DeadlineExceeded, DependencyDown, DependencyFailed
from contracts.search import SearchReply, SearchRequest
from contracts.trace import TraceContext
from gateway.core.budget import Budget
from gateway.core.clock import Clock
from gateway.core.hedging import HedgeAllowance
from gateway.core.shard_health import ShardHealth, other
from gateway.flows.ports import Conversation, SearchMeter, ShardBus


@dataclass(slots=True)
class Gathered:
    """What came back.

    Args:
        replies: the first good reply of each shard.
        kafka_ms: round trip of the slowest shard without its own work.
        faiss_ms: longest search inside a shard; queue_ms: longest wait inside a shard.
    """

    n_shards: int
    replies: dict[int, SearchReply] = field(default_factory=dict)
    kafka_ms: float = 0.0
    faiss_ms: float = 0.0
    queue_ms: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether every shard answered."""
        return len(self.replies) == self.n_shards


@dataclass(slots=True)
class _Asking:
    """One search under way: who was asked when, who must be asked again when."""

    request: SearchRequest
    trace: TraceContext
    budget: Budget
    asked_s: dict[tuple[int, int], float] = field(default_factory=dict)
    hedge_at_s: dict[int, float] = field(default_factory=dict)
    failed: set[tuple[int, int]] = field(default_factory=set)
    may_hedge: bool | None = None


class AskShards:
    """Scatter and gather over replica groups.

    Args:
        preferred_group: the group that is asked first.
    """

    def __init__(
        self,
        bus: ShardBus,
        health: ShardHealth,
        allowance: HedgeAllowance,
        clock: Clock,
        meter: SearchMeter,
        *,
        preferred_group: int,
    ) -> None:
        self._bus = bus
        self._health = health
        self._allowance = allowance
        self._clock = clock
        self._meter = meter
        self._preferred = preferred_group

    async def ask(self, request: SearchRequest, n_shards: int, budget: Budget, trace: TraceContext) -> Gathered:
        """Replies of as many shards as answer in time.

        Args:
            request: without correlation id, reply address and deadline, which are filled in here.

        Raises:
            DependencyDown: Kafka is away, or every shard's breaker is open.
            DependencyFailed: shards answered, with nothing but errors.
            DeadlineExceeded: no shard answered in time.
        """
        self._settle()
        self._health.turn_to(request.generation)
        self._allowance.earn()
        plan = self._health.plan(n_shards, self._preferred)
        if not plan.by_group:
            raise DependencyDown("index", "No part of the index answers at the moment.", retry_after_s=1.0)
        conversation = self._bus.open()
        try:
            asking = _Asking(self._addressed(request, conversation, budget), trace, budget)
            for group, shards in plan.by_group.items():
                self._send(conversation, asking, group, shards, n_shards)
            gathered = await self._collect(conversation, asking, n_shards)
        finally:
            conversation.close()
        if len(gathered.replies) < len(asking.asked_s):
            # Whoever has not answered by then has failed, also when no other search comes to see it.
            asyncio.get_running_loop().call_later(budget.lengths.total_s, self._settle)
        self._report_missing(gathered, asking)
        return gathered

    def _addressed(self, request: SearchRequest, conversation: Conversation, budget: Budget) -> SearchRequest:
        left_s = budget.shard_deadline_s - self._clock.monotonic_s()
        return msgspec.structs.replace(
            request,
            correlation_id=conversation.correlation_id,
            reply_partition=self._bus.reply_partition,
            deadline_ms=self._clock.unix_ms() + int(left_s * 1000),
        )

    def _send(
        self,
        conversation: Conversation,
        asking: _Asking,
        group: int,
        shards: tuple[int, ...],
        n_shards: int,
    ) -> None:
        some = None if len(shards) == n_shards else shards
        conversation.send(msgspec.structs.replace(asking.request, shards=some), group, asking.trace)
        now_s = self._clock.monotonic_s()
        for shard in shards:
            self._health.asked(group, shard, conversation.correlation_id)
            asking.asked_s[(group, shard)] = now_s
            if (other(group), shard) in asking.asked_s:
                asking.hedge_at_s.pop(shard, None)
            else:
                asking.hedge_at_s[shard] = asking.budget.hedge_at_s(now_s, self._health.p95_s(group, shard))

    async def _collect(self, conversation: Conversation, asking: _Asking, n_shards: int) -> Gathered:
        gathered = Gathered(n_shards)
        until_s = asking.budget.collect_until_s
        while not gathered.complete and self._expecting(gathered, asking):
            now_s = self._clock.monotonic_s()
            if now_s >= until_s or not self._bus.available():
                break
            self._hedge_late(conversation, asking, gathered, now_s)
            wake_s = min([until_s, *(at for at in asking.hedge_at_s.values() if at > now_s)])
            reply = await conversation.next_reply(wake_s - now_s)
            if reply is not None:
                self._take(gathered, asking, reply)
        return gathered

    def _expecting(self, gathered: Gathered, asking: _Asking) -> bool:
        """Whether anyone who was asked, or may still be, has yet to answer."""
        return any(
            shard not in gathered.replies and ((group, shard) not in asking.failed or shard in asking.hedge_at_s)
            for group, shard in asking.asked_s
        )

    def _hedge_late(self, conversation: Conversation, asking: _Asking, gathered: Gathered, now_s: float) -> None:
        """Ask the other group for shards that are late, if this search may still hedge."""
        late = [
            shard for shard, at_s in asking.hedge_at_s.items() if at_s <= now_s and shard not in gathered.replies
        ]
        if not late:
            return
        for shard in late:
            del asking.hedge_at_s[shard]
        if now_s > asking.budget.hedge_until_s:
            return
        by_group: dict[int, list[int]] = {}
        for group, shard in list(asking.asked_s):
            if shard in late and self._health.may_ask(other(group), shard):
                by_group.setdefault(other(group), []).append(shard)
        if not by_group:
            return
        if asking.may_hedge is None:
            asking.may_hedge = self._allowance.take()
        if not asking.may_hedge:
            return
        for group, shards in by_group.items():
            self._send(conversation, asking, group, tuple(shards), gathered.n_shards)
        self._meter.hedged("failed" if asking.failed else "late")

    def _take(self, gathered: Gathered, asking: _Asking, reply: SearchReply) -> None:
        if reply.generation not in {None, asking.request.generation}:
            return  # Shards of other generations read the same requests; those of an older build refuse them.
        now_s = self._clock.monotonic_s()
        place = (reply.group, reply.shard)
        good = reply.outcome == "ok"
        self._health.answered(*place, reply.correlation_id, now_s, ok=good)
        if place not in asking.asked_s:
            return
        if not good:
            asking.failed.add(place)
            if reply.shard in asking.hedge_at_s:
                asking.hedge_at_s[reply.shard] = now_s
            return
        if reply.shard not in gathered.replies:
            gathered.replies[reply.shard] = reply
            round_trip_ms = (now_s - asking.asked_s[place]) * 1000
            gathered.kafka_ms = max(0.0, round_trip_ms - reply.queue_ms - reply.search_ms)
            gathered.faiss_ms = max(gathered.faiss_ms, reply.search_ms)
            gathered.queue_ms = max(gathered.queue_ms, reply.queue_ms)

    def _settle(self) -> None:
        """Tell the shards' health what became of requests whose searches have ended."""
        for at_s, reply in self._bus.late_replies():
            # One of another generation is not known to have been asked, and changes nothing.
            ok = reply.outcome == "ok"
            self._health.answered(reply.group, reply.shard, reply.correlation_id, at_s, ok=ok)
        if self._bus.available():
            self._health.sweep()
        else:
            self._health.forget_asked()

    def _report_missing(self, gathered: Gathered, asking: _Asking) -> None:
        missing = gathered.n_shards - len(gathered.replies)
        if missing:
            self._meter.missing_shards(self._preferred, missing)
        if gathered.replies:
            return
        if not self._bus.available():
            raise DependencyDown("kafka")
        if asking.failed:
            raise DependencyFailed("index", "The index could not carry out this search.")
        raise DeadlineExceeded("The index did not answer in time.")

    def states(self) -> Iterator[tuple[str, str]]:
        """Name and state of every shard's breaker."""
        return self._health.states()
