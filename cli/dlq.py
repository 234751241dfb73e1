"""`trireme dlq list|show|requeue|discard`: dead letters, which hold work that was given up."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import JsonOption, UrlOption, out, print_json
from cli.target import HomeOption, open_client
from client.client import TriremeClient
from contracts.errors import InvalidInput, TriremeError
from contracts.letters import DeadLetterView

app = typer.Typer(rich_markup_mode=None)

PAGE = 500
TIMEOUT_S = 60.0
_AGE = re.compile(r"(\d+)\s*([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

IdsArgument = Annotated[
    list[str] | None, typer.Argument(help="Ids as `trireme dlq list` shows them; else those the filters want.")
]
StageOption = Annotated[
    str | None, typer.Option("--stage", help="Only of this stage: text, image, join or shard.")
]
CauseOption = Annotated[str | None, typer.Option("--cause", help="Only of this cause, such as retries_exhausted.")]
DocumentOption = Annotated[str | None, typer.Option("--document", help="Only of the document with this id.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="Only newer ones: an age such as 30m, 12h or 7d.")
]
UntilOption = Annotated[str | None, typer.Option("--until", help="Only older ones: an age, too.")]
NoteOption = Annotated[str | None, typer.Option("--note", help="Why; kept with the letter.")]


@dataclass(frozen=True, slots=True)
class LetterEnd:
    """What became of one letter; `error` says why nothing did."""

    id: str
    doc_id: str | None
    state: str | None
    error: str | None = None


@app.command("list")
def list_letters(
    stage: StageOption = None,
    cause: CauseOption = None,
    document: DocumentOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    state: Annotated[str, typer.Option("--state", help="open, requeued, discarded, or all.")] = "open",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Letters on the page.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Where the last page ended.")] = None,
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List dead letters, newest first."""
    wanted = _wanted(stage, cause, document, since, until)
    with open_client(url, home, timeout_s=TIMEOUT_S) as client:
        page = client.dead_letters(**wanted, state=None if state == "all" else state, limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
        return
    out.print(_table(page.letters) if page.letters else "No dead letters.")
    if not page.complete:
        out.print("[yellow]There may be older ones: --since and --until reach them.[/]")
    if page.next_cursor:
        out.print(f"[dim]More: --cursor {page.next_cursor}[/]")


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(help="Id of the letter.")],
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter, with the record that was given up."""
    with open_client(url, home, timeout_s=TIMEOUT_S) as client:
        letter = client.dead_letter(letter_id)
    if as_json:
        print_json(letter)
        return
    out.print(f"[bold]{escape(letter.source or letter.doc_id)}[/]  {letter.stage}  [red]{escape(letter.cause)}[/]")
    out.print(escape(letter.reason))
    out.print(
        f"[dim]document {letter.doc_id} · version {letter.version} · try {letter.attempt} · {when(letter.at_ms)}"
    )
    out.print(f"[dim]file {escape(letter.uri)} · from {letter.origin_topic} · trace {letter.trace_id}")
    if letter.ended_at_ms is not None:
        note = f": {escape(letter.note)}" if letter.note else ""
        out.print(f"{letter.state} {when(letter.ended_at_ms)} by {escape(letter.ended_by or '')}{note}")


@app.command()
def requeue(
    ids: IdsArgument = None,
    stage: StageOption = None,
    cause: CauseOption = None,
    document: DocumentOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    note: NoteOption = None,
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the work of dead letters done again, each with its version. Exit status 1 when one was refused."""
    with open_client(url, home, timeout_s=TIMEOUT_S) as client:
        chosen = _chosen(client, ids, _wanted(stage, cause, document, since, until))
        _carry_out(chosen, lambda letter_id: client.requeue(letter_id, note=note), as_json=as_json)


@app.command()
def discard(
    ids: IdsArgument = None,
    stage: StageOption = None,
    cause: CauseOption = None,
    document: DocumentOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    note: NoteOption = None,
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set dead letters aside for good. Exit status 1 when one was refused."""
    with open_client(url, home, timeout_s=TIMEOUT_S) as client:
        chosen = _chosen(client, ids, _wanted(stage, cause, document, since, until))
        _carry_out(chosen, lambda letter_id: client.discard(letter_id, note=note), as_json=as_json)


def age_s(text: str) -> int:
    """Seconds of an age such as 30m, 12h or 7d.

    Raises:
        InvalidInput: it is none.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise InvalidInput("An age is a number with s, m, h or d behind it, such as 12h.")
    return int(match[1]) * _SECONDS[match[2]]


def when(at_ms: int) -> str:
    """A time for people, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at_ms / 1000))


def _wanted(
    stage: str | None, cause: str | None, document: str | None, since: str | None, until: str | None
) -> dict[str, str | int | None]:
    now_s = time.time()
    return {
        "stage": stage,
        "cause": cause,
        "document": document,
        "since_ms": int((now_s - age_s(since)) * 1000) if since else None,
        "until_ms": int((now_s - age_s(until)) * 1000) if until else None,
    }


def _chosen(client: TriremeClient, ids: list[str] | None, wanted: dict[str, str | int | None]) -> list[str]:
    filters = any(value is not None for value in wanted.values())
    if bool(ids) == filters:
        raise InvalidInput("Name letters by their ids, or by filters such as --cause; not neither, not both.")
    return ids or [letter.id for letter in _open_letters(client, wanted)]


def _open_letters(client: TriremeClient, wanted: dict[str, str | int | None]) -> Iterator[DeadLetterView]:
    cursor: str | None = None
    while True:
        page = client.dead_letters(**wanted, state="open", limit=PAGE, cursor=cursor)
        yield from page.letters
        cursor = page.next_cursor
        if cursor is None:
            return


def _carry_out(ids: list[str], act: Callable[[str], DeadLetterView], *, as_json: bool) -> None:
    ends = []
    for letter_id in ids:
        try:
            letter = act(letter_id)
        except TriremeError as error:
            ends.append(LetterEnd(letter_id, None, None, error.message))
        else:
            ends.append(LetterEnd(letter_id, letter.doc_id, letter.state))
    if as_json:
        print_json(ends)
    else:
        for end in ends:
            out.print(f"{end.id}  {end.state or ''}{f'[red]{escape(end.error)}[/]' if end.error else ''}")
        out.print(f"{sum(end.error is None for end in ends)} of {len(ends)} done.")
    if any(end.error for end in ends):
        raise typer.Exit(1)


def _table(letters: list[DeadLetterView]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "when", "stage", "cause", "try", "state", "document", "reason"):
        table.add_column(heading, no_wrap=heading in {"id", "when", "stage", "state"})
    for one in letters:
        name = escape(one.source or one.doc_id)
        row = (one.id, when(one.at_ms), one.stage, escape(one.cause), str(one.attempt), one.state, name)
        table.add_row(*row, escape(one.reason))
    return table
