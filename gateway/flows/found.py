"""What encoders and shards made of a query, before anybody sees it."""

from dataclasses import dataclass

from contracts.api import Coverage
from contracts.generations import Generation
from contracts.search import ShardHit
from gateway.core.cached_answer import CachedAnswer
from gateway.core.query import SearchQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Hits, best first, and how they came about."""

    hits: tuple[ShardHit, ...]
    coverage: Coverage
    degraded: tuple[str, ...]
    timings_ms: dict[str, float]
    variant: str

    def worth_keeping(self, query: SearchQuery, generation: Generation, *, stored_ms: int) -> CachedAnswer:
        """The same for the cache."""
        return CachedAnswer(
            tenant=query.tenant,
            stored_ms=stored_ms,
            hits=self.hits,
            n_shards=self.coverage.of,
            variant=self.variant,
            generation=generation.name,
        )
