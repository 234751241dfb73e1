"""What is gone leaves memory and disk in time: real files, searched for the sentence of a removed document."""

import msgspec
import numpy as np
import pytest

from index_service.forgetting import DELTA, DeadSince, dead_rows
from index_service.hosted import HostedShard
from index_service.intake import take
from index_service.snapshot import snapshots
from index_service.trained import TrainedIndexes
from index_service.upkeep_thread import UpkeepThread
from runtime.object_store import ObjectStore
from runtime.telemetry import Metrics
from tests.index_service.building import SPEC, doc, inline, item_set, record, removal
from tests.index_service.life import no_claims, open_shard, tiny

HOUR_MS = 3600 * 1000
FORGET_AFTER_MS = 12 * HOUR_MS
MARKER = "the zugzwang of quizzical walruses"
START_MS = 1_800_000_000_000


class Clock:
    """Time that tests move, in ms since 1970."""

    def __init__(self) -> None:
        self.ms = START_MS

    def __call__(self) -> int:
        return self.ms


class Kept:
    """A hosted shard with its upkeep and its snapshots, as a process has them, without threads."""

    def __init__(self, folder, clock: Clock) -> None:
        self.folder, self.clock = folder, clock
        self.rng = np.random.default_rng(7)
        self.open()

    def open(self) -> None:
        """A start of the process."""
        self.hosted: HostedShard = open_shard(self.folder / "shard-0", tiny("flat"))
        self.hosted.caught_up = True
        store = ObjectStore.from_url(f"file://{self.folder / 'objects'}")
        self.upkeep = UpkeepThread(
            [self.hosted],
            TrainedIndexes(store, SPEC, self.hosted.shard.parameters),
            f"file://{self.folder / 'objects'}",
            Metrics(),
            faiss_threads=1,
            forget_after_s=FORGET_AFTER_MS / 1000,
            now_ms=self.clock,
        )

    def add(self, number: int, text: str | None = None, version: int = 1) -> None:
        items = item_set(self.rng, doc(number), version)
        if text is not None:
            first = msgspec.structs.replace(items.items[0], text=text)
            items = msgspec.structs.replace(items, items=(first, *items.items[1:]))
        self.take(inline(items))

    def remove(self, number: int, version: int = 2) -> None:
        self.take(removal(doc(number), version))

    def take(self, update) -> None:
        offset = self.hosted.position.next_offset
        take(self.hosted, record(update, offset), no_claims, at_ms=0)

    def save(self) -> None:
        self.hosted.save(self.clock())

    def live(self, hours: float) -> None:
        """Let time pass; every ten minutes upkeep does what is due, and wanted snapshots are written."""
        for _ in range(int(hours * 6)):
            self.clock.ms += HOUR_MS // 6
            self.settle()

    def settle(self) -> None:
        for _ in range(20):
            busy = self.upkeep.tend(self.hosted)
            if self.hosted.snapshots_wanted:
                self.clock.ms += 1
                self.save()
            elif not busy and self.hosted.forget_asked_ms is None:
                return

    def on_disk(self) -> list[str]:
        """Files in which the marker or one of its words stands."""
        wanted = [MARKER.encode(), b"zugzwang", b"walruses"]
        files = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        return [
            str(path.relative_to(self.folder)) for path in files if any(w in path.read_bytes() for w in wanted)
        ]


@pytest.fixture
def kept(tmp_path) -> Kept:
    """A shard with a sealed segment and two snapshots, all of which hold the marker."""
    kept = Kept(tmp_path, Clock())
    for number in range(40):
        kept.add(number, MARKER if number == 7 else None)
    kept.settle()
    assert kept.hosted.shard.sealed
    kept.save()
    kept.add(100)
    kept.clock.ms += 1000
    kept.save()
    assert any("segments/" in path for path in kept.on_disk())
    return kept


def test_a_removed_document_leaves_segments_within_a_day_and_snapshots_within_two(kept: Kept) -> None:
    kept.remove(7)
    kept.save()
    kept.live(11)
    assert kept.on_disk() != []
    kept.live(13)
    segments = {segment.name for segment in kept.hosted.shard.sealed}
    assert not any(name in path for name in segments for path in kept.on_disk())
    kept.live(24)
    assert kept.on_disk() == []
    assert dead_rows(kept.hosted.shard) == {}


def test_a_replaced_version_leaves_as_a_removed_document_does(kept: Kept) -> None:
    kept.add(7, "Another text altogether.", version=2)
    kept.save()
    kept.live(48)
    assert kept.on_disk() == []


def test_a_document_that_never_left_the_delta_leaves_memory_and_snapshots(kept: Kept) -> None:
    kept.add(200, MARKER)
    kept.save()
    kept.remove(7)
    kept.remove(200)
    assert DELTA in dead_rows(kept.hosted.shard)
    kept.live(48)
    assert kept.on_disk() == []
    assert dead_rows(kept.hosted.shard) == {}


def test_restarts_do_not_make_it_live_longer(kept: Kept) -> None:
    kept.remove(7)
    kept.save()
    for _ in range(8):
        kept.live(6)
        kept.open()
    assert kept.on_disk() == []


def test_who_asks_has_it_gone_at_once(kept: Kept) -> None:
    kept.remove(7)
    kept.hosted.forget_asked_ms = kept.clock()
    kept.settle()
    assert (kept.hosted.forgets, kept.hosted.forget_asked_ms) == (1, None)
    assert kept.on_disk() == []


def test_what_is_not_gone_stays_found_and_a_restart_finds_it_too(kept: Kept) -> None:
    kept.remove(7)
    before = sorted(document.doc_id for document, _ in kept.hosted.shard.documents() if document.op == "upsert")
    kept.hosted.forget_asked_ms = kept.clock()
    kept.settle()
    kept.open()
    after = sorted(document.doc_id for document, _ in kept.hosted.shard.documents() if document.op == "upsert")
    assert after == before


def test_a_damaged_snapshot_that_was_set_aside_goes_too(kept: Kept) -> None:
    damaged = kept.hosted.directory / "damaged-000000000001"
    snapshots(kept.hosted.directory)[0].rename(damaged)
    kept.remove(7)
    kept.clock.ms = max(kept.clock.ms, int(damaged.stat().st_mtime * 1000) + 1)
    kept.hosted.forget_asked_ms = kept.clock()
    kept.settle()
    assert not damaged.exists()


def test_nothing_is_written_while_nothing_is_gone(kept: Kept) -> None:
    kept.settle()
    names = [path.name for path in snapshots(kept.hosted.directory)]
    newest = names[-1]
    kept.live(48)
    assert [path.name for path in snapshots(kept.hosted.directory)][-1] in (newest, f"{int(newest) + 1:012d}")


def test_a_segment_takes_over_the_age_of_the_delta_it_came_from(tmp_path) -> None:
    ages = DeadSince(tmp_path)
    ages.note({DELTA: 3}, START_MS)
    ages.note({"seg-000000001": 3}, START_MS + 5)
    assert ages.overdue(START_MS) == {"seg-000000001"}
    assert DeadSince(tmp_path).overdue(START_MS) == {"seg-000000001"}
    ages.note({}, START_MS + 6)
    assert ages.overdue(START_MS + 10) == frozenset()
