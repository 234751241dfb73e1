"""Queries to compare generations on: those that people asked a moment ago, else vectors of stored items.

People's queries are read from the log of searches, where they lie for about a minute anyway: nothing else keeps
what people ask.
"""

from __future__ import annotations

import time
from contextlib import closing

import confluent_kafka as ck
import msgspec
import numpy as np

from contracts.codec import decode
from contracts.errors import BadMessage, DependencyDown, NotFound
from contracts.generations import Generation
from contracts.ids import DEFAULT_TENANT
from contracts.items import ItemSet
from contracts.keys import item_prefix
from contracts.search import SearchRequest
from contracts.space import Space
from contracts.topics import REPLICA_GROUPS, SEARCH_REQUESTS
from runtime.kafka import assigned_consumer, log_bounds, to_record
from runtime.object_store import ObjectStore

_TIMEOUT_S = 10.0
_POLL_S = 0.2
# Records looked at for each query wanted: equal ones, probes and other spaces' are left out.
_LOOKED_AT = 4


def recorded_queries(kafka: str, space: Space, *, limit: int) -> list[SearchRequest]:
    """The latest different searches, newest last; fewer than `limit` where they repeat much. Blocks.

    Raises:
        DependencyDown: Kafka does not answer.
    """
    found: dict[bytes, SearchRequest] = {}
    with closing(assigned_consumer(kafka, "recorded-queries")) as consumer:
        bounds = log_bounds(consumer, SEARCH_REQUESTS, range(REPLICA_GROUPS), _TIMEOUT_S)
        for partition, (first, end) in bounds.items():
            # Of a busy minute the end is enough: to read all of it would slow those searches down that go on.
            for request in _read(consumer, partition, max(first, end - _LOOKED_AT * limit), end):
                if request.space_id == space.space_id and not _is_probe(request):
                    found[_sameness(request)] = request
    return list(found.values())[-limit:]


async def sampled_queries(
    store: ObjectStore, generation: Generation, space: Space, *, limit: int, k: int, seed: int = 0
) -> list[SearchRequest]:
    """Vectors of stored items of a generation, moved a little, as queries.

    Raises:
        DependencyDown: the store does not answer. BadMessage: stored items cannot be read.
    """
    keys = sorted([meta.key async for meta in store.list(item_prefix(generation.name))])
    draw = np.random.default_rng(seed)
    queries: list[SearchRequest] = []
    for key in draw.permutation(np.asarray(keys, dtype=object)):
        if len(queries) >= limit:
            break
        try:
            items = decode(ItemSet, await store.get(str(key))).items
        except NotFound:
            continue  # Replaced since the listing.
        if items:
            vector = np.frombuffer(items[int(draw.integers(len(items)))].vector, dtype="<f2").astype("<f4")
            moved = vector + draw.normal(scale=0.02, size=vector.shape).astype("<f4") * (vector != 0)
            queries.append(_query(generation, space, moved.astype("<f4").tobytes(), k))
    return queries


def _query(generation: Generation, space: Space, vector: bytes, k: int) -> SearchRequest:
    return SearchRequest(
        tenant=DEFAULT_TENANT,
        correlation_id="",
        reply_partition=0,
        deadline_ms=0,
        space_id=space.space_id,
        generation=generation.name,
        vector=vector,
        text_dim=space.text_dim,
        k=k,
    )


def _read(consumer: ck.Consumer, partition: int, first: int, end: int) -> list[SearchRequest]:
    requests: list[SearchRequest] = []
    consumer.assign([ck.TopicPartition(SEARCH_REQUESTS, partition, first)])
    deadline, next_offset = time.monotonic() + _TIMEOUT_S, first
    while next_offset < end:
        if time.monotonic() > deadline:
            raise DependencyDown("kafka")
        message = consumer.poll(_POLL_S)
        if message is None:
            continue
        record = to_record(message)
        if record is None:
            break
        next_offset = record.offset + 1
        try:
            requests.append(decode(SearchRequest, record.value))
        except BadMessage:
            continue  # Of another build; shards refuse it as well.
    return requests


def _is_probe(request: SearchRequest) -> bool:
    return request.exact or request.filter.doc_ids == ("",)


def _sameness(request: SearchRequest) -> bytes:
    same = msgspec.structs.replace(
        request, correlation_id="", reply_partition=0, deadline_ms=0, generation="", shards=None
    )
    return msgspec.msgpack.encode(same)
