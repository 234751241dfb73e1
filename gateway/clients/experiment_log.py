"""Experiments as the log has them: follows both topics in a thread of its own, tells events, ends what has to end.

No search waits for any of it. What running experiments there are is one attribute to be read; an event is handed
to Kafka's client, or dropped and counted when that is full.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

from contracts.codec import Message
from contracts.errors import Conflict, DeadlineExceeded, DependencyDown, TriremeError
from contracts.experiment_events import ExperimentEvent
from contracts.experiment_life import ended
from contracts.experiments import Experiment, record_key
from contracts.metrics import EXPERIMENT_EVENTS_TOLD, EXPERIMENT_ROLLBACKS, EXPERIMENT_RUNNING
from contracts.topics import EXPERIMENT_EVENTS, EXPERIMENTS
from gateway.clients.experiment_reader import ExperimentReader
from gateway.core.clock import Clock
from gateway.core.experiment_book import ExperimentBook
from runtime.kafka_producer import Sent
from runtime.telemetry import Metrics, get_logger

_WRITE_TIMEOUT_S = 5.0
_BY = "guardrails"
_log = get_logger(__name__)

T = TypeVar("T")


class Producer(Protocol):
    """Sends records; `runtime.kafka_producer.KafkaProducer` does."""

    def send(self, topic: str, message: Message, *, key: str | None = None) -> "Future[Sent]":
        """Queue a message. Raises Overloaded, DependencyDown."""
        ...


# What is told at the end of a unit's window needs some time through the log: gateways that settle by their clocks
# before it is read would count less than those that read it later.
_UNDER_WAY_MS = 2000


class ExperimentLog:
    """What all gateways know of experiments, and the way to tell them. Safe to use from several threads.

    Args:
        new_nonce: makes keys of records unlike each other.
    """

    def __init__(
        self, bootstrap: str, client_id: str, producer: Producer, metrics: Metrics, clock: Clock,
        *, new_nonce: Callable[[], str],
    ) -> None:  # fmt: skip
        self._reader = ExperimentReader(bootstrap, client_id, take=self._take, renew=self._renew)
        self._producer = producer
        self._clock = clock
        self._new_nonce = new_nonce
        self._told = metrics.counter(EXPERIMENT_EVENTS_TOLD)
        self._running = metrics.gauge(EXPERIMENT_RUNNING)
        self._rollbacks = metrics.counter(EXPERIMENT_ROLLBACKS)
        self._book = ExperimentBook()
        self._changed = threading.Condition()
        self._unheard_since_s: float | None = None
        self._suspended: frozenset[str] = frozenset()
        self._ending: dict[tuple[str, int], Future[Sent]] = {}
        self._offered: tuple[Experiment, ...] = ()

    def start(self) -> None:
        """Begin to follow the log."""
        self._reader.start()

    def stop(self) -> None:
        """End the thread, within the time of one call to Kafka."""
        self._reader.stop()

    def offered(self) -> Sequence[Experiment]:
        """Running experiments, and drafts for those who ask for them. Waits for nothing."""
        return self._offered

    def tell(self, event: ExperimentEvent) -> None:
        """Hand an event to Kafka's client; returns at once and never raises."""
        if self._unheard_since_s is None:
            self._unheard_since_s = self._clock.monotonic_s()
        try:
            future = self._producer.send(EXPERIMENT_EVENTS, event, key=event.unit)
        except TriremeError:
            self._told.labels("dropped").inc()
        else:
            future.add_done_callback(self._count_told)

    def look(self, ask: Callable[[ExperimentBook, bool], T]) -> T:
        """What `ask` gives of the book and whether all of the log has been read. Call it off the event loop."""
        with self._changed:
            return ask(self._book, self._reader.caught_up)

    def write(self, decide: Callable[[ExperimentBook], Experiment]) -> None:
        """Put the version that `decide` gives into the log, and wait until it counts. Call it off the event loop.

        Raises:
            Conflict: somebody else wrote the same version before. DependencyDown, DeadlineExceeded: Kafka is away.
            whatever `decide` raises.
        """
        if not self._reader.caught_up:
            raise DependencyDown("kafka", "The log of experiments has not been read yet. Try again in a moment.")
        with self._changed:
            record = decide(self._book)
        self._acknowledged(self._publish(record))
        deadline = time.monotonic() + _WRITE_TIMEOUT_S
        with self._changed:
            while len(self._book.history(record.name)) < record.version:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise DeadlineExceeded("The log took the change, but has not told it back in time.")
            if self._book.history(record.name)[record.version - 1] != record:
                raise Conflict(f"Somebody else changed the experiment '{record.name}' at the same moment.")

    def _acknowledged(self, sent: "Future[Sent]") -> None:
        try:
            sent.result(timeout=_WRITE_TIMEOUT_S)
        except TimeoutError as exc:
            raise DeadlineExceeded("Kafka did not take the change in time. It may still do so.") from exc

    def _publish(self, record: Experiment) -> "Future[Sent]":
        return self._producer.send(EXPERIMENTS, record, key=record_key(record, self._new_nonce()))

    def _take(self, records: Sequence[Experiment | ExperimentEvent]) -> None:
        """Called by the reader's thread with what is new, also when that is nothing."""
        with self._changed:
            for record in records:
                if isinstance(record, Experiment):
                    _log.info("experiment_changed", name=record.name, version=record.version, state=record.state)
                    self._book.define(record)
                else:
                    self._book.count(record)
                    self._unheard_since_s = None
            if self._reader.caught_up:
                self._book.settle(self._clock.unix_ms() - _UNDER_WAY_MS)
                self._end_violations()
            self._offered = tuple(one for one in self._book.offered if one.name not in self._suspended)
            self._running.set(sum(one.state == "running" for one in self._offered))
            self._changed.notify_all()

    def _renew(self) -> None:
        """The log is another one: begin anew."""
        with self._changed:
            self._book = ExperimentBook()
            self._unheard_since_s = None

    def _end_violations(self) -> None:
        violations = {experiment.name: (experiment, why) for experiment, why in self._book.violations()}
        since_s = self._unheard_since_s
        for experiment in self._book.offered:
            silent_s = 0.0 if since_s is None else self._clock.monotonic_s() - since_s
            if experiment.state == "running" and experiment.guardrails and silent_s > experiment.patience_s:
                why = f"For {silent_s:.0f} s no numbers came back from the log: guardrails cannot be watched."
                violations.setdefault(experiment.name, (experiment, why))
        # Here it ends at once; for the others when the log has it.
        self._suspended = frozenset(violations)
        for experiment, why in violations.values():
            self._roll_back(experiment, why)

    def _roll_back(self, experiment: Experiment, why: str) -> None:
        place = (experiment.name, experiment.version)
        under_way = self._ending.get(place)
        if under_way is not None and (not under_way.done() or under_way.exception() is None):
            return
        record = ended(experiment, "rolled_back", by=_BY, at_ms=self._clock.unix_ms(), why=why)
        try:
            self._ending[place] = self._publish(record)
        except TriremeError as exc:
            _log.warning("rollback_not_told", name=experiment.name, reason=exc.message)
            return
        _log.warning("experiment_rolled_back", name=experiment.name, why=why)
        self._rollbacks.labels(experiment.name).inc()

    def _count_told(self, future: "Future[Sent]") -> None:
        self._told.labels("told" if future.exception() is None else "lost").inc()
