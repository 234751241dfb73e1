"""Two searches at once whose rankings are drawn into one list."""

import asyncio
from dataclasses import dataclass, replace
from random import Random

from contracts.api import Coverage, SearchHit, SearchResponse
from contracts.errors import TriremeError
from contracts.trace import TraceContext
from gateway.core.interleaving import team_draft
from gateway.core.query import SearchQuery
from gateway.core.route import Route
from gateway.flows.ports import RoutedSearch


@dataclass(frozen=True, slots=True)
class Interleaved:
    """An answer.

    Args:
        teams: for each hit the ranking that brought it, 0 or 1; None where there was one ranking only.
        failed: it is not what was wanted: a ranking is missing, or other models stood in.
    """

    response: SearchResponse
    teams: bytes | None
    failed: bool = False


async def interleave(
    searches: RoutedSearch,
    query: SearchQuery,
    control: Route,
    treatment: Route,
    *,
    trace: TraceContext,
    arrived_s: float,
    coin: str,
) -> Interleaved:
    """Both rankings as one list of `query.k` hits; when one of them fails, the other one alone.

    Args:
        coin: decides who begins each round of the draft; the same for all looks at one answer.

    Raises:
        TriremeError: both failed; what the control's search raised.
    """
    results = await asyncio.gather(
        *(searches.search(query, trace=trace, arrived_s=arrived_s, route=route) for route in (control, treatment)),
        return_exceptions=True,
    )
    answers = [result for result in results if isinstance(result, SearchResponse)]
    for result in results:
        if isinstance(result, BaseException) and (not answers or not isinstance(result, TriremeError)):
            raise result
    if len(answers) == 1:
        return Interleaved(answers[0], None, failed=True)
    first, second = answers
    drafted = team_draft((first.hits, second.hits), query.k, _identity, Random(coin))
    wrong = (first.variant, second.variant) != (control.variant, treatment.variant)
    merged = replace(
        first,
        hits=[replace(hit, rank=rank) for rank, (hit, _) in enumerate(drafted, start=1)],
        coverage=min(first.coverage, second.coverage, key=_share),
        degraded=list(dict.fromkeys((*first.degraded, *second.degraded))),
        timings_ms=max(first.timings_ms, second.timings_ms, key=lambda timings: timings["total"]),
    )
    return Interleaved(merged, bytes(team for _, team in drafted), failed=wrong)


def _identity(hit: SearchHit) -> tuple[str, str]:
    return hit.doc_id, hit.item_id


def _share(coverage: Coverage) -> float:
    return coverage.answered / coverage.of if coverage.of else 0.0
