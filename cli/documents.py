"""`trireme documents list|show|delete`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from cli.console import JsonOption, UrlOption, out, print_json
from cli.render import documents_table, stages_table, state
from cli.target import HomeOption, open_client

app = typer.Typer(rich_markup_mode=None)

DELETE_TIMEOUT_S = 30.0
GONE = frozenset({"deleted", "expired"})

IdArgument = Annotated[str, typer.Argument(help="Id of the document, as `trireme documents list` shows it.")]


@app.command("list")
def list_documents(
    state_wanted: Annotated[str | None, typer.Option("--state", help="Only documents in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="Documents on the page.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Where the last page ended.")] = None,
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List documents, newest first."""
    with open_client(url, home) as client:
        page = client.documents(state=state_wanted, limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
        return
    out.print(documents_table(page.documents) if page.documents else "No documents.")
    if page.next_cursor:
        out.print(f"[dim]More: trireme documents list --cursor {page.next_cursor}[/]")


@app.command()
def show(doc_id: IdArgument, url: UrlOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show one document, stage by stage."""
    with open_client(url, home) as client:
        view = client.document(doc_id)
    if as_json:
        print_json(view)
        return
    out.print(f"[bold]{escape(view.source or doc_id)}[/]  {state(view)}  {escape(view.reason or '')}")
    out.print(stages_table(view))
    out.print(f"[dim]version {view.version} · visible {view.visible_version} · trace {view.trace_id}[/]")


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
