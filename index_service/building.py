"""Writes one segment out of documents or of other segments. Files in, files out: knows no shard and no thread."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index_service.bitmap import Bitmap, bitmap_of
from index_service.documents import DocumentHead
from index_service.kinds import searcher as kinds
from index_service.kinds.graph import Graph
from index_service.kinds.parameters import TRAINED_KINDS, IndexParameters, Kind, kind_for
from index_service.kinds.searcher import Searcher
from index_service.sealed import SealedSegment
from index_service.segment_files import write_segment
from index_service.spec import ShardSpec

# A graph is gone on with, dead rows and all, while it has no larger a share of dead slots than this.
EXTEND_DEAD_SHARE = 0.1

Train = Callable[[Kind, NDArray[np.float16]], Any]
"""The trained index of a kind, from the generation's store or trained on rows; None while there are too few."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A segment to be merged, with the live bits that were read when it was decided."""

    segment: SealedSegment
    live: Bitmap


def build_segment(
    home: Path,
    name: str,
    documents: Iterator[tuple[DocumentHead, list[bytes], NDArray[np.float16]]],
    spec: ShardSpec,
    parameters: IndexParameters,
    train: Train,
    base: Searcher | None = None,
) -> Path:
    """Write a segment of these documents with the index that its size asks for; returns its directory.

    Args:
        base: an index over the first rows, to go on from.

    Raises:
        OSError: the disk does not take it; nothing is left behind.
    """

    def build(vectors: NDArray[np.float16], directory: Path) -> tuple[Kind, list[str]]:
        kind = kind_for(len(vectors), spec.dim, parameters)
        trained = train(kind, vectors) if kind in TRAINED_KINDS else None
        if kind in TRAINED_KINDS and trained is None:
            kind = "hnsw_fp16"
        return kind, kinds.build(
            kind, vectors, directory, parameters, text_dim=spec.text_dim, trained=trained, base=base
        )

    return write_segment(home, name, documents, spec, parameters, build)


def merge_segments(
    home: Path, name: str, sources: Sequence[Source], spec: ShardSpec, parameters: IndexParameters, train: Train
) -> Path:
    """Write one segment of the live documents of some, in the order of `sources`; `merged_live` has its live bits.

    Raises:
        OSError: the disk does not take it; nothing is left behind.
    """
    first, rest = sources[0], sources[1:]
    added = chain.from_iterable(source.segment.documents(source.live) for source in rest)
    if _extends(sources, parameters):
        documents = chain(first.segment.documents(), added)
        return build_segment(home, name, documents, spec, parameters, train, first.segment.searcher)
    return build_segment(home, name, chain(first.segment.documents(first.live), added), spec, parameters, train)


def merged_live(sources: Sequence[Source], parameters: IndexParameters) -> Bitmap | None:
    """The live bits of what `merge_segments` writes; None where all its slots are alive."""
    if not _extends(sources, parameters):
        return None
    added = sum(source.live.count for source in sources[1:])
    return bitmap_of(np.concatenate([sources[0].live.bools(), np.ones(added, dtype=np.bool_)]))


def _extends(sources: Sequence[Source], parameters: IndexParameters) -> bool:
    """Whether the first segment's graph is gone on with: cheaper than a new one, and as good."""
    segment, live = sources[0].segment, sources[0].live
    n_live = sum(source.live.count for source in sources)
    return (
        isinstance(segment.searcher, Graph)
        and n_live > live.count
        and 1 - live.count / live.n_slots <= EXTEND_DEAD_SHARE
        and segment.manifest.kind == kind_for(n_live, segment.manifest.dim, parameters)
        and segment.manifest.parameters.m == parameters.m
    )
