"""What upkeep does and when; that answers stay the same; that damage is found and mended."""

from dataclasses import replace

import numpy as np
import pytest

from contracts.errors import BadMessage
from index_service.intake import take
from index_service.sealed import open_segment
from index_service.segment_files import segments_home
from index_service.shard import Shard
from index_service.snapshot import newest_snapshot
from index_service.upkeep import SegmentSize, Upkeep, plan_merge
from tests.index_service.building import SPEC, doc, inline, item_set, put, query, query_vector, record, removal
from tests.index_service.life import keep, no_claims, open_shard, tiny, train_here

PARAMETERS = tiny()


@pytest.fixture
def rng():
    return np.random.default_rng(31)


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        ([], ()),
        ([(100, 100), (100, 90), (100, 80)], ()),
        ([(100, 100), (100, 60)], (1,)),
        ([(100, 0)], (0,)),
        ([(1000, 1000), (10, 10), (10, 10), (10, 10)], (1, 2, 3)),
        ([(10, 10), (1000, 1000), (100, 100), (200, 200)], (0, 1, 2, 3)),
    ],
)
def test_the_plan_of_merging(sizes, chosen):
    assert plan_merge([SegmentSize(*size) for size in sizes], PARAMETERS) == chosen


def test_a_segment_with_a_damaged_index_is_written_anew_first():
    sizes = [SegmentSize(100, 100), SegmentSize(100, 100, index_damaged=True)]
    assert plan_merge(sizes, PARAMETERS) == (1,)


def answers(shard, *, exact=True):
    rng = np.random.default_rng(32)
    return [answer.hits for answer in shard.search([query(query_vector(rng), 30, exact=exact) for _ in range(5)])]


def test_answers_stay_the_same_through_covering_sealing_and_merging(tmp_path, rng):
    shard = Shard(SPEC, PARAMETERS)
    upkeep = Upkeep(shard, tmp_path, train_here)
    for i in range(200):
        put(shard, item_set(rng, doc(i), 1))
        upkeep.step()
    for i in range(0, 200, 2):
        shard.apply(removal(doc(i), 2), None)
    before = answers(shard)
    steps = []
    while done := upkeep.step():
        steps.append(done)
        assert answers(shard) == before
    assert "merged" in steps
    upkeep.seal_all()
    assert answers(shard) == before
    assert (len(shard.sealed), shard.delta.n_slots, shard.frozen) == (1, 0, ())
    assert shard.n_items == 3 * 100
    assert shard.precedence(removal(doc(0), 2)) == "duplicate"


def test_documents_are_read_alike_wherever_they_lie(tmp_path, rng):
    shard = Shard(SPEC, PARAMETERS)
    sets = [item_set(rng, doc(i), 1, n_text=i % 3, n_pictures=i % 2) for i in range(40)]
    for one in sets:
        put(shard, one)

    def everything():
        return {document.doc_id: (document, vectors.tobytes()) for document, vectors in shard.documents()}

    before = everything()
    Upkeep(shard, tmp_path, train_here).seal_all()
    assert everything() == before
    for one in sets:
        document, vectors = shard.document(one.doc_id)
        assert (document, vectors.tobytes()) == before[one.doc_id]
    assert shard.document(doc(999)) is None


def lived(directory, rng, *, n=120):
    """A shard with sealed segments and a snapshot, as a process leaves it."""
    hosted = open_shard(directory)
    for offset in range(n):
        take(hosted, record(inline(item_set(rng, doc(offset % 60), offset + 1)), offset), no_claims, at_ms=0)
        keep(hosted)
    hosted.save(now_ms=0)
    return hosted


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset % len(data)] ^= 0x10
    path.write_bytes(data)


def test_a_damaged_graph_is_scanned_around_and_written_anew(tmp_path, rng):
    before = answers(lived(tmp_path, rng).shard)
    graphs = list(segments_home(tmp_path).glob("*/graph.faiss"))
    assert graphs
    for graph in graphs:
        flip(graph, 1000)

    hosted = open_shard(tmp_path)

    assert answers(hosted.shard, exact=False) == answers(hosted.shard) == before
    assert any(segment.index_damaged for segment in hosted.shard.sealed)
    while keep(hosted):
        pass
    assert not any(segment.index_damaged for segment in hosted.shard.sealed)
    assert answers(hosted.shard) == before


@pytest.mark.parametrize("name", ["vectors.faiss", "payloads.bin", "heads.bin", "arrays.npz", "manifest.json"])
@pytest.mark.parametrize("fault", ["flipped", "cut", "missing"])
def test_damaged_contents_of_a_segment_are_never_believed(tmp_path, rng, name, fault):
    lived(tmp_path, rng)
    for path in segments_home(tmp_path).glob(f"*/{name}"):
        if fault == "flipped":
            flip(path, 77)
        elif fault == "cut":
            path.write_bytes(path.read_bytes()[:-1])
        else:
            path.unlink()
    assert newest_snapshot(tmp_path, SPEC, PARAMETERS) is None


def test_a_full_disk_changes_nothing_and_leaves_nothing(tmp_path, rng, monkeypatch):
    shard = Shard(SPEC, PARAMETERS)
    for i in range(40):
        put(shard, item_set(rng, doc(i), 1))
    before = answers(shard)

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("index_service.segment_files.write_sealed", full)
        with pytest.raises(OSError, match="No space"):
            Upkeep(shard, tmp_path, train_here).seal_all()
    assert answers(shard) == before
    assert list(tmp_path.iterdir()) == []
    assert len(shard.frozen) == 1

    Upkeep(shard, tmp_path, train_here).seal_all()
    assert answers(shard) == before
    assert len(shard.sealed) == 1


def test_another_space_is_refused(tmp_path, rng):
    shard = Shard(SPEC, PARAMETERS)
    put(shard, item_set(rng, doc(1), 1))
    Upkeep(shard, tmp_path, train_here).seal_all()
    with pytest.raises(BadMessage, match="another space"):
        open_segment(shard.sealed[0].directory, replace(SPEC, space_id="space-b"), PARAMETERS)
