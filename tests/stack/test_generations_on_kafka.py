"""What comparing and ending a generation read from, and leave on, a real broker and store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from contracts.codec import encode
from contracts.generations import Generation
from contracts.ids import shard_of
from contracts.index_door import UnusedDocument
from contracts.items import Item, ItemSet
from contracts.keys import backfill_key, half_key, item_key, trained_index_key
from contracts.search import SearchRequest
from contracts.topics import SEARCH_REQUESTS, generation_topics, index_updates
from gateway.flows.ask_once import probe_request
from index_service.access import AccessDays
from ingest.backfill.checkpoint import set_paused
from runtime.kafka import assigned_consumer, log_bounds
from runtime.kafka_producer import KafkaProducer
from runtime.object_store import ObjectStore
from runtime.topics_admin import ensure_topics
from stack.generations.access_days import touches_of
from stack.generations.ending import clear_away
from stack.generations.recorded_queries import recorded_queries, sampled_queries
from tests.gateway.conftest import create_topics, kafka_server, wait_until_ready
from tests.ingest.samples import IMAGE_DIM, TEXT_DIM, space
from tests.stack.servers.conftest import started

SPACE = space()
DIM = TEXT_DIM + IMAGE_DIM


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = kafka_server(tmp_path_factory.mktemp("kafka"))
    with started(server.spec, server.log) as process:
        wait_until_ready(server, process)
        create_topics(server.address)
        yield server.address


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.from_url(f"file://{tmp_path}/objects")


def generation(name: str, n_shards: int = 3) -> Generation:
    return Generation(
        tenant="t", name=name, space_id=SPACE.space_id, n_shards=n_shards, state="retired", created_ms=1
    )


def query(seed: int, **changes: object) -> SearchRequest:
    request = SearchRequest(
        tenant="t",
        correlation_id=f"c-{seed}",
        reply_partition=seed,
        deadline_ms=seed,
        space_id=SPACE.space_id,
        generation="g",
        vector=np.random.default_rng(seed).normal(size=DIM).astype("<f4").tobytes(),
        text_dim=TEXT_DIM,
        k=10,
        words=f"question {seed}",
    )
    return msgspec.structs.replace(request, **changes)


def publish(broker: str, topic: str, *messages: SearchRequest | ItemSet) -> None:
    producer = KafkaProducer(broker, "test")
    for message in messages:
        producer.send(topic, message, partition=0).result(timeout=10)
    producer.close()


def items(doc_id: str, generation: str = "old", rows: int = 2) -> ItemSet:
    draw = np.random.default_rng(len(doc_id))
    vectors = draw.normal(size=(rows, DIM)).astype("<f2")
    vectors[:, TEXT_DIM:] = 0
    return ItemSet(
        tenant="t",
        doc_id=doc_id,
        version=1,
        revision=1,
        generation=generation,
        space_id=SPACE.space_id,
        collection="c",
        source_key=doc_id,
        content_type="text/plain",
        added_ms=1,
        items=tuple(
            Item(item_id=f"t{n}", kind="text", vector=vectors[n].tobytes(), text="words") for n in range(rows)
        ),
    )


@pytest.mark.integration
def test_searches_of_this_space_are_found_once_each_and_newest_last(broker: str) -> None:
    again = query(1, correlation_id="other", reply_partition=9, deadline_ms=77, generation="another", shards=(1,))
    probe = probe_request(generation("g"), SPACE)
    foreign = query(3, space_id="another")
    asked = [query(1), query(2), foreign, again, probe, query(4, exact=True), query(5), items("not-a-request")]
    publish(broker, SEARCH_REQUESTS, *asked)
    found = recorded_queries(broker, SPACE, limit=10)
    assert [request.words for request in found] == ["question 1", "question 2", "question 5"]
    # Of the same question the latest record stands for all.
    assert found[0].correlation_id == "other"
    assert [request.words for request in recorded_queries(broker, SPACE, limit=1)] == ["question 5"]
    assert recorded_queries(broker, space(name="b"), limit=10) == []


async def test_stored_items_make_queries_near_themselves_and_keep_an_absent_half_absent(
    store: ObjectStore,
) -> None:
    for n in range(6):
        one = items("d" * (n + 1))
        await store.put(item_key("old", one.doc_id, 1, 1), encode(one))
    await store.put(item_key("old", "without", 1, 1), encode(items("without", rows=0)))
    old = generation("old")
    found = await sampled_queries(store, old, SPACE, limit=4, k=3)
    assert [(request.k, request.generation, request.space_id) for request in found] == [
        (3, "old", SPACE.space_id)
    ] * 4
    stored = np.concatenate([np.frombuffer(i.vector, "<f2") for n in range(6) for i in items("d" * (n + 1)).items])
    for request in found:
        vector = np.frombuffer(request.vector, "<f4")
        assert not vector[TEXT_DIM:].any()
        assert np.linalg.norm(stored.reshape(-1, DIM) - vector, axis=1).min() < 0.2
    # As many as there are, and the same ones each time.
    assert len(await sampled_queries(store, old, SPACE, limit=50, k=3)) == 6
    assert await sampled_queries(store, old, SPACE, limit=4, k=3) == found
    assert await sampled_queries(store, generation("empty"), SPACE, limit=4, k=3) == []


@pytest.mark.integration
async def test_a_retired_generation_takes_its_objects_and_its_log_along_and_nothing_else(
    broker: str, store: ObjectStore
) -> None:
    gone, kept = generation("gone"), generation("kept")
    for one in (gone, kept):
        ensure_topics(broker, generation_topics(one.name, one.n_shards), timeout_s=60)
        await asyncio.to_thread(publish, broker, index_updates(one.name), items("d", one.name))
        await store.put(item_key(one.name, "d", 1, 1), b"items")
        await store.put(trained_index_key(one.name, SPACE.space_id, "ivf"), b"index")
        await store.put(backfill_key(one.name), b"{}")
        await set_paused(store, one.name, paused=True)
    await store.put(half_key(SPACE.space_id, "d", 1, "text"), b"half")
    assert await clear_away(store, broker, gone) == 2
    assert await clear_away(store, broker, gone) == 0
    left = {meta.key async for meta in store.list("")}
    assert left == {
        item_key("kept", "d", 1, 1),
        trained_index_key("kept", SPACE.space_id, "ivf"),
        backfill_key("kept"),
        "checkpoints/backfill/kept.paused",
        half_key(SPACE.space_id, "d", 1, "text"),
    }
    with closing(assigned_consumer(broker, "looking")) as consumer:
        ends = {one.name: log_bounds(consumer, index_updates(one.name), [0], 10.0)[0] for one in (gone, kept)}
    # Empty, and still there: an updater that has not heard yet can write.
    assert ends == {"gone": (1, 1), "kept": (0, 1)}


@pytest.mark.integration
async def test_the_halves_of_a_space_go_with_its_last_generation(broker: str, store: ObjectStore) -> None:
    last = generation("last")
    ensure_topics(broker, generation_topics(last.name, last.n_shards), timeout_s=60)
    await store.put(half_key(SPACE.space_id, "d", 1, "text"), b"half")
    await store.put(half_key("another", "d", 1, "text"), b"half")
    assert await clear_away(store, broker, last, last_of_its_space=True) == 1
    assert [meta.key async for meta in store.list("")] == [half_key("another", "d", 1, "text")]


def test_days_of_access_reach_the_shard_that_will_hold_the_document() -> None:
    def unused(number: int, day: int) -> UnusedDocument:
        return UnusedDocument(
            tenant="t",
            doc_id=f"d{number}",
            version=1,
            collection="c",
            source_key="s",
            content_type="text/plain",
            added_ms=1,
            accessed_day=day,
        )

    documents = [unused(number, day=20_000 + number % 3) for number in range(3000)]
    records = list(touches_of(documents, generation("new", 5)))
    told = {(doc_id, touches.day) for _, touches in records for doc_id in touches.doc_ids}
    assert told == {(one.doc_id, one.accessed_day) for one in documents}
    assert max(len(touches.doc_ids) for _, touches in records) <= 1000
    assert all(shard_of(doc_id, 5) == shard for shard, touches in records for doc_id in touches.doc_ids)
    assert list(touches_of([], generation("new", 5))) == []


def test_a_shard_that_is_told_old_days_before_its_documents_keeps_them() -> None:
    access = AccessDays()
    access.settle([], 20_100)
    access.count(["a"], 20_000, today=20_100, identity="log", next_offset=1)
    access.settle(["a", "b"], 20_100, forget=True)
    assert (access.day("a"), access.day("b")) == (20_000, 20_100)
