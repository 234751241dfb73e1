"""`trireme eval queries FILE`: figures of retrieval on judged queries, in several ways of ranking."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from cli.console import JsonOption, UrlOption, err, is_interactive, out, print_json
from cli.target import HomeOption, open_client
from client.evaluation.figures import FIGURES, Estimate
from client.evaluation.judged import read_judged
from client.evaluation.ways import WayFigures, evaluate

_TIMEOUT_S = 30.0


def queries(
    file: Annotated[Path, typer.Argument(help="Judged queries, one JSON object a line.")],
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask your own judged queries: recall, MRR and nDCG with confidence intervals, the joint search beside others.

    A line is {"query": WORDS, "image": FILE, "expected": DOCUMENT or [DOCUMENTS], "kind": NAME}: words, a picture
    or both; documents by the name under which they were brought in, or by id; `kind` groups lines.
    """
    judged = read_judged(file)
    with (
        open_client(url, home, timeout_s=_TIMEOUT_S) as client,
        Progress(console=err, transient=True, disable=not is_interactive()) as progress,
    ):
        task = progress.add_task("asking", total=len(judged))
        figures = evaluate(client, judged, done=lambda: progress.advance(task))
    if as_json:
        print_json(figures)
        return
    for kind in dict.fromkeys(each.kind for each in figures):
        out.print(figures_table([each for each in figures if each.kind == kind]))


def figures_table(figures: list[WayFigures]) -> Table:
    """The ways of one kind, with 95 % intervals."""
    title = f"{figures[0].kind}: {figures[0].queries} queries"
    table = Table(title=title, box=None, pad_edge=False, header_style="bold", title_justify="left")
    table.add_column("ranked by")
    for name in (*FIGURES, "nDCG@10 behind"):
        table.add_column(name, justify="right")
    for each in figures:
        table.add_row(
            each.way,
            *(_told(figure) for figure in each.figures),
            "" if each.behind is None else _told(each.behind, sign="+"),
        )
    return table


def _told(estimate: Estimate, sign: str = "") -> str:
    return f"{estimate.mean:{sign}.3f} [dim]({estimate.low:{sign}.2f} to {estimate.high:{sign}.2f})[/]"
