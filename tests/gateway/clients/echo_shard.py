"""One shard on a real broker: answers every request of a replica group with a hit that names the request."""

import threading

import confluent_kafka as ck

from contracts.codec import decode
from contracts.search import SearchReply, SearchRequest, ShardHit
from contracts.topics import SEARCH_REPLIES, SEARCH_REQUESTS
from runtime.kafka import assigned_consumer, log_bounds, to_record
from runtime.kafka_producer import KafkaProducer
from runtime.telemetry import trace_of


class EchoShard:
    """Runs in a thread while used as a context manager."""

    def __init__(self, bootstrap: str, *, group: int, shard: int = 0, replies: int = 1) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._shard = shard
        self._replies = replies
        self._stop = threading.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "EchoShard":
        self._thread.start()
        assert self._listening.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        consumer = assigned_consumer(self._bootstrap, "echo")
        producer = KafkaProducer(self._bootstrap, "echo", acks="1")
        end = log_bounds(consumer, SEARCH_REQUESTS, [self._group], 10.0)[self._group][1]
        consumer.assign([ck.TopicPartition(SEARCH_REQUESTS, self._group, end)])
        self._listening.set()
        while not self._stop.is_set():
            message = consumer.poll(0.1)
            record = to_record(message) if message is not None and message.error() is None else None
            if record is None:
                continue
            request = decode(SearchRequest, record.value)
            for _ in range(self._replies):
                producer.send(
                    SEARCH_REPLIES,
                    self._reply(request),
                    partition=request.reply_partition,
                    trace=trace_of(record.headers),
                )
        consumer.close()
        producer.close()

    def _reply(self, request: SearchRequest) -> SearchReply:
        hit = ShardHit(
            doc_id=request.correlation_id,
            version=1,
            item_id="t0",
            kind="text",
            score=float(request.k),
            text_score=float(request.k),
            image_score=0.0,
            collection="default",
            source_key="echo",
            content_type="text/plain",
            text=f"group {self._group}",
            added_ms=0,
        )
        return SearchReply(
            tenant=request.tenant,
            correlation_id=request.correlation_id,
            shard=self._shard,
            n_shards=1,
            group=self._group,
            outcome="ok",
            hits=(hit,),
        )
