"""Index processes as they run: over a real broker, killed, stopped, started again."""

import msgspec
import numpy as np
import pytest
from confluent_kafka.admin import AdminClient

from contracts.codec import encode
from contracts.ids import shard_of
from contracts.items import upsert
from contracts.keys import item_key
from contracts.status import fold
from contracts.topics import generation_topics, index_updates
from runtime.topics_admin import ensure_topics
from tests.index_service.building import inline, item_set, items, query_vector, removal
from tests.index_service.running import SPACE, wait_for

pytestmark = pytest.mark.integration

VERSION = 2**40


@pytest.fixture
def rng():
    return np.random.default_rng(91)


def delete(generation, doc_id, version):
    return msgspec.structs.replace(removal(doc_id, version), generation=generation.name, space_id=SPACE.space_id)


def names(documents):
    return {(d.doc_id, d.version, item.item_id) for d in documents for item in d.items}


def finds(generation, expected, *, group=0):
    """Wait until a search over all shards finds exactly these items."""
    vector = query_vector(np.random.default_rng(0))

    def found():
        replies = generation.ask(vector, group=group, timeout_s=2)
        ok = len(replies) == generation.n_shards and all(r.outcome == "ok" for r in replies.values())
        return ok and {(h.doc_id, h.version, h.item_id) for r in replies.values() for h in r.hits} == expected

    wait_for(f"group {group} finds {len(expected)} items", found, 60)


def start(*processes):
    for process in processes:
        process.start()
    for process in processes:
        process.becomes_ready()


def test_updates_become_searchable_everywhere_and_the_primaries_alone_say_so(generation, rng):
    primaries = [generation.process(i) for i in range(3)]
    replica = generation.process(0, 1, 2, group=1)
    start(*primaries, replica)
    documents = [item_set(rng, generation.doc(i), VERSION + i, spec=generation.spec) for i in range(40)]
    large = replace_items(documents[0], items(rng, n_text=4000, n_pictures=0))
    key = item_key(generation.name, large.doc_id, large.version, large.revision)
    (generation.folder / "objects" / key).parent.mkdir(parents=True)
    (generation.folder / "objects" / key).write_bytes(encode(large))

    for document in documents[1:]:
        generation.feed(inline(document))
    finds(generation, names(documents[1:]))
    finds(generation, names(documents[1:]), group=1)
    generation.feed(upsert(large, key))
    generation.feed(delete(generation, generation.doc(1), VERSION + 100))

    shard = primaries[shard_of(large.doc_id, 3)]
    wait_for("the large document", lambda: shard.readiness()[1]["items"] >= 4000)
    finds_no(generation, generation.doc(1))
    mine = {document.doc_id for document in documents}

    def told():
        return [event for event in generation.statuses() if event.doc_id in mine]

    wait_for("all statuses", lambda: len(told()) >= len(documents) + 1)
    assert len(told()) == len(documents) + 1
    events = {(event.doc_id, event.version): event for event in told()}
    assert {event.state for event in events.values()} == {"done"}
    assert events[large.doc_id, large.version].count == 4000
    assert events[generation.doc(1), VERSION + 100].op == "delete"
    assert 'trireme_index_updates_total{outcome="applied",shard="0"}' in primaries[0].metrics()
    assert "faiss_index_cpu{" in replica.metrics()


def finds_no(generation, doc_id):
    vector = query_vector(np.random.default_rng(0))
    wait_for(
        f"{doc_id} is gone",
        lambda: doc_id not in {one for one, _, _ in generation.everything(vector)},
    )


def replace_items(document, new_items):
    return msgspec.structs.replace(document, items=new_items)


