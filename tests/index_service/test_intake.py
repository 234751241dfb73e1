"""Records from bytes to effect: claims, lost claims, refusals, and what the world is told."""

import msgspec
import numpy as np
import pytest

from contracts.codec import decode, encode
from contracts.documents import DeadLetter
from contracts.errors import DependencyDown, NotFound
from contracts.ids import partition_of
from contracts.items import INLINE_LIMIT_BYTES, IndexUpdate, upsert
from contracts.keys import item_key
from contracts.status import StageEvent, fold
from contracts.topics import DEAD_LETTERS, DOCUMENT_STATUS, STATUS_PARTITIONS
from index_service.hosted import HostedShard
from index_service.intake import settle_parked, take
from index_service.shard import Shard
from index_service.snapshot import LogPosition, newest_snapshot
from tests.index_service.building import SPEC, doc, inline, item_set, items, record, removal

AT_MS = 1234


class Store:
    """Objects in a dictionary; `down` makes every call fail like an unreachable store."""

    def __init__(self):
        self.objects = {}
        self.down = False
        self.calls = 0

    def fetch(self, key):
        self.calls += 1
        if self.down:
            raise DependencyDown("object_store")
        if key not in self.objects:
            raise NotFound("no such object")
        return self.objects[key]


@pytest.fixture
def rng():
    return np.random.default_rng(51)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def hosted(tmp_path):
    return HostedShard(SPEC, tmp_path, Shard(SPEC), position=LogPosition("cluster/topic", 0))


def claimed(rng, doc_id, version, revision=1):
    """An item set that is too large for the log, and its update."""
    document = msgspec.structs.replace(
        item_set(rng, doc_id, version, revision), items=items(rng, n_text=4000, n_pictures=0)
    )
    update = upsert(document, item_key(SPEC.generation, doc_id, version, revision))
    assert update.claim is not None
    assert len(encode(document)) > INLINE_LIMIT_BYTES
    return update, encode(document)


def only_status(taken):
    [notice] = taken.notices
    assert isinstance(notice.message, StageEvent)
    assert (notice.topic, notice.partition) == (
        DOCUMENT_STATUS,
        partition_of(notice.message.doc_id, STATUS_PARTITIONS),
    )
    assert notice.key == f"{notice.message.doc_id}|{notice.message.version}|shard"
    return notice.message


def test_applied_update_is_told_as_done(hosted, store, rng):
    document = item_set(rng, doc(1), 3, n_text=2, n_pictures=1, content_type="application/pdf")
    taken = take(hosted, record(inline(document), 0), store.fetch, AT_MS)
    event = only_status(taken)
    assert taken.outcome == "applied"
    assert (event.stage, event.state, event.op, event.version, event.revision) == ("shard", "done", "upsert", 3, 1)
    assert (event.count, event.content_type, event.at_ms) == (3, "application/pdf", AT_MS)
    assert hosted.position.next_offset == 1


def test_delete_is_told_as_done_and_folds_to_deleted(hosted, store, rng):
    put_event = only_status(take(hosted, record(inline(item_set(rng, doc(1), 1)), 0), store.fetch, AT_MS))
    gone_event = only_status(take(hosted, record(removal(doc(1), 2), 1), store.fetch, AT_MS))
    assert fold([put_event]).state == "indexed"
    assert fold([put_event, gone_event]).state == "deleted"


def test_replayed_update_is_told_again_because_the_first_telling_may_be_lost(hosted, store, rng):
    update = inline(item_set(rng, doc(1), 1))
    first = only_status(take(hosted, record(update, 0), store.fetch, AT_MS))
    again = take(hosted, record(update, 0), store.fetch, AT_MS)
    assert again.outcome == "duplicate"
    assert msgspec.structs.replace(only_status(again), trace_id=first.trace_id) == first


def test_older_version_is_told_as_superseded_and_a_lower_revision_not_at_all(hosted, store, rng):
    take(hosted, record(inline(item_set(rng, doc(1), 2, 1)), 0), store.fetch, AT_MS)
    older = only_status(take(hosted, record(inline(item_set(rng, doc(1), 1)), 1), store.fetch, AT_MS))
    lower = take(hosted, record(inline(item_set(rng, doc(1), 2, 0)), 2), store.fetch, AT_MS)
    assert (older.version, older.state) == (1, "superseded")
    assert (lower.outcome, lower.notices) == ("late", [])


def test_claimed_items_are_fetched_and_applied(hosted, store, rng):
    update, data = claimed(rng, doc(1), 1)
    store.objects[update.claim.key] = data
    assert take(hosted, record(update, 0), store.fetch, AT_MS).outcome == "applied"
    assert hosted.shard.n_items == 4000


def test_claim_that_is_no_news_is_not_fetched(hosted, store, rng):
    take(hosted, record(inline(item_set(rng, doc(1), 5)), 0), store.fetch, AT_MS)
    update, _ = claimed(rng, doc(1), 4)
    assert take(hosted, record(update, 1), store.fetch, AT_MS).outcome == "late"
    assert store.calls == 0


def test_record_waits_while_the_object_store_is_down(hosted, store, rng):
    update, data = claimed(rng, doc(1), 1)
    store.objects[update.claim.key] = data
    store.down = True
    with pytest.raises(DependencyDown):
        take(hosted, record(update, 0), store.fetch, AT_MS)
    assert hosted.position.next_offset == 0
    store.down = False
    assert take(hosted, record(update, 0), store.fetch, AT_MS).outcome == "applied"


