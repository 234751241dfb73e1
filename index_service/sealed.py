"""An immutable segment of a shard: its files mapped into memory, and the one thing that changes, its live bits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadMessage
from index_service.bitmap import Bitmap, LiveBits, bitmap_of
from index_service.documents import DocumentHead
from index_service.filters import FilterColumns
from index_service.kinds import searcher as kinds
from index_service.kinds.graph import Graph
from index_service.kinds.parameters import IndexParameters, graph_breadth
from index_service.lexical.live import LiveLexical
from index_service.lexical.matches import LexicalIndex
from index_service.lexical.sealed import LexicalSegment
from index_service.payloads import decode_payload, words_of
from index_service.ranking import Rows
from index_service.record_file import RecordFile
from index_service.segment_files import (
    ARRAYS,
    CONTENTS,
    FORMAT,
    HEADS,
    LEXICAL,
    PAYLOADS,
    VECTORS,
    SegmentManifest,
    damaged_files,
    read_segment_manifest,
)
from index_service.selection import Selection
from index_service.spec import ShardSpec
from index_service.vectors import MappedVectors
from runtime.telemetry import get_logger

_LOG = get_logger(__name__)

# Candidates beyond k, by how far the kind's own scores may be from the exact ones.
_OVERFETCH: dict[str, int] = {
    "flat": 0,
    "hnsw_fp16": 16,
    "hnsw_sq8": 32,
    "ivf_sq8": 32,
    "ivf_pq": 300,
    "halves": 64,
}
_HEAD = msgspec.msgpack.Decoder(DocumentHead)


class SealedSegment:
    """One sealed segment. The live bits are guarded by the shard's lock, all else never changes.

    Args:
        directory: that `write_segment` made.
        manifest, identity: as `read_segment_manifest` gave them.
        parameters: how it is searched; what it was built with stands in the manifest.
        live: None when all slots are alive.
        index_damaged: the files of its index cannot be used: its rows are scanned until it is written anew.
    """

    def __init__(
        self,
        directory: Path,
        manifest: SegmentManifest,
        identity: str,
        parameters: IndexParameters,
        live: Bitmap | None,
        *,
        index_damaged: bool = False,
    ) -> None:
        self.directory = directory
        self.manifest = manifest
        self.identity = identity
        with np.load(directory / ARRAYS, allow_pickle=False) as file:
            arrays = dict(file)
        self.columns = FilterColumns.from_arrays(_under("columns.", arrays))
        self.selection = Selection(self.columns)
        self.vectors = MappedVectors(str(directory / VECTORS), manifest.longest)
        self.index_damaged = index_damaged
        self.searcher = None
        if not index_damaged:
            self.searcher = kinds.read(
                manifest.kind, directory, parameters, vectors=self.vectors.index, text_dim=manifest.text_dim
            )
        self._payloads = RecordFile(directory / PAYLOADS, **_under("payloads.", arrays))
        self._heads = RecordFile(directory / HEADS, **_under("heads.", arrays))
        n_slots = manifest.n_slots
        self.lexical: LexicalIndex = _lexical(directory, self._payloads, damaged=index_damaged)
        self.live = LiveBits(live if live is not None else bitmap_of(np.ones(n_slots, dtype=np.bool_)))
        if not n_slots == self.live.n_slots == len(self.vectors) == len(self._payloads) == self.columns.n_slots:
            raise BadMessage(f"The files of segment {directory.name} do not fit together.")

    @property
    def name(self) -> str:
        """Name of the segment, never used twice in a shard."""
        return self.manifest.name

    @property
    def n_slots(self) -> int:
        """Slots, dead ones included."""
        return self.manifest.n_slots

    @property
    def graph_bytes(self) -> int:
        """Memory of the index beside the vectors."""
        return self.searcher.memory_bytes if self.searcher else 0

    @property
    def payload_bytes(self) -> int:
        """Size of the payloads on disk."""
        return self._payloads.size_bytes

    def kill(self, first: int, n: int) -> None:
        """Note that a document's slots are dead."""
        self.live.kill(first, n)

    def head(self, number: int) -> DocumentHead:
        """A document by its number in this segment."""
        return _HEAD.decode(self._heads.get(number))

    def payload(self, slot: int) -> bytes:
        """The encoded payload of a slot."""
        return self._payloads.get(slot)

    def rows(self, parameters: IndexParameters, n_shard_slots: int) -> Rows:
        """What a search of a shard with so many slots works on."""
        return Rows(
            scanner=self.vectors,
            searcher=self.searcher,
            covered=self.n_slots,
            overfetch=_OVERFETCH[self.manifest.kind],
            order=self.columns.order,
            scan_below=parameters.scan_below,
            breadth=(
                graph_breadth(self.n_slots, n_shard_slots, parameters) if isinstance(self.searcher, Graph) else 1.0
            ),
        )

    def heads(self) -> Iterator[DocumentHead]:
        """Every document, dead or alive, in the order of its slots."""
        return map(_HEAD.decode, self._heads)

    def documents(
        self, live: Bitmap | None = None
    ) -> Iterator[tuple[DocumentHead, list[bytes], NDArray[np.float16]]]:
        """Every document, or every one that is alive by `live`, with its payloads and vectors."""
        alive = None if live is None else live.bools()
        payloads = iter(self._payloads)
        for head in self.heads():
            encoded = [next(payloads) for _ in range(head.n)]
            if alive is None or alive[head.first]:
                yield head, encoded, self.vectors.all_rows[head.first : head.first + head.n]


def open_segment(
    directory: Path,
    spec: ShardSpec,
    parameters: IndexParameters,
    *,
    live: Bitmap | None = None,
    check: bool = True,
    index_damaged: bool = False,
) -> SealedSegment:
    """Open a segment and check every byte of it (`check` False for one that was written a moment ago).

    Where nothing but the files of its index is damaged, or is known to be, it is opened without them.

    Raises:
        BadMessage: damaged otherwise, of another space, or of another format.
    """
    manifest, identity = read_segment_manifest(directory)
    if (manifest.format, manifest.space_id, manifest.dim, manifest.text_dim) != (
        FORMAT,
        spec.space_id,
        spec.dim,
        spec.text_dim,
    ):
        raise BadMessage(f"The segment {directory.name} is of another space or format.")
    damaged = damaged_files(directory, manifest) if check else []
    if not CONTENTS.isdisjoint(damaged):
        raise BadMessage(f"The segment {directory.name} has damaged files: {', '.join(damaged)}.")
    if damaged:
        _LOG.warning("segment_index_damaged", segment=directory.name, files=damaged)
    try:
        return SealedSegment(
            directory, manifest, identity, parameters, live, index_damaged=index_damaged or bool(damaged)
        )
    except (OSError, KeyError, ValueError, RuntimeError) as exc:
        raise BadMessage(f"The segment {directory.name} cannot be opened.") from exc


def _lexical(directory: Path, payloads: RecordFile, *, damaged: bool) -> LexicalIndex:
    """The segment's lexical index; where its files cannot be trusted, one in memory made of the payloads."""
    if not damaged:
        return LexicalSegment(directory / LEXICAL, len(payloads))
    in_memory = LiveLexical()
    in_memory.extend(words_of(decode_payload(payload)) for payload in payloads)
    return in_memory


def _under(prefix: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
