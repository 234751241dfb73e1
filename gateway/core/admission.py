"""How many searches go to the index at once: a limit that follows what the index can bear. Pure but for its state.

Additive increase, multiplicative decrease, as TCP does it (Chiu and Jain, 1989): searches that end in time while
the limit is in use let it grow by one a round; a slow one lets it shrink below as many as were under way with it.
A slow search on an idle gateway says nothing about load and changes nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from contracts.errors import DeadlineExceeded, Overloaded

_SHRINK = 0.8
_IN_USE = 0.5
_RETRY_AFTER_S = 1.0


class AdmissionRefused(Overloaded):
    """The limit is reached; nothing was begun."""


class AdaptiveLimit:
    """Lets searches in, or refuses them at once: who would wait until it is too late is told while it is early.

    Use it from one event loop.

    Args:
        least, most: the limit stays between them.
        slow_s: a search that took longer is a sign of overload.
        monotonic_s: the time.
    """

    def __init__(self, *, least: int, most: int, slow_s: float, monotonic_s: Callable[[], float]) -> None:
        self._least, self._most = min(least, most), most
        self._slow_s = slow_s
        self._monotonic_s = monotonic_s
        self._limit = float(most)
        self._under_way = 0
        self._shrunk_s = float("-inf")

    @property
    def limit(self) -> int:
        """Searches that are let in now."""
        return int(self._limit)

    @property
    def free(self) -> int:
        """Searches that could be let in beside those under way."""
        return max(0, self.limit - self._under_way)

    @contextmanager
    def admitted(self, since_s: float) -> Iterator[None]:
        """A search's time in the index.

        Args:
            since_s: monotonic time from which its slowness counts.

        Raises:
            AdmissionRefused: the limit is reached. Also whatever the block raises.
        """
        if self._under_way >= self.limit:
            raise AdmissionRefused("Too many searches are under way at the moment.", retry_after_s=_RETRY_AFTER_S)
        self._under_way += 1
        together, late = self._under_way, False
        try:
            yield
        except (DeadlineExceeded, Overloaded):
            late = True
            raise
        finally:
            self._under_way -= 1
            self._learn(together, late=late or self._monotonic_s() - since_s > self._slow_s)

    def _learn(self, together: int, *, late: bool) -> None:
        """Draw the lesson of a search that had `together` - 1 others beside it when it was let in."""
        if not late:
            if together >= self._limit * _IN_USE:
                self._limit = min(self._most, self._limit + 1 / self._limit)
            return
        now_s = self._monotonic_s()
        # Searches that were let in together are late together: that is one sign and not many.
        if together > self._least and now_s - self._shrunk_s >= self._slow_s:
            self._limit = max(self._least, min(self._limit, together) * _SHRINK)
            self._shrunk_s = now_s
