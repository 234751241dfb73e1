"""The time, for due times and display. Nothing orders documents by it."""

import time


def now_ms() -> int:
    """Unix time in ms."""
    return int(time.time() * 1000)
