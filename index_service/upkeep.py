"""What keeps a shard quick while it is written to: the delta's graph, sealing, and merging of segments.

Everything is built beside and put in place in one step (`Shard.swap`); searches and updates go on meanwhile. The
plan is a pure function of sizes. Which thread does it, and when, is `upkeep_thread`'s.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from index_service.bitmap import Bitmap, bitmap_of
from index_service.documents import DocumentHead
from index_service.kinds import searcher as kinds
from index_service.kinds.graph import Graph
from index_service.kinds.parameters import TRAINED_KINDS, IndexParameters, Kind, kind_for
from index_service.kinds.searcher import Searcher
from index_service.parts import Part
from index_service.sealed import SealedSegment, open_segment
from index_service.segment_files import write_segment
from index_service.shard import Shard
from runtime.telemetry import get_logger

_LOG = get_logger(__name__)
# A graph is gone on with, dead rows and all, while it has no larger a share of dead slots than this.
_EXTEND_DEAD_SHARE = 0.1
# Small segments are merged among themselves until they are this share of the largest together.
_JOIN_LARGEST_SHARE = 0.25
_SEGMENT = "seg-"

Train = Callable[[Kind, NDArray[np.float16]], Any]
"""The trained index of a kind, from the generation's store or trained on rows; None while there are too few."""


@dataclass(frozen=True, slots=True)
class SegmentSize:
    """What the plan of merging knows of a sealed segment."""

    n_slots: int
    n_live: int
    index_damaged: bool = False

    @property
    def dead_share(self) -> float:
        """Share of slots that are dead."""
        return 1 - self.n_live / self.n_slots


def plan_merge(sizes: Sequence[SegmentSize], parameters: IndexParameters) -> tuple[int, ...]:
    """Numbers of the segments to merge into one now; none when all is well. One number: write that one anew.

    A segment with too many dead slots or a damaged index is written anew. Beyond `max_segments`, all but the
    largest are merged, or all together once those are a quarter of it: each row is then merged about log(n) times
    in its life.
    """
    for number, size in enumerate(sizes):
        if size.index_damaged or size.dead_share > parameters.max_dead_share:
            return (number,)
    if len(sizes) <= parameters.max_segments:
        return ()
    largest = max(range(len(sizes)), key=lambda number: sizes[number].n_live)
    rest = tuple(number for number in range(len(sizes)) if number != largest)
    n_rest = sum(sizes[number].n_live for number in rest)
    return tuple(range(len(sizes))) if n_rest >= _JOIN_LARGEST_SHARE * sizes[largest].n_live else rest


