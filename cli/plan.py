"""`trireme plan`: what so many items, documents and searches need: memory, cores, cards, partitions and money."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import JsonOption, out, print_json
from contracts.errors import InvalidInput
from stack.capacity import measured
from stack.capacity.load import Load
from stack.capacity.plan import markdown, plan, shown
from stack.capacity.prices import EXAMPLES, read_prices

_SIZES = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9}
_DEFAULT = ("1M", "10M", "100M")


def run(
    items: Annotated[
        list[str] | None,
        typer.Option(
            "--items", help="Chunks and pictures in the index: 250000, 10M; repeat it. 1M, 10M, 100M else."
        ),
    ] = None,
    dimensions: Annotated[int, typer.Option("--dimensions", help="Width of a joint vector, both halves.")] = 768,
    shards: Annotated[int, typer.Option("--shards", help="Shards of the index.")] = 3,
    documents_per_day: Annotated[
        float, typer.Option("--documents-per-day", help="New and changed documents on an average day.")
    ] = 10_000,
    searches: Annotated[
        float, typer.Option("--searches", help="Searches in the busiest second, cached ones left out.")
    ] = 50,
    answers: Annotated[
        float, typer.Option("--answers", help="Answers by an 8B language model begun in the busiest second.")
    ] = 0,
    items_per_document: Annotated[
        float, typer.Option("--items-per-document", help="Chunks and pictures of an average document.")
    ] = measured.ITEMS_PER_DOCUMENT,
    gpu: Annotated[bool, typer.Option("--gpu", help="A GPU for each shard.")] = False,
    prices: Annotated[
        Path, typer.Option("--prices", help="TOML file of prices; deploy/capacity/prices.toml has examples.")
    ] = EXAMPLES,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print one table in Markdown.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a deployment of some size needs, and how each number is computed (docs/capacity.md)."""
    loads = [
        Load(
            items=_number(text),
            items_per_document=items_per_document,
            dim=dimensions,
            shards=shards,
            documents_per_day=documents_per_day,
            searches_per_s=searches,
            answers_per_s=answers,
            gpu=gpu,
        )
        for text in items or _DEFAULT
    ]
    known = read_prices(prices)
    if as_json:
        print_json(
            [{"items": load.items, "needs": [asdict(need) for need in plan(load, known)]} for load in loads]
        )
    elif as_markdown:
        out.print(markdown(loads, known), markup=False, soft_wrap=True)
    else:
        _print(loads, [plan(load, known) for load in loads], example=prices == EXAMPLES)


def _print(loads: Sequence[Load], plans: Sequence[Sequence[Any]], *, example: bool) -> None:
    for part, rows in groupby(zip(*plans, strict=True), key=lambda row: row[0].part):
        table = Table(box=None, title=part, title_justify="left", title_style="bold", padding=(0, 2, 0, 0))
        table.add_column("")
        for load in loads:
            table.add_column(f"{load.items:,}", justify="right")
        table.add_column("how", style="dim")
        for row in rows:
            unit = "" if row[0].unit in {"bytes", "seconds"} or row[0].unit in row[0].name else row[0].unit
            name = f"{row[0].name} [dim]{unit}[/]" if unit else escape(row[0].name)
            table.add_row(name, *(shown(need) for need in row), escape(row[0].formula))
        out.print(table)
        out.print()
    if example:
        out.print("[dim]Prices are examples of no provider: give your own with --prices.")


def _number(text: str) -> int:
    """A number of items. Raises InvalidInput."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMB]?)", text.strip().replace(",", "").replace("_", "").upper())
    if found is None:
        raise InvalidInput(f"'{text}' is no number of items; write 250000, 250K, 10M or 1B.")
    return round(float(found.group(1)) * _SIZES[found.group(2)])
