"""`trireme documents erase`: removes a document and tells where its bytes are, and until when."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import JsonOption, err, out, print_json
from cli.index_target import HeldShard, IndexTarget, index_target
from cli.target import HomeOption, open_client
from client.client import TriremeClient
from client.index_door import IndexDoor
from contracts.api import DocumentView
from contracts.errors import Conflict, DeadlineExceeded, TriremeError
from contracts.generations import Generation
from contracts.ids import DEFAULT_TENANT
from contracts.keys import object_key
from contracts.topics import fixed_topics, generation_topics

GONE = frozenset({"deleted", "expired"})
REMOVED_TIMEOUT_S = 120.0
STORE_TIMEOUT_S = 20.0
FORGET_TIMEOUT_S = 600.0
POLL_S = 0.5
HOUR_S = 3600
SEGMENTS_S, SNAPSHOTS_S, CACHE_S = 24 * HOUR_S, 48 * HOUR_S, 24 * HOUR_S
_TOPICS_WITHOUT_DOCUMENTS = frozenset({"search_req", "search_res", "index_generations"})


@dataclass(frozen=True, slots=True)
class Place:
    """One place that keeps, or kept, something of the document.

    Args:
        kept: what is seen there now: "gone", a number of things, or "perhaps" where a look would cost too much.
        by_ms: when it will be gone at the latest; None for what stays.
        who: what takes it away.
    """

    name: str
    kept: str
    by_ms: int | None
    who: str


def run(
    doc_id: Annotated[str, typer.Argument(help="Id of the document.")],
    now: Annotated[bool, typer.Option("--now", help="Take it out of every place but the log at once.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell; remove nothing.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove a document, and print each place that keeps something of it, with the date by which that is gone.

    With --now segments are written anew, snapshots replaced and remembered answers forgotten before it returns;
    exit status 1 when something but the log is left.
    """
    target = index_target(home)
    with ExitStack() as closing:
        client = closing.enter_context(open_client(None, home, timeout_s=REMOVED_TIMEOUT_S))
        view = client.document(doc_id)
        if view.state not in GONE and not dry_run:
            sent = client.delete(doc_id)
            view = client.wait(doc_id, states=GONE, version=sent.version, timeout_s=REMOVED_TIMEOUT_S)
        shards = _held(target, closing)
        if now:
            if view.state not in GONE:
                raise Conflict("The document is not removed: --now and --dry-run do not go together.")
            _forget(shards)
        places = asyncio.run(_places(target, client, view, shards, forced=now))
    if as_json:
        print_json({"doc_id": doc_id, "state": view.state, "places": places})
    else:
        out.print(f"[bold]{escape(view.source or doc_id)}[/] is {view.state}.")
        out.print(_table(places))
    if now and any(place.kept != "gone" and not place.name.startswith("log ") for place in places):
        raise typer.Exit(1)


def _held(target: IndexTarget, closing: ExitStack) -> list[HeldShard]:
    """Every shard of every generation in every process."""
    doors = [closing.enter_context(IndexDoor(address)) for address in target.addresses]
    return [HeldShard(door, state) for door in doors for state in door.shards()]


def _forget(shards: list[HeldShard]) -> None:
    asked = [(one, one.door.forget(one.state.shard)) for one in shards]
    deadline = time.monotonic() + FORGET_TIMEOUT_S
    for one, answer in asked:
        err.print(f"  [dim]… shard {one.state.shard} of {one.state.generation}, group {one.state.group}[/]")
        while (state := one.door.state(one.state.shard)) is None or state.forgets <= answer.forgets:
            if time.monotonic() > deadline:
                raise DeadlineExceeded("The shards are still at it; ask again later.")
            time.sleep(POLL_S)


async def _places(
    target: IndexTarget, client: TriremeClient, view: DocumentView, shards: list[HeldShard], *, forced: bool
) -> list[Place]:
    from runtime.generations import read_generations

    generations = list((await asyncio.to_thread(read_generations, target.kafka)).values())
    at_ms = max(stage.at_ms for stage in view.stages) if view.stages else time.time_ns() // 1_000_000
    places = await _store_places(target, view, generations, at_ms)
    for one in shards:
        name = f"shard {one.state.shard} of {one.state.generation}, group {one.state.group}"
        kept = "gone" if forced else "perhaps"
        places.append(Place(f"segments of {name}", kept, at_ms + SEGMENTS_S * 1000, "the shard's upkeep"))
        places.append(Place(f"snapshots of {name}", kept, at_ms + SNAPSHOTS_S * 1000, "the shard's upkeep"))
    places.append(await _cache_place(target, view, at_ms, forced=forced))
    letters = len(client.dead_letters(document=view.doc_id).letters)
    specs = [
        *fixed_topics(),
        *(topic for one in generations for topic in generation_topics(one.name, one.n_shards)),
    ]
    for spec in specs:
        if spec.name in _TOPICS_WITHOUT_DOCUMENTS:
            continue
        after_s = spec.gone_after_s
        by_ms = None if after_s is None else at_ms + after_s * 1000
        kept = f"{letters} letters" if spec.name.startswith("dlq") else "perhaps"
        who = "the broker's retention" if by_ms else "stays: names and states, no contents"
        places.append(Place(f"log {spec.name}", kept, by_ms, who))
    return places


async def _store_places(
    target: IndexTarget, view: DocumentView, generations: list[Generation], at_ms: int
) -> list[Place]:
    """Objects that are kept; of a removed document after a moment's patience with the joint updater."""
    from ingest.erasure import kept_objects
    from runtime.object_store import ObjectStore

    store = ObjectStore.from_url(target.objects_url)
    known = view.source is not None and view.collection is not None
    file_key = object_key(DEFAULT_TENANT, view.collection or "", view.source or "") if known else None
    deadline = time.monotonic() + (STORE_TIMEOUT_S if view.state in GONE else 0.0)
    while True:
        found = await kept_objects(store, view.doc_id, file_key, generations)
        if not any(found.values()) or time.monotonic() >= deadline:
            break
        await asyncio.sleep(POLL_S)
    return [
        Place(f"object store: {place}", f"{len(keys)} objects" if keys else "gone", at_ms, "the joint updater")
        for place, keys in found.items()
    ]


async def _cache_place(target: IndexTarget, view: DocumentView, at_ms: int, *, forced: bool) -> Place:
    from ingest.embedding.vector_cache import forget_vectors
    from ingest.erasure import remembered_answers

    by_ms, who = at_ms + CACHE_S * 1000, "their time in Redis"
    if target.redis_url is None:
        return Place("remembered answers", "gone", by_ms, who)
    try:
        if forced:
            await remembered_answers(target.redis_url, DEFAULT_TENANT, view.doc_id, remove=True)
            # Named by hashes, so they cannot be told apart; they are computed again as they are needed.
            await forget_vectors(target.redis_url)
        left = await remembered_answers(target.redis_url, DEFAULT_TENANT, view.doc_id, remove=False)
    except TriremeError:
        return Place("remembered answers", "perhaps", by_ms, who)
    return Place("remembered answers", f"{left} answers" if left else "gone", by_ms, who)


def _table(places: list[Place]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("place", "kept now", "gone by", "who takes it away"):
        table.add_column(heading)
    for place in places:
        if place.kept == "gone":
            by = "gone"
        elif place.by_ms is None:
            by = "stays"
        else:
            by = time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(place.by_ms / 1000))
        table.add_row(escape(place.name), place.kept, by, place.who)
    return table
