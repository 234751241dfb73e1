"""`make bench`: search latency through the gateway, split by stage, as a table and as JSON.

    python -m benchmarks.latency [--url http://127.0.0.1:8080] [--searches 1000] [--out result.json]

Without --url it starts an embedded stack of its own and ingests samples/. The load is bounded: the number of
searches is fixed, and each caller waits for its answer before it asks again.
"""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.filled_stack import with_filled_stack
from benchmarks.machine import describe_machine
from benchmarks.questions import questions, read_prose
from benchmarks.search_latency import Sample, measure, measure_cached

_CHECKOUT = Path(__file__).resolve().parent.parent
_CALLERS = (1, 8)
_SEED = 20261123


async def run(url: str, *, searches: int) -> dict[str, Any]:
    """All runs against one gateway: new questions at 1 and 8 callers, then one cached question."""
    asked = questions(read_prose(_CHECKOUT / "samples"), _SEED)
    rows = []
    for callers in _CALLERS:
        sample = await measure(url, asked, callers=callers, searches=searches, warm_up=40)
        rows.append({"run": f"new questions, {callers} caller{'s' * (callers > 1)}", **_row(sample)})
    cached = await measure_cached(url, next(asked), searches=searches)
    rows.append({"run": "cached question, 1 caller", **_row(cached)})
    return {"machine": describe_machine(), "searches_per_run": searches, "rows": rows}


def _row(sample: Sample) -> dict[str, Any]:
    return {**{name: round(value, 3) for name, value in sample.row().items()}, "served_by": sample.served_by}


def print_table(result: dict[str, Any]) -> None:
    """The result as a table; times in milliseconds, p50 / p99."""
    table = Table(title="POST /v1/search through the gateway, milliseconds, p50 / p99")
    for title in (
        "run",
        "n",
        "errors",
        "per s",
        "full cov.",
        "total",
        "encode",
        "kafka",
        "faiss",
        "rest",
        "served by",
    ):
        table.add_column(title, justify="left" if title in {"run", "served by"} else "right")
    for row in result["rows"]:
        stages = [
            f"{row[f'{stage}_p50_ms']:.1f} / {row[f'{stage}_p99_ms']:.1f}"
            for stage in ("encode", "kafka", "faiss", "rest")
        ]
        table.add_row(
            row["run"],
            f"{row['searches']:.0f}",
            f"{row['errors']:.0f}",
            f"{row['per_s']:.0f}",
            f"{row['full_coverage']:.1%}",
            f"{row['p50_ms']:.1f} / {row['p99_ms']:.1f}",
            *stages,
            ", ".join(f"{name} {count}" for name, count in row["served_by"].items()),
        )
    console = Console(width=max(150, Console().width))
    console.print(table)
    console.print(f"[dim]{json.dumps(result['machine'])}[/]", soft_wrap=True)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Search latency through the gateway, split by stage.")
    parser.add_argument("--url", help="a running gateway; without it an embedded stack is started")
    parser.add_argument("--searches", type=int, default=1000, help="searches per run")
    parser.add_argument(
        "--out", type=Path, default=Path(".trireme/bench/latency.json"), help="where the JSON goes"
    )
    arguments = parser.parse_args()

    async def measure_at(url: str) -> None:
        result = await run(url, searches=arguments.searches)
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")
        print_table(result)
        print(f"JSON: {arguments.out}")

    if arguments.url:
        asyncio.run(measure_at(arguments.url))
    else:
        asyncio.run(with_filled_stack(_CHECKOUT / "samples", measure_at))


if __name__ == "__main__":
    main()