def test_kill_9_at_any_time_loses_nothing_and_resurrects_nothing(generation, rng):
    # So small that each shard seals and merges all the time.
    index = '{"seal_rows": 12, "flat_below": 16, "graph_from": 64, "tail_rows": 64, "max_segments": 1}'
    processes = [generation.process(i, snapshot_every_updates="15", index=index) for i in range(3)]
    replica = generation.process(0, 1, 2, group=1, snapshot_every_updates="25", index=index)
    everyone = [*processes, replica]
    start(*everyone)
    model, versions = {}, [VERSION] * 25
    for step in range(320):
        victim = everyone[step // 40 % 4]
        if step % 40 == 20:
            victim.becomes_ready()
        if step == 130:
            # Every merge is a process of its own: on two busy cores they take their time.
            wait_for(
                "a snapshot of each",
                lambda: all("snapshot_written" in one.log.read_text() for one in everyone),
                timeout_s=120.0,
            )
        number = int(rng.integers(25))
        versions[number] += 1
        if rng.random() < 0.25:
            generation.feed(delete(generation, generation.doc(number), versions[number]))
            model[number] = None
        else:
            document = item_set(rng, generation.doc(number), versions[number], spec=generation.spec)
            generation.feed(inline(document))
            model[number] = document
        if step % 40 == 39:
            victim.kill()
            victim.start()
    for process in everyone:
        process.becomes_ready()
        assert "snapshot_loaded" in process.log.read_text()
    for what in ("delta_sealed", "segments_merged"):
        assert any(what in process.log.read_text() for process in everyone)

    visible = [document for document in model.values() if document is not None]
    finds(generation, names(visible))
    finds(generation, names(visible), group=1)
    told = {}
    for event in generation.statuses():
        told.setdefault(event.doc_id, []).append(event)
    for number, document in model.items():
        status = fold(told[generation.doc(number)])
        assert status.state == ("deleted" if document is None else "indexed")
        assert status.visible_version == (None if document is None else document.version)


def test_sigterm_saves_and_the_next_start_goes_on_from_there(generation, rng):
    process = generation.process(0, 1, 2)
    start(process)
    documents = [item_set(rng, generation.doc(i), VERSION, spec=generation.spec) for i in range(30)]
    for document in documents:
        generation.feed(inline(document))
    finds(generation, names(documents))

    status, took_s = process.terminate()
    assert status == 0, process.words()
    assert took_s < 10
    snapshots = generation.folder / "index-0-0-1-2" / generation.name
    assert sorted(path.name for path in snapshots.glob("*/*/manifest.json")) == ["manifest.json"] * 3

    generation.feed(delete(generation, generation.doc(0), VERSION + 1))
    start(process)
    finds(generation, names(documents[1:]))
    assert process.log.read_text().count("snapshot_loaded") == 3
    assert process.log.read_text().count("shard_rebuilt") == 3


def test_damaged_snapshot_costs_time_and_no_document(generation, rng):
    process = generation.process(0, 1, 2)
    start(process)
    documents = [item_set(rng, generation.doc(i), VERSION, spec=generation.spec) for i in range(12)]
    for document in documents:
        generation.feed(inline(document))
    finds(generation, names(documents))
    process.terminate()
    for path in (generation.folder / "index-0-0-1-2").glob("*/*/*/vectors.bin"):
        path.write_bytes(path.read_bytes()[:-1])

    start(process)

    finds(generation, names(documents))
    assert "snapshot_not_used" in process.log.read_text()


def bad_updates(generation, rng):
    """(document, bytes of an update that no shard may take, the cause that is told)."""

    def document(number):
        return item_set(rng, generation.doc(number), VERSION, spec=generation.spec)

    def broken(one, **changes):
        return replace_items(one, (msgspec.structs.replace(one.items[0], **changes), *one.items[1:]))

    narrow, nan, foreign, future, gone, altered = (document(number) for number in range(6))
    dim = generation.spec.dim
    yield narrow, encode(inline(broken(narrow, vector=b"\0" * 2 * (dim - 1)))), "bad_message"
    yield nan, encode(inline(broken(nan, vector=b"\xff\x7f" * dim))), "bad_message"
    yield foreign, encode(msgspec.structs.replace(inline(foreign), space_id="another")), "space_mismatch"
    yield future, encode(msgspec.structs.replace(inline(future), schema=99)), "bad_message"
    for one, cause in ((gone, "items_missing"), (altered, "items_altered")):
        large = replace_items(one, items(rng, n_text=4000, n_pictures=0))
        key = item_key(generation.name, large.doc_id, large.version, large.revision)
        if cause == "items_altered":
            (generation.folder / "objects" / key).parent.mkdir(parents=True)
            (generation.folder / "objects" / key).write_bytes(encode(large)[:-1] + b"\0")
        yield one, encode(upsert(large, key)), cause


def test_bad_updates_are_refused_counted_and_dead_lettered_and_the_shards_go_on(generation, rng):
    process = generation.process(0, 1, 2)
    start(process)
    expected = {}
    for document, value, cause in bad_updates(generation, rng):
        generation.feed_bytes(value, shard_of(document.doc_id, 3), key=document.doc_id)
        expected[document.doc_id] = cause
    generation.feed_bytes(b"\xc1", 0, key="nobody")
    expected["nobody"] = "bad_message"
    good = [item_set(rng, generation.doc(i), VERSION, spec=generation.spec) for i in range(10, 30)]
    for document in good:
        generation.feed(inline(document))

    finds(generation, names(good))
    wait_for("all dead letters", lambda: len(letters(generation)) >= len(expected))
    assert {letter.doc_id: letter.cause for letter in letters(generation)} == expected
    assert all(letter.payload and letter.reason for letter in letters(generation))
    told = {event.doc_id: event for event in generation.statuses() if event.doc_id in expected}
    # Nobody can say which document a record of another schema, or of none, is about.
    unknown = {"nobody", generation.doc(3)}
    assert {doc_id: event.cause for doc_id, event in told.items()} == {
        doc_id: cause for doc_id, cause in expected.items() if doc_id not in unknown
    }
    assert {event.state for event in told.values()} == {"failed"}
    metrics = process.metrics()
    assert counted(metrics, "trireme_index_updates_total", outcome="refused") == 5
    assert counted(metrics, "trireme_index_updates_total", outcome="parked") == 2
    assert counted(metrics, "trireme_dead_letters_total", stage="shard") == 7

    generation.feed(inline(item_set(rng, generation.doc(1), VERSION + 1, spec=generation.spec)))
    wait_for("a good version of a bad document", lambda: process.readiness()[1]["items"] == 21 * 3)
    process.terminate()
    start(process)
    assert process.readiness()[1]["items"] == 21 * 3


def counted(metrics, name, **labels):
    """Sum of a metric's samples that have these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    lines = [line for line in metrics.splitlines() if line.startswith(f"{name}{{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(part in line for part in wanted))


def letters(generation):
    return [one for one in generation.dead_letters() if one.origin_topic == index_updates(generation.name)]


def test_search_for_something_else_is_refused_with_a_reason(generation, rng):
    start(generation.process(0, 1, 2))
    vector = query_vector(rng)
    for changes in ({"space_id": "another"}, {"vector": b"\0\0\0\0"}):
        replies = generation.ask(vector, **changes)
        assert {reply.outcome for reply in replies.values()} == {"failed"}
        assert all(reply.reason for reply in replies.values())
    assert generation.ask(vector, timeout_s=1, deadline_ms=1) == {}
    assert generation.ask(vector, timeout_s=1, generation="another") == {}
    assert len(generation.ask(vector, shards=(1,), timeout_s=2)) == 1


def test_recreated_topic_rebuilds_from_the_object_store(generation, rng):
    process = generation.process(0, 1, 2)
    start(process)
    documents = [item_set(rng, generation.doc(i), VERSION, spec=generation.spec) for i in range(9)]
    for document in documents:
        generation.feed(inline(document))
    finds(generation, names(documents))
    process.terminate()
    for document in documents[1:]:
        key = item_key(generation.name, document.doc_id, document.version, document.revision)
        (generation.folder / "objects" / key).parent.mkdir(parents=True)
        (generation.folder / "objects" / key).write_bytes(encode(document))
    recreate(generation)

    start(process)

    finds(generation, names(documents[1:]))
    newer = item_set(rng, generation.doc(1), VERSION + 1, spec=generation.spec)
    generation.feed(inline(newer))
    finds(generation, names([newer, *documents[2:]]))


def recreate(generation):
    topic = index_updates(generation.name)
    admin = AdminClient({"bootstrap.servers": generation.bootstrap})
    admin.delete_topics([topic])[topic].result(20)
    wait_for("the topic is gone", lambda: topic not in admin.list_topics(timeout=5).topics)
    ensure_topics(generation.bootstrap, generation_topics(generation.name, generation.n_shards), timeout_s=30)
    generation.producer.close()
    generation.producer = type(generation.producer)(generation.bootstrap, "test-feeder")