@pytest.mark.parametrize("fault", ["gone", "rewritten"])
def test_lost_claim_is_no_error_when_something_newer_follows(hosted, store, rng, fault):
    update, data = claimed(rng, doc(1), 1)
    if fault == "rewritten":
        store.objects[update.claim.key] = data + b"x"
    assert take(hosted, record(update, 0), store.fetch, AT_MS).outcome == "parked"
    hosted.see_log_end(2)
    assert settle_parked(hosted, AT_MS) == []
    take(hosted, record(inline(item_set(rng, doc(1), 2)), 1), store.fetch, AT_MS)
    assert settle_parked(hosted, AT_MS) == []
    assert hosted.parked == []


@pytest.mark.parametrize(("fault", "cause"), [("gone", "items_missing"), ("rewritten", "items_altered")])
def test_lost_claim_is_dead_lettered_when_nothing_newer_followed(hosted, store, rng, fault, cause):
    update, data = claimed(rng, doc(1), 1)
    if fault == "rewritten":
        store.objects[update.claim.key] = data[:-1] + b"x"
    take(hosted, record(update, 0), store.fetch, AT_MS)
    assert settle_parked(hosted, AT_MS) == []
    hosted.see_log_end(2)
    take(hosted, record(inline(item_set(rng, doc(2), 1)), 1), store.fetch, AT_MS)
    letter, status = (notice.message for notice in settle_parked(hosted, AT_MS))
    assert (letter.cause, letter.doc_id, letter.uri) == (cause, doc(1), update.claim.key)
    assert (status.state, status.cause) == ("failed", cause)
    assert settle_parked(hosted, AT_MS) == []


def test_snapshot_stands_before_a_parked_update(hosted, store, rng):
    take(hosted, record(inline(item_set(rng, doc(1), 1)), 0), store.fetch, AT_MS)
    update, _ = claimed(rng, doc(2), 1)
    take(hosted, record(update, 1), store.fetch, AT_MS)
    take(hosted, record(inline(item_set(rng, doc(3), 1)), 2), store.fetch, AT_MS)
    hosted.save(AT_MS)
    assert newest_snapshot(hosted.directory, SPEC).position.next_offset == 1


def with_vector(document, vector):
    """The inline update of a document whose first item has this vector."""
    broken = msgspec.structs.replace(document.items[0], vector=vector)
    return encode(inline(msgspec.structs.replace(document, items=(broken, *document.items[1:]))))


def with_items(update, document, **changes):
    """The update, with items that differ from what it announces."""
    return encode(msgspec.structs.replace(update, inline=encode(msgspec.structs.replace(document, **changes))))


BAD_RECORDS = {
    "not_msgpack": lambda update, document: b"\xc1 this is no record",
    "empty": lambda update, document: b"",
    "newer_schema": lambda update, document: encode(msgspec.structs.replace(update, schema=99)),
    "another_space": lambda update, document: encode(msgspec.structs.replace(update, space_id="space-b")),
    "inline_is_no_item_set": lambda update, document: encode(msgspec.structs.replace(update, inline=b"\x00")),
    "vector_too_short": lambda update, document: with_vector(document, b"\0" * (SPEC.vector_bytes - 2)),
    "vector_too_long": lambda update, document: with_vector(document, b"\0" * (SPEC.vector_bytes + 2)),
    "vector_of_nan": lambda update, document: with_vector(document, b"\xff\x7f" * SPEC.dim),
    "one_infinite_value": lambda update, document: with_vector(document, b"\0\x7c" + b"\0\0" * (SPEC.dim - 1)),
    "newer_schema_of_items": lambda update, document: with_items(update, document, schema=99),
    "items_of_another_space": lambda update, document: with_items(update, document, space_id="space-b"),
    "items_of_another_version": lambda update, document: with_items(update, document, version=9),
    "negative_version": lambda update, document: encode(msgspec.structs.replace(update, version=-1)),
    "no_way_to_the_items": lambda update, document: encode(msgspec.structs.replace(update, inline=None)),
    "unknown_operation": lambda update, document: encode(update).replace(b"upsert", b"upsurt"),
    "an_item_twice": lambda update, document: with_items(update, document, items=document.items[:1] * 2),
}


@pytest.mark.parametrize("fault", BAD_RECORDS)
def test_bad_record_is_dead_lettered_and_the_shard_goes_on(hosted, store, rng, fault):
    document = item_set(rng, doc(1), 1)
    update = inline(document)
    value = BAD_RECORDS[fault](update, document)

    taken = take(hosted, record(update, 0, value=value), store.fetch, AT_MS)

    letter = taken.notices[0].message
    assert taken.outcome == "refused"
    assert (taken.notices[0].topic, taken.notices[0].key) == (DEAD_LETTERS, doc(1))
    assert isinstance(letter, DeadLetter)
    assert (letter.stage, letter.payload, letter.doc_id) == ("shard", value, doc(1))
    assert letter.cause == ("space_mismatch" if fault == "another_space" else "bad_message")
    assert take(hosted, record(update, 1), store.fetch, AT_MS).outcome == "applied"


def test_refused_update_of_a_known_document_is_told_as_failed(hosted, store, rng):
    update = msgspec.structs.replace(inline(item_set(rng, doc(1), 4)), generation="g9")
    taken = take(hosted, record(update, 0), store.fetch, AT_MS)
    status = taken.notices[1].message
    assert (status.state, status.version, status.cause) == ("failed", 4, "bad_message")
    assert "generation" in status.reason


def test_dead_letter_can_be_read_back_and_requeued(hosted, store, rng):
    update = inline(item_set(rng, doc(1), 1))
    taken = take(hosted, record(msgspec.structs.replace(update, space_id="space-b"), 0), store.fetch, AT_MS)
    letter = decode(DeadLetter, encode(taken.notices[0].message))
    again = decode(IndexUpdate, letter.payload)
    assert (again.doc_id, again.version, letter.origin_topic) == (doc(1), 1, "index_updates.g1")
