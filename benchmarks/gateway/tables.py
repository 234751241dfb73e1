"""The benchmark's results as tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from benchmarks.gateway.direct import WayRow
from benchmarks.gateway.own import OwnCost
from benchmarks.search_latency import STAGES, Sample


def load(closed: Sample, rows: Sequence[tuple[float, Sample]]) -> Table:
    """Latency against offered load; stages as p50 / p95."""
    stages = (*STAGES, "rest")
    titles = ("offered/s", "n", "errors", "full cov.", "p50", "p95", "p99", *stages)
    table = _table("POST /v1/search, new questions, milliseconds; stages p50 / p95", titles)
    for offered, sample in [*((f"{offered:.1f}", sample) for offered, sample in rows), ("4 callers", closed)]:
        row = sample.row()
        table.add_row(
            offered if offered != "4 callers" else f"4 callers: {row['per_s']:.1f}",
            f"{row['searches']:.0f}",
            f"{row['errors']:.0f}",
            f"{row['full_coverage']:.1%}",
            *(f"{row[f'{name}_ms']:.1f}" for name in ("p50", "p95", "p99")),
            *(f"{row[f'{stage}_p50_ms']:.1f} / {row[f'{stage}_p95_ms']:.1f}" for stage in stages),
        )
    return table


def ways(rows: Sequence[WayRow]) -> Table:
    """Kafka and direct calls, and what Kafka adds."""
    titles = ("callers", "way", "n", "per s", "p50", "p99", "slowest shard's own p50", "added p50")
    table = _table("All shards asked, answered and merged, milliseconds", titles)
    for kafka, direct in zip(rows[::2], rows[1::2], strict=True):
        for row in (kafka, direct):
            table.add_row(
                str(row.callers),
                row.way,
                str(row.searches),
                f"{row.per_s:.0f}",
                f"{row.p50_ms:.2f}",
                f"{row.p99_ms:.2f}",
                f"{row.shard_p50_ms:.2f}",
                f"{kafka.p50_ms - direct.p50_ms:+.2f}" if row is kafka else "",
            )
    return table


def own(cost: OwnCost) -> Table:
    """The gateway's own processor time, and what a core of it does."""
    title = f"Processor time of the process, answers of {cost.answer_bytes:,} bytes"
    table = _table(title, ("process", "ms a request", "requests a second and core", "of bare", "rounds"))
    named = (
        ("bare FastAPI route", cost.bare_ms),
        ("gateway, encoders stubbed out", cost.stubbed_ms),
        ("gateway", cost.whole_ms),
    )
    for number, (name, each_ms) in enumerate(named):
        spread = [f"{one[number]:.2f}" for one in cost.rounds]
        table.add_row(
            name, f"{each_ms:.2f}", f"{1000 / each_ms:.0f}", f"{cost.bare_ms / each_ms:.2f}", " ".join(spread)
        )
    return table


def _table(title: str, titles: Sequence[str]) -> Table:
    table = Table(title=title)
    for name in titles:
        table.add_column(name, justify="left" if name in {"way", "process"} else "right")
    return table
