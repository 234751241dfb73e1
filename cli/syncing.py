"""Brings a collection in line with a listing. `trireme ingest --sync` prints what comes of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from rich.console import Console
from rich.progress import Progress

from cli.doors import GatewayDoor, StackDoor
from cli.ingesting import PAGE, FileEnd, Sent, follow, progress_on
from cli.looking import Looker, patiently
from cli.sync_plan import SyncPlan, make_plan
from cli.sync_sources import BucketSource, FolderSource, OwnSource, Source, SourceUrl
from client.client import TriremeClient
from contracts.api import DocumentView
from contracts.errors import InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where documents go.

    Args:
        kafka, objects_url: known where the store and the log can be reached past the gateway.
    """

    client: TriremeClient
    kafka: str | None
    objects_url: str | None

    @contextlib.contextmanager
    def door(self, collection: str, lane: Literal["live", "bulk"]) -> Iterator[GatewayDoor | StackDoor]:
        """The shortest way in."""
        if self.kafka is None or self.objects_url is None:
            yield GatewayDoor(self.client, collection)
            return
        with StackDoor(self.kafka, self.objects_url, collection, lane) as door:
            yield door


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What was found and done, by name; in a dry run what would be done. `ends` is empty where nobody waited."""

    source: str
    collection: str
    dry_run: bool
    added: list[str]
    changed: list[str]
    deleted: list[str]
    unchanged: int
    refused: dict[str, str]
    ends: list[FileEnd]

    @property
    def failed(self) -> bool:
        return bool(self.refused) or any(end.failed for end in self.ends)


def sync(
    deployment: Deployment,
    url: str,
    collection: str,
    console: Console,
    *,
    lane: Literal["live", "bulk"],
    dry_run: bool,
    max_share: float,
    wait: bool,
    timeout_s: float,
) -> SyncReport:
    """Compare, and unless it is a dry run hand in what is new or changed, and delete what has gone.

    Args:
        max_share: largest share of the collection that may be deleted at once.

    Raises:
        Conflict: more than that would go; nothing was done. NotFound, InvalidInput: no such listing.
        DependencyDown: a service is away. What was done so far stays; the next run goes on from there.
    """
    views = _views(deployment.client, collection)
    with deployment.door(collection, lane) as door:
        looker = Looker(collection, deployment.client, timeout_s=timeout_s)
        source = _source(deployment, url, collection, door, looker)
        plan = make_plan(source.verdicts({view.source: view for view in views if view.source}), views)
        if dry_run:
            return _report(url, collection, plan, list(plan.delete), [], dry_run=True)
        plan.require_modest(max_share)
        with progress_on(console) as progress:
            sent, refused = _hand_in(source, plan, progress, timeout_s)
            removed = [
                name
                for name, view in progress.track(plan.delete.items(), description="deleted")
                if patiently(partial(source.remove, view), timeout_s)
            ]
            ends: list[FileEnd] = []
            if wait:
                _follow(deployment.client, sent, ends, progress, timeout_s)
    return _report(url, collection, plan, removed, ends, refused=refused)


def _hand_in(
    source: Source, plan: SyncPlan, progress: Progress, timeout_s: float
) -> tuple[dict[str, Sent], dict[str, str]]:
    """What was handed in by document id, and what no door takes, with the reason."""
    sent: dict[str, Sent] = {}
    refused = dict(plan.refused)
    for name in progress.track((*plan.add, *plan.change), description="handed in"):
        try:
            doc_id, version = patiently(partial(source.hand_in, name), timeout_s)
            sent[doc_id] = Sent(name, version)
        except InvalidInput as refusal:
            refused[name] = refusal.message
        except NotFound:
            refused[name] = "The file went away while it was read; the next run will see it."
    return sent, refused


def _follow(
    client: TriremeClient, sent: dict[str, Sent], ends: list[FileEnd], progress: Progress, timeout_s: float
) -> None:
    task = progress.add_task("indexed", total=len(sent))

    def settled(_: str, end: FileEnd) -> None:
        ends.append(end)
        progress.advance(task)

    follow(client, sent, settled, timeout_s=timeout_s)


def _source(
    deployment: Deployment, url: str, collection: str, door: GatewayDoor | StackDoor, looker: Looker
) -> Source:
    named = SourceUrl(url)
    if named.is_own(deployment.objects_url):
        if not isinstance(door, StackDoor):
            raise InvalidInput("To sync with the store itself, name its log too: --kafka.")
        return OwnSource(door, collection)
    folder = named.folder()
    return BucketSource(url, door, looker) if folder is None else FolderSource(folder, door, looker)


def _views(client: TriremeClient, collection: str) -> list[DocumentView]:
    """All documents of a collection, the deleted ones too."""
    views: list[DocumentView] = []
    cursor: str | None = None
    while True:
        page = client.documents(limit=PAGE, cursor=cursor, collection=collection)
        views += page.documents
        cursor = page.next_cursor
        if cursor is None:
            return views


def _report(
    url: str,
    collection: str,
    plan: SyncPlan,
    removed: list[str],
    ends: list[FileEnd],
    *,
    refused: dict[str, str] | None = None,
    dry_run: bool = False,
) -> SyncReport:
    refused = plan.refused if refused is None else refused
    return SyncReport(
        source=url,
        collection=collection,
        dry_run=dry_run,
        added=[name for name in plan.add if name not in refused],
        changed=[name for name in plan.change if name not in refused],
        deleted=removed,
        unchanged=plan.unchanged,
        refused=refused,
        ends=sorted(ends, key=lambda end: end.name),
    )
