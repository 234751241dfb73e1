"""Where a shard goes on in the log, and rebuilding it from the object store."""

import asyncio

import numpy as np
import pytest

from contracts.codec import encode
from contracts.keys import item_key
from contracts.status import StageEvent
from index_service.hosted import HostedShard
from index_service.replay import enter_log, load, plan_start
from index_service.shard import Shard
from index_service.snapshot import LogPosition
from runtime.object_store import ObjectStore
from tests.index_service.building import SPEC, doc, inline, item_set, put, query, query_vector, removal

LOG = "cluster/topic"


@pytest.mark.parametrize(
    ("position", "plan"),
    [
        (None, "rebuild"),
        (LogPosition(LOG, 4), "rebuild"),
        (LogPosition(LOG, 5), "resume"),
        (LogPosition(LOG, 9), "resume"),
        (LogPosition(LOG, 10), "rebuild"),
        (LogPosition("cluster/other-topic", 7), "rebuild"),
        (LogPosition("other-cluster/topic", 7), "rebuild"),
    ],
)
def test_shard_resumes_only_where_snapshot_and_log_join_up(position, plan):
    assert plan_start(position, LOG, first=5, end=9) == plan


def test_log_without_an_identity_is_never_trusted():
    assert plan_start(LogPosition("cluster/none", 7), "cluster/none", first=5, end=9) == "rebuild"


@pytest.fixture
def rng():
    return np.random.default_rng(61)


@pytest.fixture
def store(tmp_path):
    return ObjectStore.from_url(f"file://{tmp_path / 'objects'}")


@pytest.fixture
def hosted(tmp_path):
    return HostedShard(SPEC, tmp_path / "snapshots", Shard(SPEC))


async def keep(store, *documents):
    for document in documents:
        key = item_key(document.generation, document.doc_id, document.version, document.revision)
        await store.put(key, encode(document))


def enter(hosted, store, first, end, identity=LOG):
    return enter_log(hosted, store, identity, first, end, at_ms=0)


def visible(hosted):
    [answer] = hosted.shard.search([query(query_vector(np.random.default_rng(0)), 1000)])
    return {(hit.doc_id, hit.version) for hit in answer.hits}


def test_rebuild_takes_the_newest_items_of_each_document(hosted, store, rng):
    asyncio.run(
        keep(
            store,
            item_set(rng, doc(1), 1, 0),
            item_set(rng, doc(1), 1, 1),
            item_set(rng, doc(2), 9, 1),
            item_set(rng, doc(2), 10, 0),
        )
    )
    notices = enter(hosted, store, first=3, end=3)
    assert visible(hosted) == {(doc(1), 1), (doc(2), 10)}
    assert hosted.position == LogPosition(LOG, 3)
    assert hosted.caught_up
    told = {(n.message.doc_id, n.message.version, n.message.revision, n.message.state) for n in notices}
    assert told == {(doc(1), 1, 1, "done"), (doc(2), 10, 0, "done")}


def test_rebuild_leaves_out_what_it_cannot_use(hosted, store, rng):
    asyncio.run(keep(store, item_set(rng, doc(1), 1)))
    asyncio.run(store.put(item_key(SPEC.generation, doc(2), 1, 1), b"no items"))
    asyncio.run(store.put(f"items/{SPEC.generation}/{doc(3)}/not-a-version", b"?"))
    asyncio.run(store.put(item_key("another-generation", doc(4), 1, 1), b"?"))
    enter(hosted, store, first=0, end=0)
    assert visible(hosted) == {(doc(1), 1)}


def test_empty_store_and_log_give_an_empty_shard_that_serves(hosted, store):
    assert enter(hosted, store, first=0, end=0) == []
    assert (hosted.caught_up, hosted.shard.n_items, hosted.applied_offset) == (True, 0, None)


def test_shard_serves_only_after_the_end_of_the_log_that_it_saw_at_the_start(hosted, store):
    enter(hosted, store, first=0, end=2)
    hosted.advance(1)
    assert not hosted.caught_up
    hosted.advance(2)
    assert hosted.caught_up


def test_whole_snapshot_that_joins_up_needs_no_rebuild(hosted, store, rng):
    asyncio.run(keep(store, item_set(rng, doc(9), 1)))
    enter(hosted, store, first=0, end=0)
    hosted.shard = Shard(SPEC)
    put(hosted.shard, item_set(rng, doc(1), 1))
    hosted.advance(1)
    hosted.save(0)

    restarted = HostedShard(SPEC, hosted.directory, Shard(SPEC))
    load(restarted)
    notices = enter(restarted, store, first=0, end=5)

    assert (visible(restarted), notices) == ({(doc(1), 1)}, [])
    assert restarted.position.next_offset == 1


def test_gap_in_the_same_log_rebuilds_and_keeps_what_was_removed_removed(hosted, store, rng):
    asyncio.run(keep(store, item_set(rng, doc(1), 1), item_set(rng, doc(2), 1)))
    enter(hosted, store, first=0, end=0)
    hosted.shard.apply(removal(doc(1), 2), None)
    hosted.advance(1)

    notices = enter(hosted, store, first=50, end=60)

    assert visible(hosted) == {(doc(2), 1)}
    assert hosted.position == LogPosition(LOG, 50)
    assert not hosted.caught_up
    superseded = [n.message for n in notices if isinstance(n.message, StageEvent) and n.message.doc_id == doc(1)]
    assert [event.state for event in superseded] == ["superseded"]


def test_another_log_rebuilds_from_the_store_alone(hosted, store, rng):
    enter(hosted, store, first=0, end=0)
    put(hosted.shard, item_set(rng, doc(1), 1))
    hosted.shard.apply(removal(doc(2), 7), None)
    hosted.advance(2)
    asyncio.run(keep(store, item_set(rng, doc(2), 3)))

    enter(hosted, store, first=0, end=0, identity="cluster/new-topic")

    assert visible(hosted) == {(doc(2), 3)}
    assert hosted.position == LogPosition("cluster/new-topic", 0)


def test_updates_after_a_rebuild_are_ordered_by_version_as_ever(hosted, store, rng):
    asyncio.run(keep(store, item_set(rng, doc(1), 5)))
    enter(hosted, store, first=0, end=2)
    older = item_set(rng, doc(1), 4)
    assert hosted.shard.apply(inline(older), older).outcome == "late"
    assert hosted.shard.apply(removal(doc(1), 6), None).outcome == "applied"
    assert visible(hosted) == set()
