"""Segments merged by a process of its own are what the calling thread would have made of them."""

import numpy as np
import pytest

from index_service import merging
from index_service.merging import MergeInChild
from index_service.segment_files import read_segment_manifest
from index_service.shard import Shard
from index_service.upkeep import Upkeep
from tests.index_service.building import SPEC, doc, item_set, put, query, query_vector, removal
from tests.index_service.life import tiny, train_here


@pytest.fixture(autouse=True)
def _few_rows_are_enough(monkeypatch):
    monkeypatch.setattr(merging, "_LEAST_ROWS", 1)


def in_segments(directory, merge=None):
    """A shard with several segments, some of whose documents are dead."""
    rng = np.random.default_rng(51)
    shard = Shard(SPEC, tiny())
    upkeep = Upkeep(shard, directory, train_here, merge)
    for i in range(120):
        put(shard, item_set(rng, doc(i), 1))
        if i % 40 == 39:
            shard.freeze()
            upkeep._seal()
    for i in range(0, 120, 9):
        shard.apply(removal(doc(i), 2), None)
    return shard, upkeep


def in_child(tmp_path):
    return MergeInChild(train_here, f"file://{tmp_path / 'objects'}", faiss_threads=1)


def answers(shard, *, exact=True):
    rng = np.random.default_rng(52)
    return [answer.hits for answer in shard.search([query(query_vector(rng), 20, exact=exact) for _ in range(5)])]


def test_a_child_writes_the_segment_that_the_thread_would_have_written(tmp_path):
    here, keep_here = in_segments(tmp_path / "here")
    there, keep_there = in_segments(tmp_path / "there", in_child(tmp_path))
    before = answers(here)

    keep_here.seal_all()
    keep_there.seal_all()

    assert answers(here) == answers(there) == before
    assert answers(here, exact=False) == answers(there, exact=False)
    [one], [other] = here.sealed, there.sealed
    assert one.manifest.files["payloads.bin"] == other.manifest.files["payloads.bin"]
    assert one.manifest.files["vectors.faiss"] == other.manifest.files["vectors.faiss"]
    assert one.live.n_live == other.live.n_live == here.n_items


def test_a_child_that_fails_says_why_and_changes_nothing(tmp_path):
    shard, upkeep = in_segments(tmp_path, in_child(tmp_path))
    before, names = answers(shard), [segment.name for segment in shard.sealed]
    (tmp_path / names[1] / "vectors.faiss").unlink()

    with pytest.raises(OSError, match=names[1]):
        upkeep.seal_all()

    assert [segment.name for segment in shard.sealed] == names
    assert answers(shard) == before
    assert sorted(path.name for path in tmp_path.glob("*seg-*")) == sorted(names)


def test_a_child_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(merging, "_LEAST_TIMEOUT_S", 0.0)
    monkeypatch.setattr(merging, "_TIMEOUT_S_PER_ROW", 1e-6)
    shard, upkeep = in_segments(tmp_path, in_child(tmp_path))
    before = answers(shard)

    with pytest.raises(OSError, match="did not end"):
        upkeep.seal_all()

    assert answers(shard) == before


def test_a_child_knows_which_index_is_damaged(tmp_path):
    shard, upkeep = in_segments(tmp_path, in_child(tmp_path))
    before = answers(shard)
    damaged = shard.sealed[0]
    (damaged.directory / "graph.faiss").write_bytes(b"nothing of the kind")
    damaged.index_damaged, damaged.searcher = True, None

    while upkeep.step():
        pass

    assert answers(shard) == before
    for segment in shard.sealed:
        assert not segment.index_damaged
        read_segment_manifest(segment.directory)
