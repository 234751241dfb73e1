"""The parts of the benchmark by name: each gives a Markdown table and plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.index.data_set import DataSet, Say, open_data_set
from benchmarks.index.filled_shard import SHARES
from benchmarks.index.filters_table import filters_table, size_row
from benchmarks.index.kinds_table import KindRow, as_json, kinds_table
from benchmarks.index.live import write_live
from benchmarks.index.markdown import table
from benchmarks.index.peers_table import PeerRow, best_ratio, peers_table
from benchmarks.index.stack import measure_stack
from index_service.kinds.parameters import IndexParameters


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a part is given.

    Args:
        home: where data sets and results lie; `scratch`: for segments.
        only: restricts kinds or peers by name.
        peer_minutes: how long another engine may build, and how long it may search.
    """

    data: DataSet
    home: Path
    scratch: Path
    only: str
    minutes: float
    peer_minutes: float
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


def filters(run: Run) -> tuple[str, Any]:
    """Filters, over one shard and over three; shards are asked one after the other, on one thread."""
    rows = filters_table(run.data, run.scratch, run.say)
    head = ("filter", "shards", "worst recall", "compared per shard", "QPS b1", "QPS b16", "p50 ms", "p99 ms")
    lines = (
        [
            f"{row.name} ({SHARES[row.name]:.2%})" if row.name in SHARES else row.name,
            str(row.n_shards),
            f"{row.recall:.3f}",
            f"{row.compared:.0f}",
            f"{row.one.per_s:.0f}",
            f"{row.sixteen.per_s:.0f}",
            f"{row.one.p50_ms:.2f}",
            f"{row.one.p99_ms:.2f}",
        ]
        for row in rows
    )
    return table(head, lines), [asdict(row) for row in rows]


def growth(run: Run) -> tuple[str, Any]:
    """One shard of the default parameters at a tenth of the rows, and at all of them."""
    rows = []
    for n in (run.data.n // 10, run.data.n):
        data = open_data_set(run.home / "data", run.data.spec, n, run.say)
        rows.append((n, *size_row(data, run.scratch / "growth", run.say)))
    head = (
        "rows", "worst recall", "compared", "QPS b1", "QPS b16", "p50 ms", "p99 ms", "B/vector", "put s", "seal s"
    )  # fmt: skip
    lines = (
        [
            f"{n:,}",
            f"{row.recall:.3f}",
            f"{row.compared:.0f}",
            f"{row.one.per_s:.0f}",
            f"{row.sixteen.per_s:.0f}",
            f"{row.one.p50_ms:.2f}",
            f"{row.one.p99_ms:.2f}",
            f"{shard.size_bytes() / n:.0f}",
            f"{shard.put_s:.0f}",
            f"{shard.seal_s:.0f}",
        ]
        for n, row, shard in rows
    )
    return table(head, lines), [{"rows": n, **asdict(row)} for n, row, _ in rows]


def live(run: Run) -> tuple[str, Any]:
    """Searches while 500 updates a second replace documents: the shard keeps its size."""
    return _live(run, replaced=1.0)


def growing(run: Run) -> tuple[str, Any]:
    """Searches while 500 updates a second come in, four in five of them new documents."""
    return _live(run, replaced=0.2)


def _live(run: Run, *, replaced: float) -> tuple[str, Any]:
    result = write_live(
        run.data,
        run.scratch / "live",
        run.say,
        minutes=run.minutes,
        replaced=replaced,
        parameters=IndexParameters(),
    )
    head = ("phase", "searches/s", "p50 ms", "p99 ms")
    phases = (result.idle, result.writing, result.after)
    lines = ([p.name, f"{p.searches_per_s:.0f}", f"{p.p50_ms:.2f}", f"{p.p99_ms:.2f}"] for p in phases)
    median_s, longest_s = result.visible_s
    words = (
        f"{result.updates_per_s:.0f} updates/s, {result.start_items:,} to {result.end_items:,} items; "
        f"writing/idle {result.ratio:.2f}; visible after {median_s * 1000:.0f} ms (median), "
        f"{longest_s:.2f} s (longest), {result.lost} lost; writer late by {result.behind_s:.2f} s at most; "
        f"upkeep {result.upkeep}; by minute {[round(each) for each in result.by_minute]}"
    )
    return f"{table(head, lines)}\n\n{words}", asdict(result)


def peers(run: Run) -> tuple[str, Any]:
    """Other engines, each kept to one core while it is searched."""
    rows = peers_table(run.data, run.scratch, run.say, run.only, timeout_s=60 * run.peer_minutes)
    head = (
        "engine", "built with", "sweep: recall at (1,1), worst", "QPS at (1,1), b1", "b16", "at worst, b1", "b16",
        "build s", "B/vector",
    )  # fmt: skip
    words = "; ".join(
        f"core over the best database at equal recall, {name}: {_ratio(ratio)}"
        for name, ratio in {
            "(1,1), batch 1": best_ratio(rows, lambda row: row.at_joint[0]),
            "(1,1), batch 16": best_ratio(rows, lambda row: row.at_joint[1]),
            "worst, batch 1": best_ratio(rows, lambda row: row.at_worst[0]),
            "worst, batch 16": best_ratio(rows, lambda row: row.at_worst[1]),
        }.items()
    )
    lines = [_peer_line(row, run.data.n) for row in rows]
    return f"{table(head, lines)}\n\n{words}", [asdict(row) for row in rows]


def _ratio(ratio: float | None) -> str:
    return "no figure" if ratio is None else f"{ratio:.2f}"


def _peer_line(row: PeerRow, n_rows: int) -> list[str]:
    if row.measured is None:
        return [row.name, row.failure, *[""] * 7]
    points = row.measured["sweep"]
    sweep = ", ".join(f"{p['point']}: {p['recall']['by_pair'][0]:.3f}/{p['worst']:.3f}" for p in points)
    speeds = ["-" if per_s is None else f"{per_s:.0f}" for per_s in (*row.at_joint, *row.at_worst)]
    size = row.measured["size_bytes"] / n_rows
    return [
        row.measured["title"],
        row.measured["built_with"],
        f"{row.measured['knob']} {sweep}",
        *speeds,
        f"{row.measured['build_s']:.0f}",
        f"{size:.0f}",
    ]


def stack(run: Run) -> tuple[str, Any]:
    """Three shards through Kafka, and through the gateway."""
    result = measure_stack(run.data, run.scratch, run.say)
    head = ("searches", "n", "not complete", "QPS", "p50 ms", "p99 ms", "shard's own p50 ms", "compared per shard")
    lines = [
        [
            row.name,
            str(row.searches),
            str(row.failed),
            f"{row.per_s:.0f}",
            f"{row.p50_ms:.1f}",
            f"{row.p99_ms:.1f}",
            f"{row.shard_p50_ms:.2f}",
            "" if row.compared is None else f"{row.compared:.0f}",
        ]
        for row in result.rows
    ]
    recall = ", ".join(f"{each:.3f}" for each in result.recall.by_pair[:4])
    words = (
        f"{result.n_shards} shards; applied {result.n_items / result.filled_s:.0f} items/s through the log; "
        f"recall@10 {recall} at the four weights, "
        f"text {result.recall.text:.3f}, picture {result.recall.picture:.3f}"
    )
    return f"{table(head, lines)}\n\n{words}", asdict(result)


PARTS: Mapping[str, Callable[[Run], tuple[str, Any]]] = {
    "kinds": kinds,
    "filters": filters,
    "growth": growth,
    "live": live,
    "growing": growing,
    "stack": stack,
    "peers": peers,
}
