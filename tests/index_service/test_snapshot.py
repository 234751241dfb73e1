"""Snapshots: what is written comes back; whatever happens to the files, a damaged one is never believed."""

import os
from dataclasses import replace

import numpy as np
import pytest

from contracts.errors import BadMessage
from index_service.parts import Parts
from index_service.shard import Shard
from index_service.snapshot import LogPosition, newest_snapshot, read_snapshot, snapshots, write_snapshot
from tests.index_service.building import SPEC, doc, item_set, put, query, query_vector, removal


def shard_with(n_documents, *, seed=41):
    rng = np.random.default_rng(seed)
    shard = Shard(SPEC)
    for i in range(n_documents):
        put(shard, item_set(rng, doc(i), 1))
    return shard


def write(directory, shard, next_offset):
    position = LogPosition("cluster/topic", next_offset)
    return write_snapshot(directory, SPEC, shard.parts(), position, created_ms=0)


def answers(shard):
    rng = np.random.default_rng(42)
    return shard.search([query(query_vector(rng), 50) for _ in range(3)])


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x40
    path.write_bytes(data)


def test_contents_and_position_come_back(tmp_path):
    shard = shard_with(10)
    put(shard, item_set(np.random.default_rng(0), doc(3), 2))
    shard.apply(removal(doc(4), 2), None)
    path = write(tmp_path, shard, 17)

    loaded = read_snapshot(path, SPEC)

    assert loaded.position == LogPosition("cluster/topic", 17)
    assert answers(loaded.shard) == answers(shard)
    assert loaded.shard.delta.n_slots == loaded.shard.n_items
    assert loaded.shard.precedence(removal(doc(4), 2)) == "duplicate"


def test_empty_shard_has_a_snapshot_too(tmp_path):
    loaded = read_snapshot(write(tmp_path, Shard(SPEC), 0), SPEC)
    assert (loaded.shard.n_items, loaded.position.next_offset) == (0, 0)


def test_newest_two_are_kept_and_numbered_on(tmp_path):
    shard = shard_with(1)
    for offset in range(5):
        write(tmp_path, shard, offset)
    kept = snapshots(tmp_path)
    assert [read_snapshot(path, SPEC).position.next_offset for path in kept] == [3, 4]


FILES = ("manifest.json", "documents.bin", "vectors.bin")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0.0, 0.3, 0.6, 0.99])
def test_one_flipped_bit_anywhere_makes_the_older_one_be_used(tmp_path, name, where):
    write(tmp_path, shard_with(3), 3)
    newest = write(tmp_path, shard_with(6), 6)
    flip(newest / name, int(where * (newest / name).stat().st_size))

    loaded = newest_snapshot(tmp_path, SPEC)

    assert loaded.position.next_offset == 3
    assert answers(loaded.shard) == answers(shard_with(3))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("fault", ["missing", "empty", "cut", "longer"])
def test_torn_files_make_the_older_one_be_used(tmp_path, name, fault):
    write(tmp_path, shard_with(3), 3)
    path = write(tmp_path, shard_with(6), 6) / name
    if fault == "missing":
        path.unlink()
    elif fault == "empty":
        path.write_bytes(b"")
    elif fault == "cut":
        os.truncate(path, path.stat().st_size - 5)
    else:
        path.write_bytes(path.read_bytes() + b"\0")
    loaded = newest_snapshot(tmp_path, SPEC)
    assert loaded.position.next_offset == 3


def test_every_single_byte_of_the_manifest_is_guarded(tmp_path):
    path = write(tmp_path, shard_with(1), 1)
    whole = (path / "manifest.json").read_bytes()
    for offset in range(len(whole)):
        flip(path / "manifest.json", offset)
        with pytest.raises(BadMessage):
            read_snapshot(path, SPEC)
        (path / "manifest.json").write_bytes(whole)
    read_snapshot(path, SPEC)


def test_damaged_snapshot_does_not_count_as_one_of_the_kept_two(tmp_path):
    write(tmp_path, shard_with(1), 1)
    flip(write(tmp_path, shard_with(2), 2) / "vectors.bin", 0)
    newest_snapshot(tmp_path, SPEC)
    write(tmp_path, shard_with(3), 3)
    assert [read_snapshot(path, SPEC).position.next_offset for path in snapshots(tmp_path)] == [1, 3]


def test_unfinished_snapshot_is_ignored_and_cleared_away(tmp_path):
    write(tmp_path, shard_with(1), 1)
    (tmp_path / "tmp-000000000002").mkdir()
    (tmp_path / "tmp-000000000002" / "documents.bin").write_bytes(b"half of it")
    assert newest_snapshot(tmp_path, SPEC).position.next_offset == 1
    write(tmp_path, shard_with(2), 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000000001", "000000000002"]


def test_none_is_given_when_nothing_is_whole(tmp_path):
    assert newest_snapshot(tmp_path / "never-made", SPEC) is None
    flip(write(tmp_path, shard_with(1), 1) / "documents.bin", 3)
    assert newest_snapshot(tmp_path, SPEC) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(SPEC, generation="g2"),
        replace(SPEC, n_shards=3),
        replace(SPEC, shard=2, n_shards=3),
        replace(SPEC, space_id="space-b"),
        replace(SPEC, image_dim=SPEC.image_dim + 1),
    ],
)
def test_snapshot_of_something_else_is_refused(tmp_path, other):
    path = write(tmp_path, shard_with(1), 1)
    with pytest.raises(BadMessage):
        read_snapshot(path, other)


def test_failed_write_leaves_what_was_there(tmp_path):
    shard = shard_with(2)
    write(tmp_path, shard, 1)

    class Broken(Parts):
        def unsealed(self):
            yield from list(super().unsealed())[:1]
            raise OSError("the disk is full")

    parts = shard.parts()
    broken = Broken(parts.dim, parts.deltas, parts.sealed, parts.empty, parts.next_serial)

    with pytest.raises(OSError, match="disk is full"):
        write_snapshot(tmp_path, SPEC, broken, LogPosition("cluster/topic", 2), created_ms=0)
    assert [path.name for path in tmp_path.iterdir()] == ["000000000001"]
    assert newest_snapshot(tmp_path, SPEC).position.next_offset == 1
