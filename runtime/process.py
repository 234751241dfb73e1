"""What every entry point does the same way: stop on a signal, turn a configuration error into one clear line."""

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from contracts.errors import ConfigurationError


def stop_event_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set. Call it from the main thread."""
    stop = threading.Event()

    def on_signal(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop


def run_main(main: Callable[[], None]) -> None:
    """Run an entry point; a ConfigurationError ends the process with its sentence and exit status 2."""
    try:
        main()
    except ConfigurationError as exc:
        print(f"trireme: {exc.message}", file=sys.stderr)  # noqa: T201 - logging may not be set up yet
        sys.exit(2)
