"""A circuit breaker: after some failures in a row a dependency is left alone for a while, then tried once."""

from collections.abc import Callable
from typing import Literal

BreakerState = Literal["closed", "open", "half_open"]


class CircuitBreaker:
    """Closed lets calls pass; open refuses them; half open lets one pass and decides by its outcome.

    Not thread-safe: use it from one event loop or one thread.

    Args:
        name: the dependency's name, for metrics.
        failures: consecutive failures that open the breaker.
        reset_s: seconds after which an open breaker lets one call pass.
        clock: monotonic seconds.
    """

    def __init__(self, name: str, *, failures: int, reset_s: float, clock: Callable[[], float]) -> None:
        self.name = name
        self._limit = failures
        self._reset_s = reset_s
        self._clock = clock
        self._failed_in_a_row = 0
        self._opened_at: float | None = None
        self._probe_since: float | None = None

    @property
    def state(self) -> BreakerState:
        """Where the breaker stands now."""
        if self._opened_at is None:
            return "closed"
        return "half_open" if self._clock() - self._opened_at >= self._reset_s else "open"

    def allow(self) -> bool:
        """Whether a call may be made now. In the half-open state one caller per `reset_s` gets True."""
        state = self.state
        if state != "half_open":
            return state == "closed"
        now = self._clock()
        if self._probe_since is not None and now - self._probe_since < self._reset_s:
            return False
        self._probe_since = now
        return True

    def succeeded(self) -> None:
        """Tell that a call went well."""
        self._failed_in_a_row = 0
        self._opened_at = self._probe_since = None

    def failed(self) -> None:
        """Tell that a call failed or timed out."""
        self._failed_in_a_row += 1
        if self._opened_at is not None or self._failed_in_a_row >= self._limit:
            self._opened_at = self._clock()
            self._probe_since = None
