"""`trireme documents list|show|watch|delete|erase`."""

from __future__ import annotations

import contextlib
import time
from typing import Annotated

import msgspec
import typer
from rich.markup import escape

from cli import documents_erase
from cli.console import JsonOption, UrlOption, out, print_json
from cli.render import documents_table, stages_table, state
from cli.target import HomeOption, open_client
from client.client import TriremeClient
from contracts.api import DocumentView
from contracts.errors import DeadlineExceeded, DependencyDown, TriremeError
from contracts.letters import DeadLetterView

app = typer.Typer(rich_markup_mode=None)
app.command("erase")(documents_erase.run)

DELETE_TIMEOUT_S = 30.0
WATCH_AGAIN_S = 1.0
GONE = frozenset({"deleted", "expired"})

IdArgument = Annotated[str, typer.Argument(help="Id of the document, as `trireme documents list` shows it.")]


@app.command("list")
def list_documents(
    state_wanted: Annotated[str | None, typer.Option("--state", help="Only documents in this state.")] = None,
    collection: Annotated[str | None, typer.Option("--collection", help="Only of this collection.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="Documents on the page.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Where the last page ended.")] = None,
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List documents, newest first."""
    with open_client(url, home) as client:
        page = client.documents(state=state_wanted, limit=limit, cursor=cursor, collection=collection)
    if as_json:
        print_json(page)
        return
    out.print(documents_table(page.documents) if page.documents else "No documents.")
    if page.counts:
        counts = " · ".join(f"{n} {name}" for name, n in sorted(page.counts.items()))
        out.print(f"[dim]{counts}[/]")
    if page.next_cursor:
        out.print(f"[dim]More: trireme documents list --cursor {page.next_cursor}[/]")


@app.command()
def show(doc_id: IdArgument, url: UrlOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show one document, stage by stage."""
    with open_client(url, home) as client:
        view = client.document(doc_id)
        letters = _letters_of(client, view)
    if as_json:
        print_json({**msgspec.to_builtins(view), "dead_letters": letters})
        return
    out.print(f"[bold]{escape(view.source or doc_id)}[/]  {state(view)}  {escape(view.reason or '')}")
    out.print(stages_table(view))
    out.print(f"[dim]version {view.version} · visible {view.visible_version} · trace {view.trace_id}[/]")
    for letter in letters:
        out.print(f"dead letter {letter.id} of {letter.stage}: {escape(letter.cause)}, {letter.state}")


def _letters_of(client: TriremeClient, view: DocumentView) -> list[DeadLetterView]:
    """Dead letters of the newest version; none where only operators may see them."""
    try:
        letters = client.dead_letters(document=view.doc_id).letters
    except TriremeError:
        return []
    return [letter for letter in letters if letter.version == view.version]


@app.command()
def watch(
    doc_ids: Annotated[list[str] | None, typer.Argument(help="Only these documents; all by default.")] = None,
    collection: Annotated[str | None, typer.Option("--collection", help="Only of this collection.")] = None,
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Show documents as they change, until Ctrl-C. After a break it goes on where it was."""
    since: str | None = None
    with open_client(url, home) as client:
        while True:
            with contextlib.suppress(DependencyDown, DeadlineExceeded):
                for change in client.watch(doc_ids=doc_ids or (), collection=collection, since=since):
                    since = change.mark or since
                    if change.view is not None:
                        _show_change(change.view, as_json=as_json)
            time.sleep(WATCH_AGAIN_S)


def _show_change(view: DocumentView, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(view).decode(), flush=True)
    else:
        out.print(f"{view.doc_id}  {state(view)}  {escape(view.source or '')}  {escape(view.reason or '')}")


@app.command()
def delete(
    doc_id: IdArgument,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until it is gone.")] = False,
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a document."""
    with open_client(url, home) as client:
        view = client.delete(doc_id)
        if not no_wait:
            view = client.wait(doc_id, states=GONE, version=view.version, timeout_s=DELETE_TIMEOUT_S)
    if as_json:
        print_json(view)
    else:
        out.print(f"{escape(view.source or doc_id)}  {state(view)}")
