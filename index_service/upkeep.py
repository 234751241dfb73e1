"""What keeps a shard quick while it is written to: the delta's graph, sealing, and merging of segments.

Everything is built beside and put in place in one step (`Shard.swap`); searches and updates go on meanwhile. The
plan is a pure function of sizes. Which thread does it, and when, is `upkeep_thread`'s.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from index_service.bitmap import Bitmap
from index_service.building import EXTEND_DEAD_SHARE, Source, Train, build_segment, merged_live
from index_service.forgetting import DELTA
from index_service.kinds.parameters import IndexParameters, kind_for
from index_service.merging import Merge, MergeHere
from index_service.parts import Part
from index_service.sealed import SealedSegment, open_segment
from index_service.shard import Shard
from runtime.telemetry import get_logger

_LOG = get_logger(__name__)
# Small segments are merged among themselves until they are this share of the largest together.
_JOIN_LARGEST_SHARE = 0.25
_SEGMENT = "seg-"


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

    A segment with too many dead slots, or whose index is damaged or missing, is written anew. Beyond
    `max_segments`, all but the largest are merged, or all together once those are a quarter of it: each row is
    then merged about log(n) times in its life.
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
        merge: who merges segments; None: the calling thread.
    """

    def __init__(self, shard: Shard, home: Path, train: Train, merge: Merge | None = None) -> None:
        self._shard = shard
        self._home = home
        self._train = train
        self._merge_files = merge or MergeHere(train)

    def step(self, overdue: frozenset[str] = frozenset()) -> Literal["covered", "sealed", "merged"] | None:
        """Do the most urgent thing, if anything is due, and say what it was.

        Args:
            overdue: parts that are written anew without their dead rows (`forgetting.DeadSince`).

        Raises:
            OSError: the disk does not take a segment; nothing was changed.
        """
        shard = self._shard
        if shard.frozen:
            self._seal(keep_dead=DELTA not in overdue)
            return "sealed"
        if shard.delta.n_slots >= shard.parameters.seal_rows or (DELTA in overdue and shard.delta.n_slots):
            shard.freeze()
            self._seal(keep_dead=DELTA not in overdue)
            return "sealed"
        uncovered = shard.uncovered()
        if uncovered is not None:
            delta, rows = uncovered
            shard.cover(delta, delta.graph_with(rows, shard.parameters))
            return "covered"
        segments = shard.sealed
        sizes = [
            SegmentSize(
                segment.n_slots, segment.live.n_live, segment.index_damaged or _lacks_index(segment, shard)
            )
            for segment in segments
        ]
        # One that is written anew alone leaves its dead rows behind; merged with others it may keep them.
        late = [
            number for number, size in enumerate(sizes) if segments[number].name in overdue and size.dead_share
        ]
        chosen = tuple(late[:1]) or plan_merge(sizes, shard.parameters)
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

    def _seal(self, *, keep_dead: bool = True) -> None:
        shard = self._shard
        delta = shard.frozen[0]
        captured = shard.capture(delta)
        live, segment = captured.live, None
        if live.count:
            whole = keep_dead and live.count >= (1 - EXTEND_DEAD_SHARE) * live.n_slots
            directory = build_segment(
                self._home,
                _next_name(self._home),
                captured.documents(dead=whole),
                shard.spec,
                shard.parameters,
                self._train,
                delta.graph if whole else None,
            )
            segment = self._open(directory, live if whole else None)
        shard.swap([(delta, live)], segment)
        _LOG.info("delta_sealed", shard=shard.spec.shard, items=captured.live.count)

    def _merge(self, segments: list[SealedSegment]) -> None:
        shard = self._shard
        # The largest first: its graph may be gone on with.
        segments = sorted(segments, key=lambda segment: segment.n_slots, reverse=True)
        sources = [Source(segment, shard.live_bits(segment)) for segment in segments]
        replaced: list[tuple[Part, Bitmap]] = [(source.segment, source.live) for source in sources]
        n_live = sum(source.live.count for source in sources)
        if not n_live:
            shard.swap(replaced, None)
            return
        directory = self._merge_files(self._home, _next_name(self._home), sources, shard.spec, shard.parameters)
        shard.swap(replaced, self._open(directory, merged_live(sources, shard.parameters)))
        _LOG.info("segments_merged", shard=shard.spec.shard, segments=len(segments), items=n_live)

    def _open(self, directory: Path, live: Bitmap | None) -> SealedSegment:
        """A segment that was written a moment ago."""
        return open_segment(directory, self._shard.spec, self._shard.parameters, live=live, check=False)


def _lacks_index(segment: SealedSegment, shard: Shard) -> bool:
    """Whether it was put there without the index that its size asks for, as a batch's is."""
    n_live = segment.live.n_live
    return segment.manifest.kind == "flat" and kind_for(n_live, shard.spec.dim, shard.parameters) != "flat"


def _next_name(home: Path) -> str:
    """A name that no segment in `home` has, nor any before the newest."""
    numbers = [int(path.name.removeprefix(_SEGMENT)) for path in home.glob(f"{_SEGMENT}*")]
    return f"{_SEGMENT}{max(numbers, default=0) + 1:09d}"


def remove_unused(home: Path, used: set[str]) -> None:
    """Remove the segments that nobody names any more, and what an interrupted writer left."""
    for path in home.glob("*"):
        if path.name not in used:
            shutil.rmtree(path, ignore_errors=True)
