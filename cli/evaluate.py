"""`trireme eval`: `samples` counts how often the intended document comes first, over forty held-out queries.

`encoders` is in `cli.encoders`, `queries` in `cli.eval_queries`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import JsonOption, UrlOption, out, print_json
from cli.encoders import encoders
from cli.eval_queries import queries
from cli.files import read_file
from cli.target import HomeOption, open_client
from client.client import TriremeClient
from client.held_out import HeldOutQuery, parse_queries
from contracts.errors import BadMessage, NotFound
from stack.home import CHECKOUT

app = typer.Typer(rich_markup_mode=None)
app.command("encoders")(encoders)
app.command("queries")(queries)

QUERIES = CHECKOUT / "benchmarks" / "quality" / "samples_queries.jsonl"
# Hits asked for: enough to see where a document stands that is not first.
DEPTH = 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one query found.

    Args:
        rank: of the expected document among the documents found, from 1; None when it was not among the hits.
        first: name of the document that came first.
    """

    id: str
    kind: str
    asked: str
    expected: str
    rank: int | None
    first: str | None


@dataclass(frozen=True, slots=True)
class KindScore:
    """Counts over the queries of one kind."""

    kind: str
    queries: int
    first: int
    among_three: int
    mean_reciprocal_rank: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `trireme eval samples --json` prints."""

    first: int
    queries: int
    by_kind: list[KindScore]
    outcomes: list[Outcome]


@app.callback()
def evaluate() -> None:
    """Measure retrieval quality on held-out queries."""


@app.command()
def samples(
    file: Annotated[Path, typer.Option("--queries", help="Queries, one JSON object a line.")] = QUERIES,
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the forty held-out queries over samples/ and count first places, by kind."""
    queries = read_queries(file)
    with open_client(url, home) as client:
        evaluation = score([ask(client, query) for query in queries])
    if as_json:
        print_json(evaluation)
        return
    out.print(_table(evaluation))
    for outcome in evaluation.outcomes:
        if outcome.rank != 1:
            stands = "not found" if outcome.rank is None else f"rank {outcome.rank}"
            asked, first = escape(outcome.asked), escape(outcome.first or "nothing")
            out.print(f"[dim]{outcome.id}  {asked}  wanted {escape(outcome.expected)} ({stands}), got {first}[/]")


def read_queries(file: Path) -> list[HeldOutQuery]:
    """The queries in a file.

    Raises:
        NotFound: no such file. BadMessage: a line is no query.
    """
    try:
        return parse_queries(read_file(file))
    except BadMessage as exc:
        raise BadMessage(f"The file '{file.name}' has a line that is no query.") from exc


def ask(client: TriremeClient, query: HeldOutQuery) -> Outcome:
    """Ask one query and see where its document stands.

    Raises:
        NotFound: its picture does not exist.
    """
    image = read_file(CHECKOUT / query.image) if query.image else None
    response = client.search(query.query, image=image, k=DEPTH)
    documents = list(dict.fromkeys(hit.source for hit in response.hits))
    rank = documents.index(query.expected) + 1 if query.expected in documents else None
    asked = " + ".join(part for part in (query.query, query.image and Path(query.image).name) if part)
    return Outcome(query.id, query.kind, asked, query.expected, rank, documents[0] if documents else None)


def score(outcomes: Sequence[Outcome]) -> Evaluation:
    """Counts by kind, in the order in which the kinds come.

    Raises:
        NotFound: nothing was asked.
    """
    if not outcomes:
        raise NotFound("There are no queries in the file.")
    kinds = list(dict.fromkeys(outcome.kind for outcome in outcomes))
    by_kind = [_kind_score(kind, [o.rank for o in outcomes if o.kind == kind]) for kind in kinds]
    return Evaluation(sum(k.first for k in by_kind), len(outcomes), by_kind, list(outcomes))


def _kind_score(kind: str, ranks: Sequence[int | None]) -> KindScore:
    found = [rank for rank in ranks if rank is not None]
    return KindScore(
        kind=kind,
        queries=len(ranks),
        first=sum(rank == 1 for rank in found),
        among_three=sum(rank <= 3 for rank in found),
        mean_reciprocal_rank=sum(1 / rank for rank in found) / len(ranks),
    )


def _table(evaluation: Evaluation) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True, footer_style="bold")
    table.add_column("kind", footer="all")
    table.add_column("queries", justify="right", footer=str(evaluation.queries))
    table.add_column("first", justify="right", footer=str(evaluation.first))
    table.add_column("in first 3", justify="right", footer=str(sum(k.among_three for k in evaluation.by_kind)))
    table.add_column("MRR", justify="right")
    for kind in evaluation.by_kind:
        table.add_row(
            kind.kind.replace("_", " "),
            str(kind.queries),
            str(kind.first),
            str(kind.among_three),
            f"{kind.mean_reciprocal_rank:.2f}",
        )
    return table
