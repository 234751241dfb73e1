"""`python -m gateway`: the HTTP door as a process."""

import asyncio
import os
import threading
from collections.abc import Mapping

import uvicorn
import uvloop

from gateway.app import create_app, open_services
from gateway.services import Services
from gateway.settings import GatewaySettings
from runtime.health import HealthServer, Readiness
from runtime.process import run_main, stop_event_on_signals
from runtime.settings import load_settings
from runtime.telemetry import configure_logging
from runtime.tracing import configure_tracing

_SHUTDOWN_S = 5
_READY_WITHIN_S = 4.0


async def serve(settings: GatewaySettings, stop: threading.Event) -> None:
    """Serve until a signal comes, then close what was opened."""
    async with open_services(settings) as services:
        config = uvicorn.Config(
            create_app(settings, services),
            host=settings.host,
            port=settings.port,
            http="httptools",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
        health = HealthServer(
            settings.health_port, _readiness_of(services), services.metrics.registry, host=settings.health_host
        )
        health.start()
        try:
            if not stop.is_set():
                await uvicorn.Server(config).serve()
        finally:
            health.stop()


def _readiness_of(services: Services) -> Readiness:
    """The gateway's readiness for the thread of the health door."""
    loop = asyncio.get_running_loop()

    async def ask() -> tuple[bool, Mapping[str, object]]:
        readiness = await services.readiness()
        return readiness.ready, readiness.details

    def ready() -> tuple[bool, Mapping[str, object]]:
        asked = asyncio.run_coroutine_threadsafe(ask(), loop)
        try:
            return asked.result(_READY_WITHIN_S)
        except TimeoutError:
            asked.cancel()
            return False, {"reason": f"no answer within {_READY_WITHIN_S:.0f} s"}

    return ready


def main() -> None:
    """Read the settings and serve."""
    settings = load_settings(GatewaySettings, os.environ)
    configure_logging(settings.process, settings.log_level, json=settings.log_json)
    configure_tracing(settings.process, settings.trace_dir, settings.trace_share, settings.otlp_endpoint)
    # The server takes the signals while it runs and raises them again when it has stopped; with a handler of
    # ours in place they do not end the process before everything is closed.
    stop = stop_event_on_signals()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, stop))


if __name__ == "__main__":
    run_main(main)
