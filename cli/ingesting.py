"""Hands files in and follows each to its end. Used by `trireme ingest` and `trireme demo`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.doors import Door
from cli.files import NamedFile
from cli.looking import Looker, patiently
from client.client import SETTLED, TriremeClient
from contracts.api import DocumentView
from contracts.errors import DeadlineExceeded, DependencyDown, InvalidInput, Overloaded

PAGE = 200
POLL_S = 0.3


@dataclass(frozen=True, slots=True)
class FileEnd:
    """What became of one file.

    Args:
        state: a document's state, "refused" when the door did not take it, "sent" when nobody waited, "unchanged"
            when these bytes were indexed before.
        reason: why, as a sentence.
    """

    name: str
    state: str
    doc_id: str | None = None
    reason: str | None = None

    @property
    def failed(self) -> bool:
        return self.state in {"refused", "failed"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that was handed in, and the version that it became."""

    name: str
    version: int


def ingest_files(
    files: Sequence[NamedFile],
    door: Door,
    client: TriremeClient | None,
    console: Console,
    *,
    timeout_s: float,
    looker: Looker | None = None,
) -> list[FileEnd]:
    """Hand in all files and wait until each is indexed or has failed; progress bars on `console`.

    Args:
        client: asks for the documents' states; None returns as soon as all are handed in.
        timeout_s: longest time without any document coming to its end.
        looker: skips what is there already, so that a run which was killed is continued by the next one; None
            sends everything.

    Raises:
        DependencyDown: the door's services are away. Overloaded: the door stayed busy. DeadlineExceeded: nothing
            moves any more.
    """
    ends: dict[str, FileEnd] = {}
    sent: dict[str, Sent] = {}
    with progress_on(console) as progress:
        sending = progress.add_task("handed in", total=len(files))
        indexing = progress.add_task("indexed", total=len(files)) if client else None

        def settled(doc_id: str, end: FileEnd) -> None:
            ends[doc_id] = end
            if indexing is not None:
                progress.advance(indexing)

        for file in files:
            look = looker.look(file) if looker else None
            view = look.view if look and look.verdict == "unchanged" else None
            try:
                if look and look.verdict == "refused":
                    raise InvalidInput(look.reason or "")
                if view is not None and view.state == "indexed":
                    settled(view.doc_id, FileEnd(file.name, "unchanged", view.doc_id))
                else:
                    doc_id, version = (
                        (view.doc_id, view.version)
                        if view
                        else patiently(partial(door.put, file), timeout_s, on=(Overloaded,))
                    )
                    sent[doc_id] = Sent(file.name, version)
                    if client is None:
                        settled(doc_id, FileEnd(file.name, "sent", doc_id))
            except InvalidInput as refusal:
                settled(f"refused {file.name}", FileEnd(file.name, "refused", reason=refusal.message))
            progress.advance(sending)
        if client is not None:
            follow(client, sent, settled, timeout_s=timeout_s)
    return sorted(ends.values(), key=lambda end: end.name)


def progress_on(console: Console) -> Progress:
    """Bars that count files; they are wiped where nobody watches."""
    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=not console.is_terminal)


def follow(
    client: TriremeClient,
    sent: dict[str, Sent],
    settled: Callable[[str, FileEnd], None],
    *,
    timeout_s: float,
) -> None:
    """Call `settled` once for each document when it has come to its end.

    Raises:
        DeadlineExceeded: none of them did for `timeout_s`.
    """
    waiting = dict(sent)
    quiet_since = time.monotonic()
    while waiting:
        for view in _newest_if_reachable(client, waiting):
            known = waiting.get(view.doc_id)
            if known is not None and view.version >= known.version and view.state in SETTLED:
                del waiting[view.doc_id]
                settled(view.doc_id, FileEnd(known.name, view.state, view.doc_id, view.reason))
                quiet_since = time.monotonic()
        if waiting and time.monotonic() - quiet_since > timeout_s:
            some = ", ".join(sorted(each.name for each in waiting.values())[:3])
            raise DeadlineExceeded(
                f"{len(waiting)} documents did not come to an end, and none has for {timeout_s:.0f} s: {some}."
            )
        time.sleep(POLL_S if waiting else 0)


def _newest_if_reachable(client: TriremeClient, waiting: dict[str, Sent]) -> list[DocumentView]:
    """As `_newest`, and no news while the gateway is away: the documents go their way without it."""
    try:
        return _newest(client, waiting)
    except (DependencyDown, DeadlineExceeded, Overloaded):
        return []


def _newest(client: TriremeClient, waiting: dict[str, Sent]) -> list[DocumentView]:
    """The newest documents, as many pages as hold all that are waited for."""
    views: list[DocumentView] = []
    missing = set(waiting)
    cursor: str | None = None
    while True:
        page = client.documents(limit=PAGE, cursor=cursor)
        views += page.documents
        missing -= {view.doc_id for view in page.documents}
        cursor = page.next_cursor
        if not missing or cursor is None:
            return views
