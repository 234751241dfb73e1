"""Puts a question to another variant behind the answer, and tells how far the two agree.

Nothing here can touch an answer: it begins after it, has a deadline of its own, takes no place of those that
searches have, and is left out while much is going on.
"""

import asyncio

from contracts.api import SearchResponse
from contracts.errors import TriremeError
from contracts.experiment_events import ExperimentEvent, Mirrored
from contracts.ids import DEFAULT_TENANT
from contracts.trace import TraceContext
from gateway.core.assignment import Member
from gateway.core.clock import Clock
from gateway.core.query import SearchQuery
from gateway.core.route import Route
from gateway.flows.experiment_ports import ExperimentEvents, ExperimentMeter
from gateway.flows.ports import RoutedSearch

_AT_ONCE = 4
_DEADLINE_S = 1.0


class Shadow:
    """Mirrors searches. Use it from one event loop.

    Args:
        searches: a search of its own, without cache, with shard health, places and budgets of its own.
    """

    def __init__(
        self, searches: RoutedSearch, events: ExperimentEvents, meter: ExperimentMeter, clock: Clock
    ) -> None:
        self._searches = searches
        self._events = events
        self._meter = meter
        self._clock = clock
        self._under_way: set[asyncio.Task[None]] = set()

    def mirror(
        self, member: Member, query: SearchQuery, route: Route, answer: SearchResponse, trace: TraceContext
    ) -> None:
        """Begin to ask the shadow; returns at once.

        Answers out of the cache are left out: the shadow has none, and the two times could not be compared.
        """
        if answer.served_by != "index" or len(self._under_way) >= _AT_ONCE:
            self._meter.shadowed("left_out")
            return
        # The answer's route has what other experiments change; the control's changes are in the answer as well.
        wanted = route.changed(member.experiment.variants[1].changes)
        task = asyncio.create_task(self._compare(member, query, wanted, answer, trace))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def finish(self) -> None:
        """Wait for those under way; each has its deadline."""
        await asyncio.gather(*self._under_way)

    async def _compare(
        self, member: Member, query: SearchQuery, route: Route, answer: SearchResponse, trace: TraceContext
    ) -> None:
        began_s = self._clock.monotonic_s()
        shared: float | None = None
        try:
            async with asyncio.timeout(_DEADLINE_S):
                found = await self._searches.search(query, trace=trace, route=route)
            if found.variant == route.variant:
                shared = overlap(answer, found)
        except (TriremeError, TimeoutError):
            pass
        shadow_ms = (self._clock.monotonic_s() - began_s) * 1000
        self._meter.shadowed("failed" if shared is None else "compared")
        name = member.experiment.variants[1].name
        self._meter.exposed(
            member.experiment.name, name, ("answered" if shared is not None else "failed",), shadow_ms
        )
        self._events.tell(
            ExperimentEvent(
                tenant=DEFAULT_TENANT,
                experiment=member.experiment.name,
                run=member.experiment.run,
                unit=member.unit,
                at_ms=self._clock.unix_ms(),
                what=Mirrored(overlap=shared, latency_ms=answer.timings_ms["total"], shadow_ms=shadow_ms),
            )
        )


def overlap(answer: SearchResponse, found: SearchResponse) -> float:
    """Share of the answer's hits that were found too; of no hits, whether none was found."""
    wanted = {(hit.doc_id, hit.item_id) for hit in answer.hits}
    if not wanted:
        return float(not found.hits)
    return len(wanted & {(hit.doc_id, hit.item_id) for hit in found.hits}) / len(wanted)
