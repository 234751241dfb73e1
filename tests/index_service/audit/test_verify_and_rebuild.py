"""`trireme index verify` and `rebuild` on index processes as they run."""

import json

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from cli.index import app
from contracts.codec import encode
from contracts.ids import shard_of
from contracts.keys import item_key
from tests.index_service.building import inline, item_set, removal
from tests.index_service.running import SPACE, wait_for

pytestmark = pytest.mark.integration

VERSION = 2**40


@pytest.fixture
def rng():
    return np.random.default_rng(17)


def call(generation, processes, *arguments):
    """Exit status and JSON of a command for these processes."""
    doors = [part for one in processes for part in ("--door", f"127.0.0.1:{one.port}")]
    if arguments[0] == "verify":
        doors += ["--kafka", generation.bootstrap, "--objects", f"file://{generation.folder / 'objects'}"]
    result = CliRunner().invoke(app, [*arguments, *doors, "--json"], catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout)


def store(generation, document):
    """Put items where the joint updater would."""
    key = item_key(generation.name, document.doc_id, document.version, document.revision)
    path = generation.folder / "objects" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(document))
    return path


def found(report, shard, group=0):
    [one] = [one for one in report["shards"] if (one["shard"], one["group"]) == (shard, group)]
    return {(each["doc_id"], each["kind"]) for each in one["differences"]}


def test_differences_are_found_where_they_are_and_a_rebuild_mends_them(generation, rng):
    primaries = [generation.process(i) for i in range(3)]
    replica = generation.process(0, 1, 2, group=1)
    everyone = [*primaries, replica]
    for process in everyone:
        process.start()
    for process in everyone:
        process.becomes_ready()
    documents = [item_set(rng, generation.doc(i), VERSION + i, spec=generation.spec) for i in range(30)]
    paths = [store(generation, document) for document in documents]
    for document in documents:
        generation.feed(inline(document))
    gone = msgspec.structs.replace(
        removal(generation.doc(0), VERSION + 100), generation=generation.name, space_id=SPACE.space_id
    )
    generation.feed(gone)
    paths[0].unlink()
    wait_for("all applied", lambda: sum(one.readiness()[1]["items"] for one in primaries) == 29 * 3)

    status, report = call(generation, everyone, "verify")
    assert (status, report["agrees"], report["missing_shards"]) == (0, True, []), report
    assert sum(one["documents"] for one in report["shards"]) == 2 * 29
    assert sum(one["tombstones"] for one in report["shards"]) == 2
    assert call(generation, primaries[:2], "verify")[1]["missing_shards"] == [2]

    paths[1].unlink()
    store(generation, documents[0])
    unknown = item_set(rng, generation.doc(99), VERSION, spec=generation.spec)
    store(generation, unknown)
    newer = item_set(rng, generation.doc(2), VERSION + 500, spec=generation.spec)
    store(generation, newer)
    altered = msgspec.structs.replace(
        documents[3], items=(msgspec.structs.replace(documents[3].items[0], text="x"), *documents[3].items[1:])
    )
    store(generation, altered)
    turned = msgspec.structs.replace(
        documents[4],
        items=(
            msgspec.structs.replace(documents[4].items[0], vector=documents[4].items[1].vector),
            *documents[4].items[1:],
        ),
    )
    store(generation, turned)
    paths[5].write_bytes(b"no items")

    status, report = call(generation, everyone, "verify")

    expected = {
        (1, "not_stored"),
        (0, "left_in_store"),
        (99, "missing"),
        (2, "other_version"),
        (3, "other_payload"),
        (4, "other_vectors"),
        (5, "unreadable_items"),
    }
    assert status == 1
    for group in (0, 1):
        told = set().union(*(found(report, shard, group) for shard in range(3)))
        assert told == {(generation.doc(number), kind) for number, kind in expected}
        for number, kind in expected:
            assert (generation.doc(number), kind) in found(report, shard_of(generation.doc(number), 3), group)

    for number in (0, 1, 3, 4, 5):
        paths[number].unlink(missing_ok=True)
    for number in (1, 3, 4, 5):
        store(generation, documents[number])
    status, states = call(generation, everyone, "rebuild", "0", "1", "2")
    assert status == 0
    assert {state["rebuilds"] for state in states} == {2}
    status, report = call(generation, everyone, "verify")
    assert (status, report["agrees"]) == (0, True), report
    assert sum(one["documents"] for one in report["shards"]) == 2 * 30


def test_a_rebuild_brings_nothing_back_that_was_removed(generation, rng):
    process = generation.process(0, 1, 2)
    process.start()
    process.becomes_ready()
    document = item_set(rng, generation.doc(1), VERSION, spec=generation.spec)
    store(generation, document)
    generation.feed(inline(document))
    wait_for("it is there", lambda: process.readiness()[1]["items"] == 3)
    generation.feed(
        msgspec.structs.replace(
            removal(document.doc_id, VERSION, 2, op="expire"),
            generation=generation.name,
            space_id=SPACE.space_id,
        )
    )
    wait_for("it is gone", lambda: process.readiness()[1]["items"] == 0)
    call(generation, [process], "rebuild", "0", "1", "2")
    assert process.readiness()[1]["items"] == 0
