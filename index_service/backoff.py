"""How long a loop waits before it tries again."""


class Backoff:
    """Doubles from `first_s` to `last_s`, and starts over after something went well."""

    def __init__(self, first_s: float = 0.25, last_s: float = 5.0) -> None:
        self._first_s = first_s
        self._last_s = last_s
        self._next_s = first_s

    def next_s(self, *, went_well: bool = False) -> float:
        """Seconds to wait now. `went_well`: the attempt that failed now had worked for a while."""
        wait_s = self._first_s if went_well else self._next_s
        self._next_s = min(2 * wait_s, self._last_s)
        return wait_s
