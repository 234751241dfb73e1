"""One shard: applies updates in the order of (version, revision) and answers searches exactly.

No Kafka, no files, no clock. One thread applies updates; any thread may search meanwhile, and sees each
document either before or after an update, never in between.
"""

import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from contracts.errors import BadMessage
from contracts.items import IndexUpdate, ItemSet
from contracts.search import Filter, ShardHit
from index_service.contents import Contents
from index_service.filters import Selected
from index_service.hits import Candidate, top_hits
from index_service.lexical.blending import Blended, blend, unblended
from index_service.payloads import DocumentFields
from index_service.queries import Query
from index_service.ranking import Ranked, exact, rank
from index_service.slots import Precedence
from index_service.spec import ShardSpec
from index_service.updates import check_items, check_update, read_vectors, stored_document, tombstone

# Dead slots are cleared away when there are this many, and this share of all.
_COMPACT_DEAD_SLOTS = 4096
_COMPACT_DEAD_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of an update, and what the shard now holds of the document.

    Args:
        outcome: "applied"; "duplicate" and "late" change nothing.
        count: items of the document that are searchable now.
    """

    outcome: Literal["applied", "duplicate", "late"]
    version: int
    revision: int
    op: Literal["upsert", "delete", "expire"]
    count: int
    fields: DocumentFields | None


@dataclass(frozen=True, slots=True)
class Found:
    """Answer to one query. `scanned` is how many vectors were compared."""

    hits: tuple[ShardHit, ...]
    scanned: int


class Shard:
    """One shard of one generation.

    Args:
        spec: what it is.
        contents: what a snapshot held, or None for an empty shard.
    """

    def __init__(self, spec: ShardSpec, contents: Contents | None = None) -> None:
        self.spec = spec
        self._contents = contents if contents is not None else Contents(spec.dim)
        self._lock = threading.Lock()

    @property
    def contents(self) -> Contents:
        """What it holds. For the thread that applies updates (to write a snapshot); do not change it."""
        return self._contents

    @property
    def n_items(self) -> int:
        """Searchable items."""
        return self._contents.slots.n_live

    def precedence(self, update: IndexUpdate) -> Precedence:
        """Whether the update is news: if not, its items need not be fetched."""
        return self._contents.slots.precedence(update.doc_id, update.version, update.revision)

    def apply(self, update: IndexUpdate, items: ItemSet | None) -> Applied:
        """Apply one update. All items of the document change in one step.

        Args:
            items: the document's items for an upsert that is news; ignored otherwise.

        Raises:
            BadMessage: the update or its items break their contract; nothing was changed.
            SpaceMismatch: they belong to another embedding space; nothing was changed.
        """
        check_update(update, self.spec)
        precedence = self.precedence(update)
        if precedence != "newer":
            return self._state(update.doc_id, precedence)
        vectors = np.empty((0, self.spec.dim), dtype=np.float16)
        if update.op != "upsert":
            document = tombstone(update)
        elif items is None:
            raise BadMessage("An upsert came without its items.")
        else:
            check_items(update, items)
            vectors = read_vectors(items, self.spec)
            document = stored_document(items)
        kinds = [item.kind for item in items.items] if items is not None and update.op == "upsert" else []
        with self._lock:
            self._contents.put(document, vectors, kinds)
        return self._state(update.doc_id, "applied")

    def search(self, queries: Sequence[Query]) -> list[Found]:
        """Answer a batch of queries; the i-th result belongs to the i-th query.

        A score is the exact inner product of the query with the stored float16 vector, and for a query with
        terms the weighted lexical score added to it. Hits are ordered by score (higher first), then document
        id, then item id.
        """
        groups: dict[tuple[str, Filter], list[int]] = defaultdict(list)
        for i, query in enumerate(queries):
            groups[query.tenant, query.filter].append(i)
        candidates: list[list[Candidate]] = [[] for _ in queries]
        scanned = [0] * len(queries)
        with self._lock:
            for (tenant, wanted), members in groups.items():
                for i, found, n in self._search_group(tenant, wanted, members, queries):
                    candidates[i], scanned[i] = found, n
        return [Found(top_hits(candidates[i], query.k), scanned[i]) for i, query in enumerate(queries)]

    def compact(self) -> bool:
        """Clear dead slots away if there are many; tells whether it did. Searches go on meanwhile."""
        slots = self._contents.slots
        dead = slots.n_slots - slots.n_live
        if dead < _COMPACT_DEAD_SLOTS or dead < _COMPACT_DEAD_SHARE * slots.n_slots:
            return False
        compacted = self._contents.compacted()
        with self._lock:
            self._contents = compacted
        return True

    def _state(self, doc_id: str, outcome: Literal["applied", "duplicate", "late"]) -> Applied:
        entry = self._contents.slots.get(doc_id)
        assert entry is not None
        return Applied(outcome, entry.version, entry.revision, entry.op, entry.n, entry.fields)

    def _search_group(
        self, tenant: str, wanted: Filter, members: list[int], queries: Sequence[Query]
    ) -> list[tuple[int, list[Candidate], int]]:
        """Search the queries that share a tenant and a filter. The lock is held."""
        contents = self._contents
        selected = contents.columns.select(tenant, wanted, contents.slots)
        n_selected = int(np.count_nonzero(selected))
        ranked = rank(
            contents.segment,
            np.stack([queries[i].vector for i in members]),
            [queries[i].k for i in members],
            selected=selected,
            order=contents.columns.order,
            text_dim=self.spec.text_dim,
        )
        results = []
        for i, result in zip(members, ranked, strict=True):
            blended = self._blended(queries[i], result, selected)
            found = [
                self._candidate(slot, *scores)
                for slot, *scores in zip(
                    blended.dense.slots.tolist(),
                    blended.score.tolist(),
                    blended.dense.text_score.tolist(),
                    blended.dense.image_score.tolist(),
                    blended.lexical_score.tolist(),
                    strict=True,
                )
            ]
            results.append((i, found, n_selected))
        return results

    def _blended(self, query: Query, ranked: Ranked, selected: Selected) -> Blended:
        """The candidates of a query's vector, and of its words where they are looked up."""
        if query.terms is None:
            return unblended(ranked)
        contents, text_dim = self._contents, self.spec.text_dim

        def nearest(n: int) -> Ranked:
            order = contents.columns.order
            [found] = rank(
                contents.segment, query.vector[None, :], [n], selected=selected, order=order, text_dim=text_dim
            )
            return found

        return blend(
            nearest,
            lambda slots: exact(contents.segment, slots, query.vector, text_dim),
            contents.lexical,
            query.terms,
            query.lexical_weight,
            query.k,
            selected,
        )

    def _candidate(
        self, slot: int, score: float, text_score: float, image_score: float, lexical_score: float
    ) -> Candidate:
        slots = self._contents.slots
        doc_id = slots.owner(slot)
        entry = slots.get(doc_id)
        if entry is None or entry.fields is None or not entry.first <= slot < entry.first + entry.n:
            raise RuntimeError(f"slot {slot} came back from a search but is not alive")
        payload = self._contents.payloads.encoded(slot)
        return Candidate(
            doc_id, entry.version, entry.fields, payload, score, text_score, image_score, lexical_score
        )
