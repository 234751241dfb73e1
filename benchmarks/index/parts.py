"""The parts of the benchmark by name: each gives a Markdown table and plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.index.data_set import DataSet, Say
from benchmarks.index.kinds_table import KindRow, as_json, kinds_table
from benchmarks.index.markdown import table


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a part is given.

    Args:
        home: where data sets and results lie; `scratch`: for segments.
        only: restricts kinds or peers by name.
    """

    data: DataSet
    home: Path
    scratch: Path
    only: str
    minutes: float
    say: Say


def kinds(run: Run) -> tuple[str, Any]:
    """Every kind of segment."""
    rows = kinds_table(run.data, run.scratch, run.say, run.only)
    head = (
        "kind", "at", "(1,1)", "(1,0)", "(0,1)", "(1,.3)", "text", "picture", "QPS b1", "QPS b16", "p50 ms",
        "p99 ms", "of Faiss b1", "of Faiss b16", "B/vector", "build s",
    )  # fmt: skip
    return table(head, map(_kind_line, rows)), as_json(rows)


def _kind_line(row: KindRow) -> list[str]:
    one, sixteen = row.core
    ratio = ("", "") if row.ratio is None else tuple(f"{each:.2f}" for each in row.ratio)
    return [
        row.name,
        str(row.point or ""),
        *(f"{each:.3f}" for each in row.recall.by_pair[:4]),
        f"{row.recall.text:.3f}",
        f"{row.recall.picture:.3f}",
        f"{one.per_s:.0f}",
        f"{sixteen.per_s:.0f}",
        f"{one.p50_ms:.2f}",
        f"{one.p99_ms:.2f}",
        *ratio,
        f"{row.bytes_per_vector:.0f}",
        f"{row.build_s:.0f}",
    ]


PARTS: Mapping[str, Callable[[Run], tuple[str, Any]]] = {"kinds": kinds}