class Upkeep:
    """Keeps one shard. One thread at a time.

    Args:
        home: directory of the shard's segments.
        train: where trained indexes come from; only asked for kinds that need one.
    """

    def __init__(self, shard: Shard, home: Path, train: Train) -> None:
        self._shard = shard
        self._home = home
        self._train = train

    def step(self) -> Literal["covered", "sealed", "merged"] | None:
        """Do the most urgent thing, if anything is due, and say what it was.

        Raises:
            OSError: the disk does not take a segment; nothing was changed.
        """
        shard = self._shard
        if shard.frozen:
            self._seal()
            return "sealed"
        if shard.delta.n_slots >= shard.parameters.seal_rows:
            shard.freeze()
            self._seal()
            return "sealed"
        uncovered = shard.uncovered()
        if uncovered is not None:
            delta, rows = uncovered
            shard.cover(delta, delta.graph_with(rows, shard.parameters))
            return "covered"
        segments = shard.sealed
        sizes = [SegmentSize(segment.n_slots, segment.live.n_live, segment.index_damaged) for segment in segments]
        chosen = plan_merge(sizes, shard.parameters)
        if not chosen:
            return None
        self._merge([segments[number] for number in chosen])
        return "merged"

    def seal_all(self) -> None:
        """Seal the delta however small it is, and merge what there is into one segment: for a bulk load.

        Raises:
            OSError: the disk does not take a segment.
        """
        if self._shard.delta.n_slots:
            self._shard.freeze()
        while self._shard.frozen:
            self._seal()
        if len(self._shard.sealed) > 1:
            self._merge(list(self._shard.sealed))

    def _seal(self) -> None:
        delta = self._shard.frozen[0]
        captured = self._shard.capture(delta)
        live, segment = captured.live, None
        if live.count and live.count >= (1 - _EXTEND_DEAD_SHARE) * live.n_slots:
            segment = self._write([captured.documents(dead=True)], base=delta.graph, live=live)
        elif live.count:
            segment = self._write([captured.documents()])
        self._shard.swap([(delta, live)], segment)
        _LOG.info("delta_sealed", shard=self._shard.spec.shard, items=captured.live.count)

    def _merge(self, segments: list[SealedSegment]) -> None:
        shard = self._shard
        # The largest first: its graph may be gone on with.
        segments = sorted(segments, key=lambda segment: segment.n_slots, reverse=True)
        seen = [(segment, shard.live_bits(segment)) for segment in segments]
        n_live = sum(live.count for _, live in seen)
        if not n_live:
            shard.swap(seen, None)
            return
        largest, live = seen[0]
        rest = [segment.documents(bits) for segment, bits in seen[1:]]
        if _can_extend(largest, live, n_live, shard.parameters):
            bits = np.concatenate([live.bools(), np.ones(n_live - live.count, dtype=np.bool_)])
            segment = self._write([largest.documents(), *rest], base=largest.searcher, live=bitmap_of(bits))
        else:
            segment = self._write([largest.documents(live), *rest])
        sources: list[tuple[Part, Bitmap]] = [*seen]
        shard.swap(sources, segment)
        _LOG.info("segments_merged", shard=shard.spec.shard, segments=len(segments), items=n_live)

    def _write(
        self,
        documents: list[Iterator[tuple[DocumentHead, list[bytes], NDArray[np.float16]]]],
        *,
        base: Searcher | None = None,
        live: Bitmap | None = None,
    ) -> SealedSegment:
        spec, parameters = self._shard.spec, self._shard.parameters

        def build(vectors: NDArray[np.float16], directory: Path) -> tuple[Kind, list[str]]:
            kind = kind_for(len(vectors), spec.dim, parameters)
            trained = self._train(kind, vectors) if kind in TRAINED_KINDS else None
            if kind in TRAINED_KINDS and trained is None:
                kind = "hnsw_fp16"
            files = kinds.build(
                kind, vectors, directory, parameters, text_dim=spec.text_dim, trained=trained, base=base
            )
            return kind, files

        directory = write_segment(
            self._home, _next_name(self._home), chain.from_iterable(documents), spec, parameters, build
        )
        return open_segment(directory, spec, parameters, live=live, check=False)


def _can_extend(largest: SealedSegment, live: Bitmap, n_live: int, parameters: IndexParameters) -> bool:
    """Whether the largest segment's graph shall be gone on with: cheaper than a new one, and as good."""
    dead_share = 1 - live.count / live.n_slots
    return (
        isinstance(largest.searcher, Graph)
        and n_live > live.count
        and dead_share <= _EXTEND_DEAD_SHARE
        and largest.manifest.kind == kind_for(n_live, len(largest.vectors.all_rows[0]), parameters)
        and largest.manifest.parameters.m == parameters.m
    )


def _next_name(home: Path) -> str:
    """A name that no segment in `home` has, nor any before the newest."""
    numbers = [int(path.name.removeprefix(_SEGMENT)) for path in home.glob(f"{_SEGMENT}*")]
    return f"{_SEGMENT}{max(numbers, default=0) + 1:09d}"


def remove_unused(home: Path, used: set[str]) -> None:
    """Remove the segments that nobody names any more, and what an interrupted writer left."""
    for path in home.glob("*"):
        if path.name not in used:
            shutil.rmtree(path, ignore_errors=True)
