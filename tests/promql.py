"""What a PromQL expression names: series and their labels. Enough for the queries of this project."""

from __future__ import annotations

import re
from dataclasses import dataclass

from contracts.metrics import ALL

SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
# Series of ours as exposed, with their labels; `le` only on buckets.
EXPOSED = {
    spec.name + suffix: frozenset(spec.labels) | ({"le"} if suffix == "_bucket" else frozenset())
    for spec in ALL
    for suffix in SUFFIXES[spec.kind]
}
# What Prometheus itself adds to every series of a target.
TARGET_LABELS = frozenset({"job", "instance"})
_OURS = r"(?:trireme_|search_latency_ms_|embedding_worker_|faiss_index_)\w*"
_SERIES = re.compile(rf"\b({_OURS}|nv_\w+|trireme:[\w:]+|up)(?:\{{([^}}]*)\}})?")
_GROUPING = re.compile(r"\bby \(([^)]*)\)")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


@dataclass(frozen=True, slots=True)
class Named:
    """Series that an expression names, each with the labels it is chosen by, and the labels of `by`."""

    series: dict[str, frozenset[str]]
    grouped_by: frozenset[str]


def named(expression: str) -> Named:
    """Read an expression."""
    series: dict[str, frozenset[str]] = {}
    for name, matchers in _SERIES.findall(expression):
        series[name] = series.get(name, frozenset()) | frozenset(
            _MATCHER.findall(re.sub(r'"[^"]*"', "", matchers))
        )
    groups = (group.replace(" ", "").split(",") for group in _GROUPING.findall(expression))
    return Named(series, frozenset(label for group in groups for label in group))
