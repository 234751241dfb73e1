"""What a dashboard is made of before it is JSON: sections of panels of queries. Knows no Grafana."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Grafana's own names of units.
Unit = Literal["none", "short", "percent", "percentunit", "ms", "s", "bytes", "reqps", "ops"]
WHOLE_WIDTH = 24


@dataclass(frozen=True, slots=True)
class Query:
    """One query and what its lines are called.

    Args:
        expr: PromQL; `$__rate_interval` is a window that holds a few scrapes.
        legend: with labels in double braces.
        waits_for: the event before which a healthy system has no such series.
    """

    expr: str
    legend: str
    waits_for: str | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture.

    Args:
        about: what it tells, in a sentence.
        limit: drawn as a line; what is over it is red.
        shows: a graph over time, or the last value as a number.
        width: of 24.
    """

    title: str
    about: str
    unit: Unit
    queries: tuple[Query, ...]
    limit: float | None = None
    shows: Literal["graph", "number"] = "graph"
    width: int = 8


@dataclass(frozen=True, slots=True)
class Section:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard. `name` is its file and, after "trireme-", its address."""

    name: str
    title: str
    about: str
    sections: tuple[Section, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Every panel, in order."""
        return tuple(panel for section in self.sections for panel in section.panels)


def rate(series: str, by: str = "") -> str:
    """The increase of counters a second, summed."""
    return f"sum{_by(by)}(rate({series}[$__rate_interval]))"


def quantile(q: float, series: str, by: str = "") -> str:
    """A quantile of a histogram, from its buckets."""
    return f"histogram_quantile({q}, {rate(series, ', '.join(filter(None, ('le', by))))})"


def mean(of: str, per: str, by: str = "") -> str:
    """How much of one counter comes on one count of the other; nothing where there was none."""
    return f"{rate(of, by)} / ({rate(per, by)} > 0)"


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else ""
