"""`trireme index expire` on a real index process: touches in, tombstones out, and the document may come again."""

import asyncio
import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from cli.index import app
from contracts.codec import encode
from contracts.errors import Conflict
from contracts.generations import Generation as Announced
from contracts.ids import shard_of
from contracts.keys import item_key
from contracts.status import fold
from contracts.topics import index_touches
from contracts.touches import DAY_MS, Touches, day_of
from index_service.clock import now_ms
from runtime.generations import publish_generation
from runtime.object_store import ObjectStore
from tests.index_service.building import inline, item_set
from tests.index_service.running import SPACE, wait_for

pytestmark = pytest.mark.integration

VERSION = 2**40
OLD_MS = now_ms() - 200 * DAY_MS


@pytest.fixture
def rng():
    return np.random.default_rng(29)


def expire(generation, process, *arguments):
    where = ("--door", f"127.0.0.1:{process.port}", "--kafka", generation.bootstrap)
    store = ("--objects", f"file://{generation.folder / 'objects'}")
    result = CliRunner().invoke(app, ["expire", *arguments, *where, *store, "--json"], catch_exceptions=False)
    return json.loads(result.stdout)


def touch(generation, doc_id, day):
    message = Touches(tenant="default", generation=generation.name, day=day, doc_ids=(doc_id,))
    partition = shard_of(doc_id, generation.n_shards)
    generation.producer.send(index_touches(generation.name), message, partition=partition)


def add(generation, document):
    store = ObjectStore.from_url(f"file://{generation.folder / 'objects'}")
    key = item_key(generation.name, document.doc_id, document.version, document.revision)
    asyncio.run(store.put(key, encode(document)))
    generation.feed(inline(document))


def counted(process):
    lines = [line for line in process.metrics().splitlines() if line.startswith("trireme_index_touches_total")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_an_unused_document_expires_even_after_snapshots_were_lost_and_may_come_again(generation, rng):
    process = generation.process(0, 1, 2)
    process.start()
    process.becomes_ready()
    publish_generation(
        generation.producer,
        Announced(
            tenant="default",
            name=generation.name,
            space_id=SPACE.space_id,
            n_shards=3,
            state="serving",
            created_ms=1,
        ),
    )
    today = day_of(now_ms())
    unused, used, young = (
        item_set(rng, generation.doc(i), VERSION + i, added_ms=added_ms, spec=generation.spec)
        for i, added_ms in enumerate((OLD_MS, OLD_MS, now_ms()))
    )
    for document, day in ((unused, today - 150), (used, today - 10), (used, today - 150), (young, today - 150)):
        touch(generation, document.doc_id, day)
    wait_for("the touches are counted", lambda: counted(process) == 4)
    for document in (unused, used, young):
        add(generation, document)
    wait_for("all are there", lambda: process.readiness()[1]["items"] == 9)

    process.terminate()
    for folder in (generation.folder / "index-0-0-1-2" / generation.name).glob("shard-*/0*"):
        shutil.rmtree(folder)
    process.start()
    process.becomes_ready()
    assert process.readiness()[1]["items"] == 9

    dry = expire(generation, process)
    assert (dry["documents"], [one["doc_id"] for one in dry["unused"]]) == (3, [unused.doc_id])
    assert dry["expired"] == 0
    with pytest.raises(Conflict, match="1 of 3"):
        expire(generation, process, "--run")
    assert process.readiness()[1]["items"] == 9

    assert expire(generation, process, "--run", "--max-share", "0.5")["expired"] == 1

    wait_for("it is gone", lambda: process.readiness()[1]["items"] == 6)
    again = expire(generation, process, "--run")
    assert (again["documents"], again["unused"]) == (2, [])
    mine = [event for event in generation.statuses() if event.doc_id == unused.doc_id]
    assert fold(mine).state == "expired"

    uploaded = item_set(rng, unused.doc_id, VERSION + 50, added_ms=now_ms(), spec=generation.spec)
    add(generation, uploaded)

    wait_for("it is back", lambda: process.readiness()[1]["items"] == 9)
    mine = [event for event in generation.statuses() if event.doc_id == unused.doc_id]
    assert (fold(mine).state, fold(mine).visible_version) == ("indexed", VERSION + 50)
    assert expire(generation, process)["unused"] == []
