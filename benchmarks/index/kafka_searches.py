"""Searches sent through Kafka as a gateway sends them, with vectors of our own choice: all shards, merged."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import confluent_kafka as ck
import numpy as np
from numpy.typing import NDArray

from benchmarks.index.asked import K
from benchmarks.index.filled_shard import TENANT
from benchmarks.percentiles import percentile
from contracts.codec import decode, encode
from contracts.search import PRIMARY_GROUP, SearchReply, SearchRequest, ShardHit
from contracts.topics import REPLY_PARTITIONS, SEARCH_REPLIES, SEARCH_REQUESTS
from gateway.core.merge import merge, shard_k
from index_service.spec import ShardSpec
from runtime.kafka import assigned_consumer, log_bounds, to_record
from runtime.kafka_producer import KafkaProducer

# Gateways take the first partitions.
_PARTITION = REPLY_PARTITIONS - 1
_DEADLINE_S = 5.0
_POLL_S = 0.01


@dataclass(slots=True)
class _Waiting:
    number: int
    sent_s: float
    replies: list[SearchReply] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What came of some searches.

    Args:
        rows: row numbers of the merged hits, int64 [n, K], -1 where there are fewer.
        took_s: from sending until the last shard had answered, of complete answers.
        incomplete: searches that some shard did not answer in time.
        search_ms, compared: of each shard's answer.
    """

    rows: NDArray[np.int64]
    took_s: list[float]
    incomplete: int
    wall_s: float
    search_ms: list[float]
    compared: list[int]

    def per_s(self) -> float:
        """Complete answers a second."""
        return len(self.took_s) / self.wall_s

    def took_ms(self, share: float) -> float:
        """A percentile of the times, in milliseconds."""
        return 1000 * percentile(self.took_s, share)


class KafkaSearches:
    """One caller with several searches on their way at once. Close it."""

    def __init__(self, bootstrap: str, spec: ShardSpec) -> None:
        self._spec = spec
        self._producer = KafkaProducer(bootstrap, "bench-search", acks="1")
        self._consumer = assigned_consumer(bootstrap, "bench-replies", fetch_wait_ms=10)
        _, end = log_bounds(self._consumer, SEARCH_REPLIES, [_PARTITION], 10.0)[_PARTITION]
        self._consumer.assign([ck.TopicPartition(SEARCH_REPLIES, _PARTITION, end)])
        self._asked = 0

    def ask(self, queries: NDArray[np.float32], *, at_once: int) -> Answers:
        """Ask each query [n, dim] once, with so many on their way at any time."""
        rows = np.full((len(queries), K), -1, dtype=np.int64)
        answers = Answers(rows, [], 0, 0.0, [], [])
        waiting: dict[str, _Waiting] = {}
        number, incomplete, began = 0, 0, time.perf_counter()
        while number < len(queries) or waiting:
            while number < len(queries) and len(waiting) < at_once:
                waiting[self._send(queries[number])] = _Waiting(number, time.perf_counter())
                number += 1
            reply = self._next_reply()
            now = time.perf_counter()
            if reply is not None and reply.correlation_id in waiting:
                one = waiting[reply.correlation_id]
                one.replies.append(reply)
                if len(one.replies) == self._spec.n_shards:
                    del waiting[reply.correlation_id]
                    answers.took_s.append(now - one.sent_s)
                    answers.search_ms.extend(each.search_ms for each in one.replies)
                    answers.compared.extend(each.vectors_scanned for each in one.replies)
                    hits = merge([each.hits for each in one.replies], K)
                    rows[one.number, : len(hits)] = _row_numbers(hits)
            for late in [name for name, one in waiting.items() if now - one.sent_s > _DEADLINE_S]:
                del waiting[late]
                incomplete += 1
        return Answers(
            rows, answers.took_s, incomplete, time.perf_counter() - began, answers.search_ms, answers.compared
        )

    def close(self) -> None:
        """Close both clients."""
        self._producer.close()
        self._consumer.close()

    def _send(self, query: NDArray[np.float32]) -> str:
        self._asked += 1
        request = SearchRequest(
            tenant=TENANT,
            correlation_id=f"bench-{self._asked}",
            reply_partition=_PARTITION,
            deadline_ms=int((time.time() + _DEADLINE_S) * 1000),
            space_id=self._spec.space_id,
            generation=self._spec.generation,
            vector=query.astype("<f4").tobytes(),
            text_dim=self._spec.text_dim,
            k=shard_k(K),
        )
        self._producer.send_bytes(SEARCH_REQUESTS, encode(request), partition=PRIMARY_GROUP)
        return request.correlation_id

    def _next_reply(self) -> SearchReply | None:
        message = self._consumer.poll(_POLL_S)
        record = None if message is None else to_record(message)
        return None if record is None or not record.value else decode(SearchReply, record.value)


def _row_numbers(hits: list[ShardHit]) -> list[int]:
    return [int(hit.item_id) for hit in hits]
