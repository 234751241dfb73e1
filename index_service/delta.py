"""The newest documents of a shard, in memory: appended to, scanned exactly, and after a while half in a graph.

Rows never move: the graph covers the first `covered` slots, the scan sees to the rest. A frozen delta takes no
more documents; it is being sealed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.items import ItemKind
from index_service.bitmap import Bitmap, LiveBits
from index_service.documents import DocumentHead
from index_service.filters import FilterColumns
from index_service.kinds.graph import Graph, build_graph
from index_service.kinds.parameters import IndexParameters, graph_breadth
from index_service.lexical.live import LiveLexical
from index_service.payloads import DocumentFields, decode_payload, words_of
from index_service.ranking import Rows
from index_service.selection import Selection
from index_service.vectors import GrowingVectors

# A graph of float16 rows gives true scores: a few more than k are enough.
_GRAPH_OVERFETCH = 16
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class CapturedDelta:
    """A delta as it was at one moment. Its vectors can be read while nothing is appended."""

    heads: Sequence[DocumentHead]
    payloads: Sequence[bytes]
    live: Bitmap
    vectors: GrowingVectors

    def live_documents(self) -> Iterator[tuple[DocumentHead, Sequence[bytes]]]:
        """Every document that was alive, with its payloads; `live_rows` gives their vectors in the same order."""
        alive = self.live.bools().tolist()
        for head in self.heads:
            if head.first < len(alive) and alive[head.first]:
                yield head, self.payloads[head.first : head.first + head.n]

    def live_rows(self) -> Iterator[NDArray[np.float16]]:
        """The vectors of all live slots, float16 [some, dim] at a time."""
        slots = self.live.slots()
        for start in range(0, len(slots), _ROWS_AT_ONCE):
            yield self.vectors.rows(slots[start : start + _ROWS_AT_ONCE])

    def documents(self, *, dead: bool = False) -> Iterator[tuple[DocumentHead, list[bytes], NDArray[np.float16]]]:
        """Every document that was alive, or with `dead` every one at all, with its payloads and vectors."""
        alive = self.live.bools()
        for head in self.heads:
            if head.first < len(alive) and (dead or alive[head.first]):
                slots = np.arange(head.first, head.first + head.n)
                yield head, list(self.payloads[head.first : head.first + head.n]), self.vectors.rows(slots)


class Delta:
    """Documents with items, by the order in which they came. Not thread-safe: the shard's lock guards it."""

    def __init__(self, dim: int, parameters: IndexParameters) -> None:
        self.columns = FilterColumns()
        self.selection = Selection(self.columns)
        self.live = LiveBits()
        self.vectors = GrowingVectors(dim, block_rows=parameters.tail_rows)
        self.lexical = LiveLexical()
        self._heads: list[DocumentHead] = []
        self._payloads: list[bytes] = []
        self._payload_bytes = 0
        self._graph: Graph | None = None

    @property
    def n_slots(self) -> int:
        """Slots given out, dead ones included."""
        return self.live.n_slots

    @property
    def covered(self) -> int:
        """Slots in the graph, a multiple of `tail_rows`."""
        return self._graph.n_rows if self._graph else 0

    @property
    def graph(self) -> Graph | None:
        """The graph over the first `covered` slots."""
        return self._graph

    @property
    def graph_bytes(self) -> int:
        """Memory of the graph: its links, and the rows that it holds again."""
        return self._graph.memory_bytes + 2 * self._graph.dim * self._graph.n_rows if self._graph else 0

    @property
    def payload_bytes(self) -> int:
        """Size of the payloads that are kept."""
        return self._payload_bytes

    def append(
        self,
        head: tuple[str, int, int, int],
        fields: DocumentFields,
        vectors: NDArray[np.float16],
        payloads: Sequence[bytes],
        kinds: Sequence[ItemKind],
    ) -> None:
        """Add a document with items.

        Args:
            head: document id, version, revision, serial.
            vectors: float16 [n, dim]; one row, payload and kind per item.
        """
        doc_id, version, revision, serial = head
        first = self.columns.append(doc_id, serial, fields, kinds)
        self._heads.append(DocumentHead(doc_id, version, revision, serial, first, len(payloads), fields))
        self.vectors.append(vectors)
        self._payloads.extend(payloads)
        self.lexical.extend(words_of(decode_payload(payload)) for payload in payloads)
        self._payload_bytes += sum(map(len, payloads))
        self.live.extend(len(payloads))

    def kill(self, first: int, n: int) -> None:
        """Note that a document's slots are dead. Their payloads stay: the delta may be sealed with them."""
        self.live.kill(first, n)

    def head(self, number: int) -> DocumentHead:
        """A document by its number in this part."""
        return self._heads[number]

    def payload(self, slot: int) -> bytes:
        """The encoded payload of a live slot."""
        return self._payloads[slot]

    def rows(self, parameters: IndexParameters, n_shard_slots: int) -> Rows:
        """What a search of a shard with so many slots works on."""
        graph = self._graph
        return Rows(
            scanner=self.vectors,
            searcher=graph,
            covered=graph.n_rows if graph else 0,
            overfetch=_GRAPH_OVERFETCH,
            order=self.columns.order,
            scan_below=parameters.scan_below,
            breadth=graph_breadth(graph.n_rows, n_shard_slots, parameters) if graph else 1.0,
        )

    def captured(self) -> "CapturedDelta":
        """What it holds now, for a thread that reads it later while documents die."""
        return CapturedDelta(self._heads, list(self._payloads), self.live.bitmap(), self.vectors)

    def rows_to_cover(self, parameters: IndexParameters) -> NDArray[np.float16] | None:
        """The rows that it is time to put into the graph, as a copy, or None."""
        block = self.vectors.block_rows
        whole = self.n_slots // block * block
        if whole - self.covered < max(block, parameters.tail_rows) or whole < parameters.graph_from:
            return None
        return self.vectors.rows(np.arange(self.covered, whole))

    def graph_with(self, rows: NDArray[np.float16], parameters: IndexParameters) -> Graph:
        """The graph with more rows behind its last; takes a while, changes nothing, needs no lock."""
        return build_graph(rows, parameters) if self._graph is None else self._graph.extended(rows)

    def cover(self, graph: Graph) -> None:
        """Search the first rows by this graph from now on."""
        self._graph = graph
