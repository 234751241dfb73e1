"""`python -m gateway`: the HTTP door as a process."""

import asyncio
import os
import threading

import uvicorn
import uvloop

from gateway.app import create_app, open_services
from gateway.settings import GatewaySettings
from runtime.process import run_main, stop_event_on_signals
from runtime.settings import load_settings
from runtime.telemetry import configure_logging

_SHUTDOWN_S = 5


async def serve(settings: GatewaySettings, stop: threading.Event) -> None:
    """Serve until a signal comes, then close what was opened."""
    async with open_services(settings) as services:
        config = uvicorn.Config(
            create_app(settings, services),
            host=settings.host,
            port=settings.port,
            http="httptools",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
        if not stop.is_set():
            await uvicorn.Server(config).serve()


def main() -> None:
    """Read the settings and serve."""
    settings = load_settings(GatewaySettings, os.environ)
    configure_logging(settings.process, settings.log_level, json=settings.log_json)
    # The server takes the signals while it runs and raises them again when it has stopped; with a handler of
    # ours in place they do not end the process before everything is closed.
    stop = stop_event_on_signals()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, stop))


if __name__ == "__main__":
    run_main(main)
