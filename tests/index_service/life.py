"""A shard's whole life by seeded chance, beside a plain dictionary: updates, upkeep, snapshots, starts.

Parameters are so small that deltas are covered, sealed and merged all the time.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from contracts.errors import NotFound
from contracts.items import REVISION_EXPIRED, IndexUpdate, ItemSet
from index_service.bitmap import Bitmap
from index_service.hosted import HostedShard
from index_service.intake import take
from index_service.kinds.parameters import TRAINED_KINDS, IndexParameters, Kind
from index_service.kinds.searcher import train
from index_service.replay import load
from index_service.sealed import SealedSegment
from index_service.segment_files import segments_home
from index_service.shard import Shard
from index_service.snapshot import LogPosition, segments_named
from index_service.upkeep import Upkeep, remove_unused
from tests.index_service.building import SPEC, doc, inline, item_set, record, removal

LOG = "cluster/topic"
N_DOCUMENTS = 40
WEIGHTS = {"upsert": 0.35, "pair": 0.15, "delete": 0.12, "expire": 0.08, "duplicate": 0.15, "late": 0.15}
Logged = tuple[IndexUpdate, ItemSet | None]


def tiny(kind: Kind = "hnsw_fp16") -> IndexParameters:
    """Parameters by which some hundred items go through everything."""
    return IndexParameters(
        kind=kind,
        flat_below=48,
        m=4,
        ef_construction=20,
        ef_search=16,
        ef_growth=0.0,
        scan_below=8,
        n_lists=4,
        nprobe=2,
        train_rows=64,
        graph_from=64,
        tail_rows=64,
        seal_rows=96,
        max_segments=3,
        max_dead_share=0.3,
    )


def train_here(kind: Kind, vectors: np.ndarray) -> object:
    """Trained indexes without an object store."""
    assert kind in TRAINED_KINDS
    parameters = tiny(kind)
    return train(kind, vectors.astype(np.float32), parameters) if len(vectors) >= parameters.train_rows else None


class Model:
    """What the rules say: per document the highest (version, revision) and its items, None when removed."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[tuple[int, int], ItemSet | None]] = {}

    def apply(self, update: IndexUpdate, items: ItemSet | None) -> None:
        order = (update.version, update.revision)
        known = self.documents.get(update.doc_id)
        if known is None or order > known[0]:
            self.documents[update.doc_id] = (order, items)

    def visible(self) -> list[ItemSet]:
        return [items for _, items in self.documents.values() if items is not None]


class History:
    """Makes the log: mostly news, some duplicates, late and one-sided updates, removals and re-insertions."""

    def __init__(self, rng: np.random.Generator, n_documents: int = N_DOCUMENTS) -> None:
        self.rng = rng
        self.log: list[Logged] = []
        self.versions = [0] * n_documents

    def step(self) -> None:
        number = int(self.rng.integers(len(self.versions)))
        kind = self.rng.choice(list(WEIGHTS), p=list(WEIGHTS.values()))
        if kind in {"duplicate", "late"} and self.log:
            # "late" reaches back further than a duplicate that a producer sends again.
            back = len(self.log) if kind == "late" else min(len(self.log), 5)
            self.log.append(self.log[-int(self.rng.integers(1, back + 1))])
            return
        if kind == "expire" and self.versions[number]:
            self.log.append((removal(doc(number), self.versions[number], REVISION_EXPIRED, op="expire"), None))
            return
        self.versions[number] += int(self.rng.integers(1, 4))
        version = self.versions[number]
        if kind == "delete":
            self.log.append((removal(doc(number), version), None))
        elif kind == "pair":
            self.upsert(number, version, 0)
            self.upsert(number, version, 1)
        else:
            self.upsert(number, version, 1)

    def upsert(self, number: int, version: int, revision: int) -> None:
        items = item_set(
            self.rng,
            doc(number),
            version,
            revision,
            n_text=int(self.rng.integers(4)),
            n_pictures=int(self.rng.integers(3)) if revision else 0,
        )
        self.log.append((inline(items), items))


class InterruptedUpkeep(Upkeep):
    """Upkeep during which something happens between the reading of a segment's sources and its swap."""

    def __init__(self, shard: Shard, home: Path, meanwhile: Callable[[], None]) -> None:
        super().__init__(shard, home, train_here)
        self._meanwhile = meanwhile

    def _open(self, directory: Path, live: Bitmap | None) -> SealedSegment:
        segment = super()._open(directory, live)
        self._meanwhile()
        return segment


def no_claims(key: str) -> bytes:
    raise NotFound(f"no claims in this history: {key}")


def open_shard(directory: Path, parameters: IndexParameters | None = None) -> HostedShard:
    """A process start: the newest snapshot, or an empty shard at the log's beginning."""
    hosted = HostedShard(SPEC, directory, Shard(SPEC, parameters or tiny()))
    load(hosted)
    if hosted.position is None:
        hosted.position = LogPosition(LOG, 0)
    return hosted


def follow(hosted: HostedShard, log: list[Logged], model: Model | None = None) -> None:
    """Apply what the log has more."""
    assert hosted.position is not None
    for offset in range(hosted.position.next_offset, len(log)):
        update, items = log[offset]
        take(hosted, record(update, offset), no_claims, at_ms=0)
        if model is not None:
            model.apply(update, items)


def keep(hosted: HostedShard, meanwhile: Callable[[], None] = lambda: None) -> str | None:
    """One step of upkeep, and the clearing away of what nothing names."""
    home = segments_home(hosted.directory)
    done = InterruptedUpkeep(hosted.shard, home, meanwhile).step()
    with hosted.files:
        used = {segment.name for segment in hosted.shard.sealed} | segments_named(hosted.directory)
        remove_unused(home, used)
    return done
