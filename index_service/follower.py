"""The thread that follows `index_updates`: enters the log, applies records, writes snapshots, tells the world.

It is the only thread that changes the shards. Kafka or the object store being away never ends it.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import confluent_kafka as ck

from contracts.documents import DeadLetter
from contracts.errors import DependencyDown, TriremeError
from contracts.metrics import DEAD_LETTERS, INDEX_RECOVERY_SECONDS, INDEX_UPDATES
from contracts.touches import day_of
from index_service.access_file import save_access
from index_service.backoff import Backoff
from index_service.clock import now_ms
from index_service.errands import Errands
from index_service.gauges import ShardGauges
from index_service.hosted import HostedShard
from index_service.intake import settle_parked, take
from index_service.notices import Notice
from index_service.outbox import Outbox
from index_service.polling import poll_batch
from index_service.reading import live_ids
from index_service.replay import enter_log, load
from runtime.kafka import assigned_consumer, log_bounds, to_record
from runtime.object_store import ObjectStore
from runtime.telemetry import Metrics, get_logger, trace_of
from runtime.topics_admin import topic_identity
from runtime.tracing import record as record_span

_LOG = get_logger(__name__)
_BATCH = 256
_POLL_S = 0.2
_POLL_BETWEEN_ERRANDS_S = 0.005
_TEND_EVERY_S = 2.0
_KAFKA_TIMEOUT_S = 3.0
# How long a snapshot may wait for acknowledgements, while running and at the end of the process.
_DRAIN_S = 5.0
_LAST_DRAIN_S = 2.0
_SNAPSHOT_RETRY_S = 60.0
# A shard with anything new is saved so often, however few updates it got.
_SNAPSHOT_EVERY_S = 300.0
# Far shorter than touches stay in their log.
_SAVE_ACCESS_EVERY_S = 600.0


class Follower:
    """Keeps hosted shards in step with their partitions of one topic.

    Args:
        topic: `index_updates.<generation>`; partition = shard.
        errands: what other threads want done between two records.
        outbox: where status and dead letters go; None for a replica, which writes neither.
        snapshot_every_updates: updates after which a shard is saved.
    """

    def __init__(
        self,
        bootstrap: str,
        client_id: str,
        topic: str,
        hosted: Sequence[HostedShard],
        store: ObjectStore,
        outbox: Outbox | None,
        errands: Errands,
        metrics: Metrics,
        *,
        snapshot_every_updates: int,
    ) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._topic = topic
        self._hosted = {shard.spec.shard: shard for shard in hosted}
        self._store = store
        self._outbox = outbox
        self._errands = errands
        self._updates = metrics.counter(INDEX_UPDATES)
        self._dead_letters = metrics.counter(DEAD_LETTERS)
        self._gauges = ShardGauges(metrics)
        self._recovery_s = metrics.gauge(INDEX_RECOVERY_SECONDS)
        self._away_since: dict[int, float] = {}
        self._snapshot_every_updates = snapshot_every_updates
        self._tend_at = 0.0
        self._snapshot_at = 0.0
        self._saved_at: dict[int, float] = {}
        self._settled_day: dict[int, int] = {}
        self._access_at = 0.0
        self.reachable = False

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set, then save what is not saved."""
        self._away_since = dict.fromkeys(self._hosted, time.monotonic())
        for hosted in self._hosted.values():
            load(hosted)
        backoff = Backoff()
        while not stop.is_set():
            try:
                self._follow(stop)
            except TriremeError as exc:
                _LOG.warning("updates_unreachable", reason=exc.message)
            except Exception:  # noqa: BLE001 - the outermost loop of the thread
                _LOG.exception("update_loop_failed")
            went_well, self.reachable = self.reachable, False
            stop.wait(backoff.next_s(went_well=went_well))
        self._save_access()
        self._save(list(self._hosted.values()), _LAST_DRAIN_S)

    def _follow(self, stop: threading.Event) -> None:
        """Enter the log and follow it; raises when the log is lost from sight.

        Returns when `stop` is set, or when somebody wants a rebuild: that begins with entering the log anew.
        """
        consumer = assigned_consumer(self._bootstrap, f"{self._client_id}-updates", partition_eof=True)
        try:
            identity = topic_identity(self._bootstrap, self._topic, timeout_s=_KAFKA_TIMEOUT_S)
            bounds = log_bounds(consumer, self._topic, self._hosted, _KAFKA_TIMEOUT_S)
            places = []
            for number, hosted in self._hosted.items():
                self._tell(enter_log(hosted, self._store, identity, *bounds[number], at_ms=now_ms()), stop)
                if not hosted.caught_up:
                    self._away_since.setdefault(number, time.monotonic())
                self._note_recovery(hosted)
                assert hosted.position is not None
                places.append(ck.TopicPartition(self._topic, number, hosted.position.next_offset))
            consumer.assign(places)
            self.reachable = True
            _LOG.info("updates_followed", topic=self._topic, places={p.partition: p.offset for p in places})
            while not stop.is_set():
                if time.monotonic() >= self._tend_at:
                    self._tend(consumer, stop)
                self._errands.do_waiting()
                if any(hosted.rebuild_wanted for hosted in self._hosted.values()):
                    return
                wait_s = _POLL_BETWEEN_ERRANDS_S if self._errands.more_expected else _POLL_S
                for message in poll_batch(consumer, _BATCH, wait_s):
                    self._handle(message, stop)
                    if stop.is_set():
                        return
        finally:
            consumer.close()

    def _handle(self, message: Any, stop: threading.Event) -> None:
        error = message.error()
        hosted = self._hosted.get(message.partition())
        if error is not None and error.code() == ck.KafkaError._PARTITION_EOF and hosted is not None:
            hosted.reach(message.offset())
            self._note_recovery(hosted)
            return
        record = to_record(message)
        if record is None or hosted is None:
            return
        backoff, began_ns = Backoff(), time.time_ns()
        while not stop.is_set():
            try:
                taken = take(hosted, record, self._fetch, now_ms())
            except DependencyDown as exc:
                _LOG.warning("items_unreachable", shard=hosted.spec.shard, reason=exc.message)
                stop.wait(backoff.next_s())
                continue
            hosted.applied_ms = record.timestamp_ms
            self._updates.labels(str(hosted.spec.shard), taken.outcome).inc()
            self._note_recovery(hosted)
            self._tell(taken.notices, stop)
            name = f"update of shard {hosted.spec.shard}"
            record_span(name, trace_of(record.headers), began_ns, outcome=taken.outcome, key=record.key or "")
            return

    def _note_recovery(self, hosted: HostedShard) -> None:
        """Tell, once, how long a shard was away that serves now."""
        if hosted.caught_up and hosted.spec.shard in self._away_since:
            seconds = time.monotonic() - self._away_since.pop(hosted.spec.shard)
            self._recovery_s.labels(str(hosted.spec.shard)).set(seconds)
            _LOG.info(
                "shard_serves", shard=hosted.spec.shard, items=hosted.shard.n_items, seconds=round(seconds, 3)
            )

    def _tend(self, consumer: ck.Consumer, stop: threading.Event) -> None:
        """What is done every two seconds, whether records come or not."""
        self._tend_at = time.monotonic() + _TEND_EVERY_S
        # No answer raises: the log is entered anew, because it may be another one when it comes back.
        bounds = log_bounds(consumer, self._topic, self._hosted, _KAFKA_TIMEOUT_S)
        for number, hosted in self._hosted.items():
            hosted.see_log_end(bounds[number][1])
            self._tell(settle_parked(hosted, now_ms()), stop)
            self._settle_access(hosted)
            self._gauges.show(hosted, now_ms())
        if time.monotonic() >= self._access_at:
            self._save_access()
        if self._outbox is not None:
            self._outbox.tend()
        if time.monotonic() >= self._snapshot_at:
            due = [hosted for hosted in self._hosted.values() if self._is_due(hosted)]
            if due:
                self._save(due, _DRAIN_S)

    def _is_due(self, hosted: HostedShard) -> bool:
        if hosted.unsaved_updates >= self._snapshot_every_updates:
            return True
        if hosted.snapshots_wanted:
            return True
        saved_at = self._saved_at.setdefault(hosted.spec.shard, time.monotonic())
        return hosted.unsaved_updates > 0 and time.monotonic() >= saved_at + _SNAPSHOT_EVERY_S

    def _settle_access(self, hosted: HostedShard) -> None:
        """Once a day, give documents whose access is unknown the day of today. Replicas count no accesses."""
        today, settled = day_of(now_ms()), self._settled_day.get(hosted.spec.shard)
        if self._outbox is not None and hosted.caught_up and settled != today:
            hosted.access.settle(live_ids(hosted.shard), today, forget=settled is not None)
            self._settled_day[hosted.spec.shard] = today

    def _save_access(self) -> None:
        self._access_at = time.monotonic() + _SAVE_ACCESS_EVERY_S
        for hosted in self._hosted.values():
            try:
                save_access(hosted.directory, hosted.access)
            except OSError as exc:
                _LOG.error("access_not_saved", shard=hosted.spec.shard, reason=str(exc))

    def _tell(self, notices: list[Notice], stop: threading.Event) -> None:
        """Send notices; waits while too many are not acknowledged."""
        for notice in notices:
            if isinstance(notice.message, DeadLetter):
                self._dead_letters.labels("shard", notice.message.cause).inc()
            if self._outbox is None:
                continue
            self._outbox.put(notice)
            while self._outbox.full and not stop.is_set():
                self._outbox.drain(_POLL_S)

    def _save(self, due: list[HostedShard], drain_s: float) -> None:
        """Write snapshots, unless something that was produced is not acknowledged: then the records before
        it have to be read again, and the older snapshot stays in force.
        """
        if self._outbox is not None and not self._outbox.drain(drain_s):
            _LOG.warning("snapshot_postponed", unacknowledged=len(self._outbox))
            return
        for hosted in due:
            try:
                path = hosted.save(now_ms())
            except OSError as exc:
                self._snapshot_at = time.monotonic() + _SNAPSHOT_RETRY_S
                _LOG.error("snapshot_failed", shard=hosted.spec.shard, reason=str(exc))
            else:
                self._saved_at[hosted.spec.shard] = time.monotonic()
                if path is not None:
                    _LOG.info("snapshot_written", shard=hosted.spec.shard, items=hosted.shard.n_items)

    def _fetch(self, key: str) -> bytes:
        return asyncio.run(self._store.get(key))
