"""The lexical index of a sealed segment: a tantivy index in a directory, built once and then only read.

tantivy holds the terms that `terms` made and adds up weights; what a term is and weighs is not its business.
Whoever seals the segment sums the files (`files_of`) and checks them before the index is opened again.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from tantivy import Document, Index, Occur, Query, Schema, SchemaBuilder

from contracts.errors import BadMessage
from index_service.lexical.matches import Matched, Selected, SlotNumbers, best
from index_service.lexical.terms import terms
from index_service.lexical.wanted import Wanted

_TERMS = "terms"
_SLOT = "slot"
# Enough for some 200,000 items of 2 KB before tantivy starts another segment of its own.
_WRITER_BYTES = 128 * 1024 * 1024
# Up to this many selected slots are named in the query; more are sifted from its results.
_FEW = 1024
# Results fetched at first for one wanted, when not all slots are selected, and how far that is widened.
_OVERFETCH = 2
_WIDER = 8
_WIDEST = 65_536


class LexicalSegment:
    """The lexical index in a directory. Any thread may search.

    Raises:
        BadMessage: the directory holds no such index, or one of another number of slots.
    """

    def __init__(self, directory: Path, n_slots: int) -> None:
        self.n_slots = n_slots
        try:
            index = Index.open(str(directory))
        except (OSError, ValueError) as exc:
            raise BadMessage(f"The lexical index {directory.name} cannot be read.") from exc
        self._schema = index.schema
        self._searcher = index.searcher()
        if self._searcher.num_docs != n_slots:
            raise BadMessage(f"The lexical index holds {self._searcher.num_docs} items instead of {n_slots}.")

    def search(self, query: Wanted, k: int, selected: Selected) -> tuple[SlotNumbers, Matched]:
        """At most `k` selected slots that match best, best first, and the matched weight of each (never 0).

        Fetches more than `k` and ever more while too few of them are selected, at most 65,536: beyond that the
        result may be short.

        Args:
            selected: bool [n_slots], which slots may be found.
        """
        n_selected = int(np.count_nonzero(selected))
        if not query or not n_selected or k < 1:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        if n_selected <= _FEW:
            slots = np.flatnonzero(selected)
            matched = self.matched(query, slots)
            return best(slots[matched > 0], matched[matched > 0], k)
        limit = k if n_selected == self.n_slots else _OVERFETCH * k
        while True:
            slots, matched = self._run(self._any_of(query), limit)
            allowed = self._allowed(slots, selected)
            if len(slots) < limit or int(np.count_nonzero(allowed)) >= k or limit >= _WIDEST:
                return best(slots[allowed], matched[allowed], k)
            limit = min(limit * _WIDER, _WIDEST)

    def matched(self, query: Wanted, slots: SlotNumbers) -> Matched:
        """The matched weight of each of these slots, float32 [len(slots)]."""
        total = np.zeros(self.n_slots, dtype=np.float32)
        if query and len(slots):
            among = Query.const_score_query(Query.term_set_query(self._schema, _SLOT, slots.tolist()), 0.0)
            found, matched = self._run(
                Query.boolean_query([(Occur.Must, among), (Occur.Must, self._any_of(query))]), len(slots)
            )
            total[found] = matched
        return total[slots]

    def _any_of(self, query: Wanted) -> Query:
        return Query.boolean_query(
            [
                (
                    Occur.Should,
                    Query.const_score_query(Query.term_query(self._schema, _TERMS, term, "basic"), weight),
                )
                for term, weight in query.weights.items()
            ]
        )

    def _run(self, query: Query, limit: int) -> tuple[SlotNumbers, Matched]:
        hits = self._searcher.search(query, limit, count=False).hits
        numbers = self._searcher.fast_field_values(_SLOT, [address for _, address in hits])
        slots = np.array(numbers, dtype=np.int64)
        if len(slots) and not (int(slots.min()) >= 0 and int(slots.max()) < self.n_slots):
            raise RuntimeError("The lexical index gave a slot that its segment does not have.")
        return slots, np.array([score for score, _ in hits], dtype=np.float32)

    def _allowed(self, slots: SlotNumbers, selected: Selected) -> Selected:
        allowed: Selected = selected[slots]
        return allowed


def build(directory: Path, texts: Iterable[str]) -> int:
    """Write the lexical index of a segment into `directory`, the i-th text as slot i; returns their number.

    Args:
        directory: made here; must not exist.

    Raises:
        OSError: the directory exists, or the disk is full or not writable.
    """
    directory.mkdir(parents=True)
    writer = Index(_schema(), str(directory)).writer(_WRITER_BYTES, 1)
    n_slots = 0
    for text in texts:
        document = Document()
        document.add_text(_TERMS, " ".join(terms(text)))
        document.add_unsigned(_SLOT, n_slots)
        writer.add_document(document)
        n_slots += 1
    writer.commit()
    writer.wait_merging_threads()
    return n_slots


def files_of(directory: Path) -> Iterator[Path]:
    """The files that hold the index: all but the locks."""
    return (path for path in sorted(directory.iterdir()) if not path.name.endswith(".lock"))


def _schema() -> Schema:
    # Terms come ready, with spaces between them; how often one is in a text, and where, is not asked.
    builder = SchemaBuilder().add_text_field(_TERMS, tokenizer_name="whitespace", index_option="basic")
    return builder.add_unsigned_field(_SLOT, indexed=True, fast=True).build()
