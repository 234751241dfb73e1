"""A batch's file and record: what enters the shard, what loses, and what is told."""

import hashlib

import msgspec
import numpy as np
import pytest

from contracts.batches import batch_update, read_batch, write_batch
from contracts.codec import encode
from contracts.documents import DeadLetter
from contracts.errors import BadMessage, DependencyDown, NotFound
from contracts.item_columns import FileHeader
from contracts.keys import batch_file_key
from index_service.hosted import HostedShard
from index_service.intake import settle_parked, take
from index_service.kinds.parameters import IndexParameters
from index_service.replay import load
from index_service.segment_files import segments_home
from index_service.shard import Shard
from index_service.snapshot import LogPosition
from index_service.upkeep import Upkeep
from runtime.kafka import Record
from tests.index_service.building import IMAGE_DIM, SPEC, TEXT_DIM, doc, inline, item_set, record, removal
from tests.index_service.life import train_here

HEADER = FileHeader(generation=SPEC.generation, space_id=SPEC.space_id, text_dim=TEXT_DIM, image_dim=IMAGE_DIM)
KEY = batch_file_key(SPEC.generation, "b1", 0)


@pytest.fixture
def rng():
    return np.random.default_rng(77)


@pytest.fixture
def hosted(tmp_path):
    return HostedShard(SPEC, tmp_path, Shard(SPEC), position=LogPosition("cluster/topic", 0))


def a_batch(documents):
    """The record of a batch, and the store that holds its file."""
    data = write_batch(documents, HEADER)
    return batch_update("b1", documents, data, KEY), {KEY: data}


def logged(update, offset):
    return Record(
        topic=f"index_updates.{SPEC.generation}",
        partition=SPEC.shard,
        offset=offset,
        key="b1",
        value=encode(update),
        headers={},
        timestamp_ms=0,
    )


def fetch_from(store):
    def fetch(key):
        if key not in store:
            raise NotFound("no such object")
        return store[key]

    return fetch


def held(shard):
    """Everything a shard shows, for comparing: order, payloads and vectors of each document."""
    return {
        stored.doc_id: (stored.version, stored.revision, stored.op, stored.payloads, rows.tobytes())
        for stored, rows in shard.documents()
    }


def test_a_batch_is_held_like_updates_one_by_one_and_lies_in_one_segment(hosted, rng):
    documents = [item_set(rng, doc(n), 10 + n, n_text=2, n_pictures=n % 2) for n in range(20)]
    update, store = a_batch(documents)
    taken = take(hosted, logged(update, 0), fetch_from(store), 5)
    one_by_one = Shard(SPEC)
    for document in documents:
        one_by_one.apply(inline(document), document)
    assert taken.outcome == "applied"
    assert held(hosted.shard) == held(one_by_one)
    assert [segment.manifest.n_documents for segment in hosted.shard.sealed] == [20]
    assert {(n.message.doc_id, n.message.version, n.message.state) for n in taken.notices} == {
        (d.doc_id, d.version, "done") for d in documents
    }


def test_newer_versions_and_deletes_win_over_a_batch_and_a_batch_over_older_ones(hosted, rng):
    take(hosted, record(inline(item_set(rng, doc(1), 50)), 0), fetch_from({}), 0)
    take(hosted, record(removal(doc(2), 50), 1), fetch_from({}), 0)
    take(hosted, record(inline(item_set(rng, doc(3), 5)), 2), fetch_from({}), 0)
    before = held(hosted.shard)
    documents = [item_set(rng, doc(n), 20) for n in range(1, 5)]
    update, store = a_batch(documents)
    taken = take(hosted, logged(update, 3), fetch_from(store), 0)
    after = held(hosted.shard)
    assert (after[doc(1)], after[doc(2)]) == (before[doc(1)], before[doc(2)])
    assert (after[doc(3)][0], after[doc(4)][0]) == (20, 20)
    assert hosted.shard.n_items == 9
    assert [n.message.state for n in taken.notices] == ["superseded", "superseded", "done", "done"]


def test_a_repeated_batch_changes_nothing_and_needs_no_file(hosted, rng):
    update, store = a_batch([item_set(rng, doc(n), 1) for n in range(5)])
    first = take(hosted, logged(update, 0), fetch_from(store), 0)
    before = held(hosted.shard)
    again = take(hosted, logged(update, 1), fetch_from({}), 0)
    assert again.outcome == "duplicate"
    assert held(hosted.shard) == before
    assert [n.key for n in again.notices] == [n.key for n in first.notices]


