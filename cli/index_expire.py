"""`trireme index expire`: documents that nobody has seen in an answer for long."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import JsonOption, err, out, print_json
from cli.index_target import (
    DoorOption,
    GenerationOption,
    HeldShard,
    IndexTarget,
    KafkaOption,
    ObjectsOption,
    RedisOption,
    index_target,
)
from cli.target import HomeOption
from contracts.touches import DAY_MS, day_of

if TYPE_CHECKING:
    from contracts.index_door import UnusedDocument

UNUSED_DAYS = 90
MAX_SHARE = 0.1
SHOWN = 20


def run(
    really: Annotated[
        bool, typer.Option("--run/--dry-run", help="Expire them, or (the default) only show what would expire.")
    ] = False,
    added_days: Annotated[
        int, typer.Option("--added-days", min=1, help="Spare documents that were added within so many days.")
    ] = UNUSED_DAYS,
    unused_days: Annotated[
        int, typer.Option("--unused-days", min=1, help="Spare documents that answers showed within so many days.")
    ] = UNUSED_DAYS,
    max_share: Annotated[
        float, typer.Option("--max-share", min=0, max=1, help="Refuse to expire more than this share at once.")
    ] = MAX_SHARE,
    doors: DoorOption = None,
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    redis: RedisOption = None,
    generation: GenerationOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove documents that are old and that no answer has shown for long.

    Shown means: in the final list of hits of a search or an answer, from the cache too. Where nothing is known of
    a document (its shard lost its disk), counting begins on that day.
    """
    from ingest.expiry import require_modest

    target = index_target(home, doors=doors, kafka=kafka, objects=objects, redis=redis, generation=generation)
    now_ms = time.time_ns() // 1_000_000
    added_before_ms = now_ms - added_days * DAY_MS
    with ExitStack() as closing:
        shards = target.primaries(closing)
        documents, unused = _unused(shards, added_before_ms, day_of(now_ms) - unused_days)
    expired = 0
    if really:
        require_modest(len(unused), documents, max_share)
        expired = asyncio.run(_expire(target, unused, added_before_ms))
    if as_json:
        print_json({"documents": documents, "unused": unused, "expired": expired})
        return
    _print(unused)
    done = f"{expired} expired." if really else "Nothing was changed; --run expires them."
    out.print(f"{len(unused)} of {documents} documents are unused. {done}")


def _unused(
    shards: list[HeldShard], added_before_ms: int, accessed_before_day: int
) -> tuple[int, list[UnusedDocument]]:
    """How many documents there are, and those that nobody uses."""
    documents = 0
    unused: list[UnusedDocument] = []
    for one in shards:
        pages = one.door.unused(
            one.state.shard, added_before_ms=added_before_ms, accessed_before_day=accessed_before_day
        )
        for page in pages:
            documents += page.documents or 0
            unused += page.unused
    return documents, unused


async def _expire(target: IndexTarget, unused: list[UnusedDocument], added_before_ms: int) -> int:
    from ingest.expiry import Expiry
    from ingest.gone import NoGoneList, RedisGoneList
    from ingest.live_generations import live
    from runtime.generations import read_generations
    from runtime.kafka_producer import KafkaProducer
    from runtime.object_store import ObjectStore

    if not target.redis_url:
        err.print("[yellow]Without --redis remembered answers may show expired documents for a day.[/]")
    gone = RedisGoneList(target.redis_url, clock=time.monotonic) if target.redis_url else NoGoneList()
    generations = live(list((await asyncio.to_thread(read_generations, target.kafka)).values()))
    producer = KafkaProducer(target.kafka, "index-expire")
    try:
        store = ObjectStore.from_url(target.objects_url)
        return await Expiry(store, producer, gone, generations, written_before_ms=added_before_ms).run(unused)
    finally:
        producer.close()
        await gone.close()


def _print(unused: list[UnusedDocument]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "document", "collection", "added", "last shown"):
        table.add_column(heading, no_wrap=heading == "id")
    for one in unused[:SHOWN]:
        added = _date(one.added_ms // DAY_MS)
        table.add_row(one.doc_id, escape(one.source_key), escape(one.collection), added, _date(one.accessed_day))
    if unused:
        out.print(table)
    if len(unused) > SHOWN:
        out.print(f"[dim]… and {len(unused) - SHOWN} more; --json prints all of them.[/]")


def _date(day: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(day * DAY_MS / 1000))
