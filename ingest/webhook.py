"""Process: takes the events that an S3-compatible store sends by HTTP. `python -m ingest.webhook`."""

import asyncio
import threading

import uvicorn

from contracts.metrics import DOOR_EVENTS
from ingest.doors.object_events import Bucket, ObjectEvents
from ingest.doors.webhook import webhook_app
from ingest.service import start_process
from ingest.settings import WebhookSettings
from runtime.health import HealthServer
from runtime.kafka_producer import KafkaProducer
from runtime.log_epoch import read_log_epoch
from runtime.object_store import ObjectStore
from runtime.process import run_main
from runtime.publishing import DocumentPublisher
from runtime.telemetry import Metrics

_SHUTDOWN_S = 5
_KEPT_ALIVE_S = 60


async def run(settings: WebhookSettings, stop: threading.Event) -> None:
    """Serve until `stop` is set.

    Raises:
        ConfigurationError: the store is no bucket, or the log epoch is not settled yet.
    """
    bucket = Bucket(settings.object_store_url)
    store = ObjectStore.from_url(settings.object_store_url)
    metrics = Metrics()
    counter = metrics.counter(DOOR_EVENTS)
    log_epoch = await read_log_epoch(store)
    producer = KafkaProducer(settings.kafka_bootstrap, settings.process)
    events = ObjectEvents(
        bucket,
        store,
        DocumentPublisher(store, producer, log_epoch),
        lambda outcome: counter.labels(outcome).inc(),
        lane=settings.lane,
    )
    server = uvicorn.Server(
        uvicorn.Config(
            webhook_app(events, settings.token.get_secret_value()),
            host=settings.host,
            port=settings.port,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEPT_ALIVE_S,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
    )
    health = HealthServer(
        settings.health_port, lambda: (producer.reachable, {}), metrics.registry, host=settings.health_host
    )
    health.start()
    try:
        # The server takes the signals while it runs, and raises them again when it has stopped.
        if not stop.is_set():
            await server.serve()
    finally:
        health.stop()
        await asyncio.to_thread(producer.close)


if __name__ == "__main__":
    run_main(lambda: start_process(WebhookSettings, run))