def test_a_snapshot_keeps_what_a_batch_brought_and_a_replay_brings_it_again(hosted, rng, tmp_path):
    update, store = a_batch([item_set(rng, doc(n), 1) for n in range(8)])
    take(hosted, logged(update, 0), fetch_from(store), 0)
    assert hosted.save(1) is not None
    take(hosted, record(inline(item_set(rng, doc(2), 9)), 1), fetch_from(store), 0)
    opened = HostedShard(SPEC, tmp_path, Shard(SPEC))
    load(opened)
    assert opened.position == LogPosition("cluster/topic", 1)
    assert opened.shard.n_documents == 8
    replayed = HostedShard(SPEC, tmp_path / "new", Shard(SPEC), position=LogPosition("cluster/topic", 0))
    take(replayed, logged(update, 0), fetch_from(store), 0)
    assert held(replayed.shard) == held(opened.shard)


def test_a_batch_whose_file_is_gone_fails_document_by_document_unless_something_newer_came(hosted, rng):
    update, _ = a_batch([item_set(rng, doc(n), 1) for n in range(3)])
    assert take(hosted, logged(update, 0), fetch_from({}), 0).outcome == "parked"
    take(hosted, record(removal(doc(1), 2), 1), fetch_from({}), 0)
    hosted.see_log_end(2)
    notices = settle_parked(hosted, 7)
    failed = {n.message.doc_id for n in notices if not isinstance(n.message, DeadLetter)}
    assert failed == {doc(0), doc(2)}
    assert {n.message.cause for n in notices} == {"items_missing"}
    assert all(n.message.payload == b"" for n in notices if isinstance(n.message, DeadLetter))


def test_a_store_that_is_away_changes_nothing(hosted, rng):
    update, _ = a_batch([item_set(rng, doc(1), 1)])

    def away(key):
        raise DependencyDown("object_store")

    with pytest.raises(DependencyDown):
        take(hosted, logged(update, 0), away, 0)
    assert (hosted.position.next_offset, hosted.shard.n_documents) == (0, 0)


def test_an_altered_file_is_not_believed(rng):
    documents = [item_set(rng, doc(1), 1)]
    update, store = a_batch(documents)
    with pytest.raises(BadMessage, match="SHA-256"):
        read_batch(update, store[KEY][:-1] + b"x")
    other = write_batch([item_set(rng, doc(2), 1)], HEADER)
    claim = msgspec.structs.replace(update.claim, sha256=hashlib.sha256(other).hexdigest(), size_bytes=len(other))
    with pytest.raises(BadMessage, match="other documents"):
        read_batch(msgspec.structs.replace(update, claim=claim), other)


def test_a_batch_with_vectors_of_another_width_is_refused_and_every_document_hears_it(hosted, rng):
    short = item_set(rng, doc(1), 1)
    cut = tuple(msgspec.structs.replace(item, vector=item.vector[:-2]) for item in short.items)
    narrow = msgspec.structs.replace(HEADER, image_dim=IMAGE_DIM - 1)
    documents = [msgspec.structs.replace(short, items=cut)]
    data = write_batch(documents, narrow)
    taken = take(hosted, logged(batch_update("b1", documents, data, KEY), 0), fetch_from({KEY: data}), 0)
    assert taken.outcome == "refused"
    assert [n.message.state for n in taken.notices if not isinstance(n.message, DeadLetter)] == ["failed"]
    assert (hosted.shard.n_documents, hosted.position.next_offset) == (0, 1)


def test_upkeep_gives_a_batch_the_graph_that_its_size_asks_for(tmp_path, rng):
    parameters = IndexParameters(flat_below=32, kind="hnsw_fp16", m=4, ef_construction=20)
    hosted = HostedShard(SPEC, tmp_path, Shard(SPEC, parameters), position=LogPosition("cluster/topic", 0))
    update, store = a_batch([item_set(rng, doc(n), 1) for n in range(20)])
    take(hosted, logged(update, 0), fetch_from(store), 0)
    before = held(hosted.shard)
    upkeep = Upkeep(hosted.shard, segments_home(tmp_path), train_here)
    assert [segment.manifest.kind for segment in hosted.shard.sealed] == ["flat"]
    assert (upkeep.step(), upkeep.step()) == ("merged", None)
    assert [segment.manifest.kind for segment in hosted.shard.sealed] == ["hnsw_fp16"]
    assert held(hosted.shard) == before
