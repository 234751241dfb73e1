"""One batch of queries on its way through the parts of a shard.

Queries that may see the same slots are searched together.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from contracts.search import Filter
from index_service.bitmap import Bitmap
from index_service.found import Scored, best_of
from index_service.hits import top_hits
from index_service.kinds.parameters import IndexParameters
from index_service.lexical.blending import Blended, blend, unblended
from index_service.parts import Found, Part
from index_service.queries import Query
from index_service.ranking import Effort, Ranked, exact_scores, rank

_Group = tuple[str, Filter, bool]
SlotsOf = Callable[[str], tuple[Part, int, int] | None]
"""Where a document's items are: part, first slot, number; None where it has none."""


class BatchSearch:
    """What is found for some queries, part by part.

    Args:
        n_slots: of all parts of the shard together.
    """

    def __init__(
        self, queries: Sequence[Query], text_dim: int, parameters: IndexParameters, *, n_slots: int
    ) -> None:
        self._n_slots = n_slots
        self._queries = queries
        self._text_dim = text_dim
        self._parameters = parameters
        self._groups: dict[_Group, list[int]] = defaultdict(list)
        for i, query in enumerate(queries):
            self._groups[query.tenant, query.filter, query.exact].append(i)
        self._named: dict[_Group, dict[int, list[tuple[int, int]]] | None] = {}
        self._scored: list[list[Scored]] = [[] for _ in queries]
        self._matching = [0] * len(queries)
        self._effort = Effort()

    def locate(self, slots_of: SlotsOf) -> None:
        """Find the documents that filters name, before any part is looked into. The shard's lock is held."""
        for group in self._groups:
            doc_ids = group[1].doc_ids
            if doc_ids is None:
                self._named[group] = None
                continue
            ranges: dict[int, list[tuple[int, int]]] = defaultdict(list)
            for doc_id in doc_ids:
                place = slots_of(doc_id)
                if place is not None:
                    part, first, n = place
                    ranges[id(part)].append((first, n))
            self._named[group] = ranges

    def look_into(self, part: Part, live: Bitmap) -> None:
        """Add what one part holds. For a delta that grows the shard's lock is held.

        Args:
            live: the part's live bits of the moment for which the search answers.
        """
        if not live.count:
            return
        for group, members in self._groups.items():
            tenant, wanted, exact = group
            named = self._named[group]
            selected = part.selection.select(
                tenant, wanted, live, None if named is None else named.get(id(part), [])
            )
            if not selected.count:
                continue
            ranked = rank(
                part.rows(self._parameters, self._n_slots),
                np.stack([self._queries[i].vector for i in members]),
                [self._queries[i].k for i in members],
                selected=selected,
                text_dim=self._text_dim,
                exact=exact,
                effort=self._effort,
            )
            for i, near in zip(members, ranked, strict=True):
                query = self._queries[i]
                blended = unblended(near) if query.terms is None else self._blended(part, query, near, selected)
                self._matching[i] += selected.count
                self._scored[i].append(Scored.of(part, blended, query.k))

    def _blended(self, part: Part, query: Query, near: Ranked, selected: Bitmap) -> Blended:
        """Candidates of a query's vector and of its words."""
        assert query.terms is not None
        rows = part.rows(self._parameters, self._n_slots)

        def nearest(n: int) -> Ranked:
            [found] = rank(
                rows,
                query.vector[None, :],
                [n],
                selected=selected,
                text_dim=self._text_dim,
                exact=query.exact,
                effort=self._effort,
            )
            return found

        return blend(
            near,
            nearest,
            lambda slots: exact_scores(rows.scanner, slots, query.vector, self._text_dim),
            part.lexical,
            query.terms,
            query.lexical_weight,
            query.k,
            selected.bools(),
        )

    def found(self) -> list[Found]:
        """The answers, one per query."""
        scanned = self._effort.compared // max(1, len(self._queries))
        answers = []
        for query, scored, matching in zip(self._queries, self._scored, self._matching, strict=True):
            hits = top_hits(best_of(scored, query.k), query.k)
            answers.append(Found(hits, scanned, self._effort.widened, len(hits) < min(query.k, matching)))
        return answers
