"""Which queries were asked before, in bounded memory: decides what a full cache takes in. Pure."""

from collections.abc import Hashable


class AskedBefore:
    """Remembers keys for one to two windows.

    Two sets take turns: the newer fills until its window ends or it is full, then the older is forgotten. So a
    flood of queries that nobody repeats costs memory for twice `most` of them at the most.

    Args:
        window_s: a key that was not seen for two of these is forgotten.
        most: keys in a set; at about 100 bytes each.
    """

    def __init__(self, *, window_s: float = 3600.0, most: int = 100_000) -> None:
        self._window_s = window_s
        self._most = most
        self._newer: set[Hashable] = set()
        self._older: set[Hashable] = set()
        self._turned_s: float | None = None

    def note(self, key: Hashable, now_s: float) -> bool:
        """Take note of a query; whether it was asked before."""
        if self._turned_s is None:
            self._turned_s = now_s
        if now_s - self._turned_s >= self._window_s or len(self._newer) >= self._most:
            # After a long silence both windows are over.
            is_old = now_s - self._turned_s >= 2 * self._window_s
            self._older = set() if is_old else self._newer
            self._newer, self._turned_s = set(), now_s
        before = key in self._newer or key in self._older
        self._newer.add(key)
        return before
