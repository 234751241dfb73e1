"""When a process that died may be started again: a bound within a window, and a growing pause between tries."""

from __future__ import annotations

from dataclasses import dataclass, field

WINDOW_S = 300.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0


@dataclass(slots=True)
class RestartBudget:
    """Counts one process's restarts. Times are seconds of any clock that only goes forward."""

    max_restarts: int
    window_s: float = WINDOW_S
    _at: list[float] = field(default_factory=list)
    total: int = 0

    def next_pause_s(self, now_s: float) -> float | None:
        """Take one restart from the budget: the pause before it, or None when the budget is used up.

        The first pause is short, each further one within the window doubles it.
        """
        self._at = [at for at in self._at if now_s - at < self.window_s]
        if len(self._at) >= self.max_restarts:
            return None
        pause_s = min(FIRST_PAUSE_S * 2.0 ** len(self._at), LONGEST_PAUSE_S)
        self._at.append(now_s)
        self.total += 1
        return pause_s
