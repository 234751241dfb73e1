"""A worker process from start to stop: the one place where handlers, Kafka, the store and health come together."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ingest.clock import now_ms
from ingest.consuming import GroupSource
from ingest.group_lag import GroupLag
from ingest.lanes import Limits
from ingest.patience import Patience
from ingest.record_flow import RecordFlow
from ingest.settings import WorkerSettings
from ingest.work import Handler
from ingest.worker import Worker, lanes_of
from runtime.health import HealthServer
from runtime.kafka_producer import KafkaProducer
from runtime.log_epoch import read_log_epoch
from runtime.object_store import ObjectStore
from runtime.process import stop_event_on_signals
from runtime.settings import ProcessSettings, load_settings
from runtime.telemetry import Metrics, configure_logging, get_logger
from runtime.tracing import configure_tracing

_log = get_logger(__name__)

S = TypeVar("S", bound=ProcessSettings)


def start_process(kind: type[S], run: Callable[[S, threading.Event], Awaitable[None]]) -> None:
    """Read the settings, set up logs, and run until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: settings or files that the process cannot start with.
    """
    stop = stop_event_on_signals()
    settings = load_settings(kind, os.environ)
    configure_logging(settings.process, settings.log_level, json=settings.log_json)
    configure_tracing(settings.process, settings.trace_dir, settings.trace_share, settings.otlp_endpoint)

    async def main() -> None:
        await run(settings, stop)

    asyncio.run(main())


def patience(settings: WorkerSettings) -> Patience:
    """How long this process sits out short outages."""
    return Patience(budget_s=settings.patience_s)


async def run_worker(
    settings: WorkerSettings,
    group: str,
    handler: Handler,
    store: ObjectStore,
    stop: threading.Event,
    metrics: Metrics | None = None,
) -> None:
    """Run one member of a consumer group until `stop` is set.

    Args:
        metrics: those that the handler counts in, where it counts.

    Raises:
        ConfigurationError: the log epoch is not settled yet.
        BadMessage: records were removed from the log before this group has read them.
    """
    log_epoch = await read_log_epoch(store)
    metrics = metrics or Metrics()
    producer = KafkaProducer(settings.kafka_bootstrap, settings.process)
    flow = RecordFlow(
        handler,
        producer,
        metrics,
        worker=group,
        log_epoch=log_epoch,
        handle_timeout_s=settings.handle_timeout_s,
        now_ms=now_ms,
    )
    worker = Worker(
        handler.stage,
        GroupSource(
            settings.kafka_bootstrap,
            group,
            settings.process,
            lanes_of(handler.stage),
            GroupLag(metrics, group),
        ),
        flow.carry,
        limits=Limits(settings.concurrency, settings.waiting_records),
        shutdown_s=settings.shutdown_s,
        now_ms=now_ms,
    )
    health = HealthServer(settings.health_port, worker.readiness, metrics.registry, host=settings.health_host)
    health.start()
    _log.info("worker_started", group=group, log_epoch=log_epoch)
    try:
        await worker.run(stop)
    finally:
        health.stop()
        await asyncio.to_thread(producer.close)
        _log.info("worker_stopped", group=group)
