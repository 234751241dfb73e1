"""The result as tables: for the terminal, and as Markdown for docs/benchmarks/serving.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.models.claims import Claim
from benchmarks.models.figures import ModelFigures
from benchmarks.models.perf_report import Served
from benchmarks.models.subjects import LeftOut

Row = tuple[str, ...]

COLUMNS = (
    "model",
    "precision, engine, threads",
    "in process /s (batch)",
    "in process ms",
    "served /s (load)",
    "served ms",
    "served / in process",
    "p50 / p99 ms",
    "queue / compute / overhead ms",
    "rows a run",
    "poisson /s: p99 ms",
    "cores in process; client / server / model",
    "windows",
)
SWEEP_COLUMNS = (
    "model",
    "load",
    "/s",
    "p50 ms",
    "p99 ms",
    "queue / compute / overhead ms",
    "rows a run",
    "windows",
)
CLAIM_COLUMNS = ("claim", "wanted", "measured", "met", "")
LEFT_OUT_COLUMNS = ("model", "why")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A titled table of text."""

    title: str
    columns: Row
    rows: tuple[Row, ...]


def sheets(figures: Sequence[ModelFigures], left_out: Sequence[LeftOut], claims: Sequence[Claim]) -> list[Sheet]:
    """The tables of one result that have rows: models, claims, every load that was tried, what was left out."""
    empty = ("",) * (len(COLUMNS) - 2)
    models = [_model(each) for each in figures]
    missing = [(each.model, each.reason.partition(":")[0], *empty) for each in left_out if each.is_failure]
    found = [
        Sheet("Served by Triton beside the engine in process", COLUMNS, (*models, *missing)),
        Sheet("Claims", CLAIM_COLUMNS, tuple(_claim(each) for each in claims)),
        Sheet("Every load", SWEEP_COLUMNS, tuple(row for each in figures for row in _sweep(each))),
        Sheet("Left out", LEFT_OUT_COLUMNS, tuple((each.model, each.reason) for each in left_out)),
    ]
    return [each for each in found if each.rows]


def print_sheets(shown: Sequence[Sheet]) -> None:
    """To the terminal; wide enough that no figure is cut."""
    console = Console(width=max(220, Console().width), highlight=False)
    for sheet in shown:
        table = Table(title=sheet.title)
        for place, column in enumerate(sheet.columns):
            table.add_column(column, no_wrap=place == 0)
        for row in sheet.rows:
            table.add_row(*map(escape, row))
        console.print(table)


def as_markdown(shown: Sequence[Sheet], heading: str) -> str:
    """The tables under a line that says where and when they were measured."""
    parts = [heading, ""]
    for sheet in shown:
        parts += [f"### {sheet.title}", "", _line(sheet.columns), _line(("---",) * len(sheet.columns))]
        parts += [*map(_line, sheet.rows), ""]
    return "\n".join(parts)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _model(each: ModelFigures) -> Row:
    return (
        each.subject.model,
        f"{each.subject.precision}, {each.engine}, {each.subject.threads}",
        f"{each.in_process_per_s:.1f} ({each.best_way})",
        f"{each.in_process_ms:.1f}",
        f"{each.served_per_s:.1f} ({each.best_load})",
        f"{each.served_ms:.1f}",
        f"{each.ratio:.2f}",
        f"{each.of_best(lambda served: served.p50_ms):.1f} / {each.of_best(lambda served: served.p99_ms):.1f}",
        " / ".join(
            f"{value:.1f}"
            for value in (
                each.of_best(lambda served: served.queue_ms),
                each.of_best(lambda served: served.infer_ms),
                each.of_best(lambda served: served.overhead_ms),
            )
        ),
        f"{each.of_best(lambda served: served.rows_per_run):.1f}",
        _poisson(each),
        f"{each.in_process_cores:.2f}; {each.cpu}",
        each.stability,
    )


def _sweep(each: ModelFigures) -> list[Row]:
    points: list[tuple[str, Served | None]] = [(str(load), served) for load, served in each.sweep]
    points.append((str(each.poisson[0]), each.poisson[1]))
    points.append((f"{each.best_load}, shared memory", each.shared_memory))
    return [
        (
            each.subject.model,
            load,
            f"{served.items_per_s:.1f}",
            f"{served.p50_ms:.1f}",
            f"{served.p99_ms:.1f}",
            f"{served.queue_ms:.1f} / {served.infer_ms:.1f} / {served.overhead_ms:.1f}",
            f"{served.rows_per_run:.1f}",
            served.stability,
        )
        for load, served in points
        if served is not None
    ]


def _poisson(each: ModelFigures) -> str:
    load, served = each.poisson
    if served is None:
        return f"{load.rate_per_s:.0f}: queue full"
    late = f", {served.delayed_share:.0%} sent late" if served.delayed_share >= 0.01 else ""
    return f"{load.rate_per_s:.0f}: {served.p99_ms:.1f}{late}"


def _claim(claim: Claim) -> Row:
    wanted = f"{'at most' if claim.at_most else 'at least'} {claim.limit:g}{claim.unit}"
    if claim.value is None:
        return (claim.text, wanted, "not measured", "", claim.note)
    digits = 4 if claim.limit == 0.99 else 2
    return (claim.text, wanted, f"{claim.value:.{digits}f}{claim.unit}", "yes" if claim.met else "NO", claim.note)
