"""`python -m index_service`: one index process, told by `TRIREME_*` variables (`index_service.settings`)."""

import os
import sys

from index_service.server import IndexServer, load_space
from index_service.settings import IndexSettings
from runtime.process import run_main, stop_event_on_signals
from runtime.settings import load_settings
from runtime.telemetry import Metrics, configure_logging
from runtime.tracing import configure_tracing

# The searching thread shall not wait Python's default 5 ms for a busy updating thread.
_SWITCH_INTERVAL_S = 0.0005


def main() -> None:
    """Start, serve until a signal, save, end."""
    settings = load_settings(IndexSettings, os.environ)
    configure_logging(settings.process, settings.log_level, json=settings.log_json)
    configure_tracing(settings.process, settings.trace_dir, settings.trace_share, settings.otlp_endpoint)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    server = IndexServer(settings, load_space(settings.model_repository, settings.space_id), Metrics())
    if not server.run(stop_event_on_signals()):
        sys.exit(1)


if __name__ == "__main__":
    run_main(main)
