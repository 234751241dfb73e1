"""Where the demo's time goes: environment, downloads, export, start, ingestion, first answered question."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Self

from stack.setup import StepReport


@dataclass(slots=True)
class DemoClock:
    """Spans of Unix time by name. Steps that run side by side make one span.

    Args:
        began_s: when the person pressed return; before that nothing was there.
    """

    began_s: float
    here_s: float
    _first: dict[str, float] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)
    _answered_s: float | None = None

    @classmethod
    def since(cls, began_s: float | None) -> Self:
        """A clock for a demo that began then, or now."""
        now_s = time.time()
        return cls(began_s if began_s is not None else now_s, now_s)

    def begin(self, name: str, at_s: float | None = None) -> None:
        """A span begins, unless it has."""
        self._first.setdefault(name, time.time() if at_s is None else at_s)

    def end(self, name: str, at_s: float | None = None) -> None:
        """A span ends, for now."""
        self._last[name] = time.time() if at_s is None else at_s

    def note_setup(self, report: StepReport, at_s: float) -> None:
        """Take a set-up step into its phase's span."""
        if report.was_done:
            return
        self.begin(report.phase, at_s - (report.seconds or 0.0))
        self.end(report.phase, at_s)

    def answered(self) -> None:
        """The first question has its answer."""
        self._answered_s = time.time()

    def seconds(self, name: str) -> float:
        """Length of a span, 0 when it never was."""
        return self._last.get(name, 0.0) - self._first.get(name, 0.0) if name in self._last else 0.0

    def summary(self) -> str:
        """The time to the first answer and its split, in one line."""
        spans = {
            "environment": self.here_s - self.began_s,
            "programs": self.seconds("system"),
            "download": self.seconds("download"),
            "export": self.seconds("export"),
            "start": self.seconds("start"),
            "ingest": self.seconds("ingest"),
        }
        split = ", ".join(f"{name} {seconds:.1f}" for name, seconds in spans.items() if seconds >= 0.05)
        total_s = (self._answered_s or time.time()) - self.began_s
        return f"First answered question after [bold]{total_s:.1f} s[/] ({split})."
