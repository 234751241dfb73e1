"""The thread that answers searches: takes all waiting requests, has them answered, sends the replies.

Partition by hand, from the end, no commits: a request from before this process lived is of no use to anyone.
"""

import threading
import time
from dataclasses import replace

import confluent_kafka as ck

from contracts.errors import BadMessage, TriremeError
from contracts.metrics import INDEX_SEARCH_SECONDS, RECORDS
from contracts.search import SearchReply
from contracts.topics import SEARCH_REPLIES, SEARCH_REQUESTS
from index_service.answering import Answerer, Reply
from index_service.backoff import Backoff
from index_service.polling import poll_batch
from index_service.vectors import use_faiss_threads
from runtime.kafka import Record, assigned_consumer, log_bounds, to_record
from runtime.kafka_producer import KafkaProducer
from runtime.telemetry import Metrics, get_logger
from runtime.tracing import record, sibling_of

_LOG = get_logger(__name__)
_BATCH = 64
_POLL_S = 0.2
_START_TIMEOUT_S = 3.0


class Searcher:
    """Serves one partition of `search_req`.

    Args:
        group: replica group, and so the partition.
        producer: for replies (acks 1: a lost reply is a late shard, which the gateway can live with).
        faiss_threads: threads that a search may use.
    """

    def __init__(
        self,
        bootstrap: str,
        client_id: str,
        group: int,
        answerer: Answerer,
        producer: KafkaProducer,
        metrics: Metrics,
        *,
        faiss_threads: int,
    ) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._group = group
        self._answerer = answerer
        self._producer = producer
        self._seconds = metrics.histogram(INDEX_SEARCH_SECONDS)
        self._requests = metrics.counter(RECORDS)
        self._faiss_threads = faiss_threads
        self.listening = False

    def run(self, stop: threading.Event) -> None:
        """Answer until `stop` is set; whatever fails is tried again."""
        use_faiss_threads(self._faiss_threads)
        backoff = Backoff()
        while not stop.is_set():
            try:
                self._serve(stop)
            except TriremeError as exc:
                _LOG.warning("search_requests_unreachable", reason=exc.message)
            except Exception:  # noqa: BLE001 - the outermost loop of the thread
                _LOG.exception("search_loop_failed")
            went_well, self.listening = self.listening, False
            stop.wait(backoff.next_s(went_well=went_well))

    def _serve(self, stop: threading.Event) -> None:
        consumer = assigned_consumer(self._bootstrap, f"{self._client_id}-search")
        try:
            bounds = log_bounds(consumer, SEARCH_REQUESTS, [self._group], _START_TIMEOUT_S)
            _, end = bounds[self._group]
            consumer.assign([ck.TopicPartition(SEARCH_REQUESTS, self._group, end)])
            self.listening = True
            _LOG.info("search_requests_followed", partition=self._group, offset=end)
            while not stop.is_set():
                messages = poll_batch(consumer, _BATCH, _POLL_S)
                records = [record for message in messages if (record := to_record(message)) is not None]
                if records:
                    self._answer(records)
        finally:
            consumer.close()

    def _answer(self, records: list[Record]) -> None:
        replies, tally = self._answerer.answer(records, int(time.time() * 1000))
        for asked in replies:
            # Several shards of this process may answer one request: each is a span of its own.
            reply = replace(asked, trace=sibling_of(asked.trace))
            self._send(reply)
            self._record(reply)
            if reply.message.outcome == "ok":
                self._seconds.labels(str(reply.message.shard)).observe(reply.message.search_ms / 1000)
        for outcome, n in (
            ("answered", tally.answered),
            ("refused", tally.refused),
            ("expired", tally.expired),
            ("elsewhere", tally.elsewhere),
            ("unreadable", tally.unreadable),
        ):
            if n:
                self._requests.labels("search", outcome).inc(n)

    def _record(self, reply: Reply) -> None:
        message = reply.message
        end_ns = time.time_ns()
        began_ns = end_ns - int((message.queue_ms + message.search_ms) * 1e6)
        record(
            f"search in shard {message.shard}",
            reply.trace,
            began_ns,
            end_ns,
            group=message.group,
            outcome=message.outcome,
        )

    def _send(self, reply: Reply) -> None:
        try:
            self._producer.send(SEARCH_REPLIES, reply.message, partition=reply.partition, trace=reply.trace)
        except BadMessage as exc:
            _LOG.error("search_reply_too_large", shard=reply.message.shard, reason=exc.message)
            self._producer.send(
                SEARCH_REPLIES, _without_hits(reply.message, exc), partition=reply.partition, trace=reply.trace
            )


def _without_hits(message: SearchReply, error: BadMessage) -> SearchReply:
    return SearchReply(
        tenant=message.tenant,
        correlation_id=message.correlation_id,
        shard=message.shard,
        n_shards=message.n_shards,
        group=message.group,
        outcome="failed",
        generation=message.generation,
        reason=f"The reply cannot be sent: {error.message}",
    )
