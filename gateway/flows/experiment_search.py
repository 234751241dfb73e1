"""A search as experiments have it: which variant answers, two rankings in one list, a shadow behind it.

Deciding costs a few hashes; nothing of an experiment is waited for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from contracts.api import SearchResponse
from contracts.errors import InvalidInput, TriremeError
from contracts.experiment_events import ExperimentEvent, Exposure
from contracts.experiments_view import ExperimentPart
from contracts.ids import DEFAULT_TENANT
from contracts.trace import TraceContext
from gateway.core.assignment import Member, members
from gateway.core.clock import Clock
from gateway.core.impressions import Impression, ImpressionMember, ImpressionSigner
from gateway.core.query import SearchQuery
from gateway.core.route import Route
from gateway.flows.experiment_ports import ExperimentEvents, ExperimentMeter
from gateway.flows.interleave import Interleaved, interleave
from gateway.flows.ports import RoutedSearch
from gateway.flows.shadow import Shadow

_NO_FAULT_OF_OURS = (InvalidInput,)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a search is answered.

    Args:
        route: of the answer, with what all variants change.
        rival: of an interleaved list, the treatment's route.
        stood_in: a variant's route could not be gone.
    """

    route: Route
    rival: Route | None
    stood_in: bool


class ExperimentSearch:
    """Fulfils `gateway.flows.ports.Search` over a search that can be routed. Use it from one event loop.

    Args:
        new_id: makes names of impressions.
    """

    def __init__(
        self,
        searches: RoutedSearch,
        shadow: Shadow,
        events: ExperimentEvents,
        signer: ImpressionSigner,
        meter: ExperimentMeter,
        clock: Clock,
        *,
        new_id: Callable[[], str],
    ) -> None:
        self._searches = searches
        self._shadow = shadow
        self._events = events
        self._signer = signer
        self._meter = meter
        self._clock = clock
        self._new_id = new_id

    async def search(
        self, query: SearchQuery, *, trace: TraceContext, arrived_s: float | None = None
    ) -> SearchResponse:
        """Answer a query by the variants that its caller has been given; see `SearchFlow.search` for the rest.

        Raises:
            InvalidInput: the caller asks for an experiment or a variant that does not exist.
        """
        arrived_s = self._clock.monotonic_s() if arrived_s is None else arrived_s
        impression = self._new_id()
        try:
            base = self._searches.route(query)
        except TriremeError:
            # There is no index, or none that can be asked: whoever answers without one may still do so.
            return await self._searches.search(query, trace=trace, arrived_s=arrived_s)
        part = members(self._events.offered(), query, base, impression)
        plan = self._plan(part, base, query)
        try:
            found = await self._answer(plan, query, trace, arrived_s, impression)
        except _NO_FAULT_OF_OURS:
            raise
        except TriremeError:
            self._expose(part, impression, plan, None, (self._clock.monotonic_s() - arrived_s) * 1000)
            raise
        response = found.response
        total_ms = response.timings_ms["total"]
        self._expose(part, impression, plan, found, total_ms)
        for member in _of_kind(part, "shadow"):
            self._shadow.mirror(member, query, plan.route, response, trace)
        return replace(
            response,
            experiments=[
                ExperimentPart(one.experiment.name, one.variant_name, one.experiment.kind, one.forced)
                for one in part
            ],
            impression_id=self._impression_id(part, query, impression, found),
        )

    def _plan(self, part: Sequence[Member], base: Route, query: SearchQuery) -> _Plan:
        route, rival, stood_in = base, None, False
        for member in part:
            if member.experiment.kind == "split" or member.forced:
                wanted = route.changed(member.experiment.variants[member.variant].changes)
                stood_in = stood_in or not self._can(wanted, base, query)
                route = wanted if self._can(wanted, base, query) else route
        for member in _of_kind(part, "interleave"):
            control, treatment = (route.changed(variant.changes) for variant in member.experiment.variants)
            if self._can(control, base, query) and self._can(treatment, base, query):
                route, rival = control, treatment
            else:
                stood_in = True
        return _Plan(route, rival, stood_in)

    def _can(self, wanted: Route, base: Route, query: SearchQuery) -> bool:
        """A generation or models that are away are no reason to give no answer: the policy's route stands in."""
        return wanted == base or self._searches.serves(wanted, query)

    async def _answer(
        self, plan: _Plan, query: SearchQuery, trace: TraceContext, arrived_s: float, impression: str
    ) -> Interleaved:
        if plan.rival is not None:
            return await interleave(
                self._searches, query, plan.route, plan.rival, trace=trace, arrived_s=arrived_s, coin=impression
            )
        response = await self._searches.search(query, trace=trace, arrived_s=arrived_s, route=plan.route)
        return Interleaved(response, None, failed=response.variant != plan.route.variant)

    def _expose(
        self, part: Sequence[Member], impression: str, plan: _Plan, found: Interleaved | None, latency_ms: float
    ) -> None:
        failed = found is None or plan.stood_in or found.failed
        empty = found is not None and not found.response.hits
        partial = found is not None and _is_partial(found.response)
        outcomes = [
            name
            for name, is_so in (
                ("failed", failed),
                ("empty", empty),
                ("partial", partial),
                ("answered", not failed),
            )
            if is_so
        ]
        for member in part:
            if member.forced or member.experiment.kind == "shadow":
                continue
            self._meter.exposed(member.experiment.name, member.variant_name, outcomes, latency_ms)
            what = Exposure(
                impression=impression,
                variant=member.variant,
                shares=member.experiment.shares,
                latency_ms=latency_ms,
                failed=failed,
                empty=empty,
                partial=partial,
            )
            self._events.tell(
                ExperimentEvent(
                    tenant=DEFAULT_TENANT,
                    experiment=member.experiment.name,
                    run=member.experiment.run,
                    unit=member.unit,
                    at_ms=self._clock.unix_ms(),
                    what=what,
                )
            )

    def _impression_id(
        self, part: Sequence[Member], query: SearchQuery, impression: str, found: Interleaved
    ) -> str:
        return self._signer.issue(
            Impression(
                tenant=query.tenant,
                nonce=impression,
                issued_s=int(self._clock.unix_s()),
                n_hits=len(found.response.hits),
                members=tuple(
                    ImpressionMember(
                        member.experiment.name,
                        member.experiment.run,
                        member.variant,
                        member.unit,
                        found.teams if member.experiment.kind == "interleave" else None,
                    )
                    for member in part
                    if not member.forced and member.experiment.kind != "shadow"
                ),
            )
        )


def _of_kind(part: Sequence[Member], kind: str) -> list[Member]:
    return [member for member in part if member.experiment.kind == kind and not member.forced]


def _is_partial(response: SearchResponse) -> bool:
    """Shards or halves of the query were missing; without a cache an answer is as good."""
    return response.coverage.answered < response.coverage.of or bool(set(response.degraded) - {"cache"})
