"""Time as an argument: flows ask this object, so that tests can let time pass as they like."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """The two times a gateway needs.

    Args:
        monotonic_s: seconds that only go forward, by the event loop's own clock; budgets are measured with it.
        unix_s: seconds since 1970; deadlines that other machines read, ages of cached answers, links.
    """

    monotonic_s: Callable[[], float]
    unix_s: Callable[[], float]

    def unix_ms(self) -> int:
        """Milliseconds since 1970."""
        return int(self.unix_s() * 1000)
