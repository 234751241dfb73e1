"""What a shard accepts, what wins, and what a search sees while updates arrive."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from contracts.errors import BadMessage, SpaceMismatch
from contracts.ids import shard_of
from index_service.hits import HITS_WITH_TEXT
from index_service.shard import Shard
from tests.index_service.building import (
    DIM,
    SPEC,
    doc,
    inline,
    item_set,
    items,
    put,
    query,
    query_vector,
    removal,
)

change = msgspec.structs.replace


@pytest.fixture
def rng():
    return np.random.default_rng(31)


@pytest.fixture
def shard():
    return Shard(SPEC)


def searchable(shard):
    [answer] = shard.search([query(query_vector(np.random.default_rng(0)), 1000)])
    return {(hit.doc_id, hit.version, hit.item_id) for hit in answer.hits}


def test_higher_version_replaces_all_items_of_the_lower(shard, rng):
    put(shard, item_set(rng, doc(1), 1, n_text=5))
    put(shard, item_set(rng, doc(1), 2, n_text=1, n_pictures=0))
    assert searchable(shard) == {(doc(1), 2, "t0")}
    assert shard.n_items == 1


def test_joined_revision_replaces_the_one_sided_one(shard, rng):
    put(shard, item_set(rng, doc(1), 1, revision=0, n_text=2, n_pictures=0))
    put(shard, item_set(rng, doc(1), 1, revision=1, n_text=2, n_pictures=2))
    assert {item for _, _, item in searchable(shard)} == {"t0", "t1", "p0", "p1"}


@pytest.mark.parametrize(("version", "revision"), [(1, 1), (2, 0)])
def test_late_update_changes_nothing(shard, rng, version, revision):
    put(shard, item_set(rng, doc(1), 2, revision=1))
    before = searchable(shard)
    late = item_set(rng, doc(1), version, revision, n_text=9)
    applied = shard.apply(inline(late), late)
    assert (applied.outcome, applied.version, applied.revision) == ("late", 2, 1)
    assert searchable(shard) == before


def test_equal_pair_is_a_duplicate_even_with_other_items(shard, rng):
    put(shard, item_set(rng, doc(1), 1, n_text=2, n_pictures=0))
    again = item_set(rng, doc(1), 1, n_text=7)
    applied = shard.apply(inline(again), again)
    assert (applied.outcome, applied.count) == ("duplicate", 2)
    assert shard.n_items == 2


@pytest.mark.parametrize("op", ["delete", "expire"])
def test_tombstone_removes_and_outlives_late_items(shard, rng, op):
    put(shard, item_set(rng, doc(1), 1))
    applied = shard.apply(removal(doc(1), 1, 2, op=op), None)
    assert (applied.outcome, applied.op, applied.count) == ("applied", op, 0)
    late = item_set(rng, doc(1), 1, revision=1)
    assert shard.apply(inline(late), late).outcome == "late"
    assert searchable(shard) == set()


def test_newer_version_follows_a_tombstone(shard, rng):
    shard.apply(removal(doc(1), 5), None)
    put(shard, item_set(rng, doc(1), 6, n_text=1, n_pictures=0))
    assert searchable(shard) == {(doc(1), 6, "t0")}


def test_document_without_items_is_held_but_finds_nothing(shard, rng):
    put(shard, item_set(rng, doc(1), 1))
    put(shard, item_set(rng, doc(1), 2, n_text=0, n_pictures=0))
    assert searchable(shard) == set()
    assert shard.precedence(removal(doc(1), 2)) == "duplicate"


def test_search_of_an_empty_shard_finds_nothing(shard, rng):
    [answer] = shard.search([query(query_vector(rng))])
    assert (answer.hits, answer.scanned) == ((), 0)


def with_vector(items_of, data):
    return change(items_of, items=(change(items_of.items[0], vector=data), *items_of.items[1:]))


NOT_A_NUMBER = np.full(DIM, np.nan, dtype=np.float16).tobytes()
INFINITE = np.full(DIM, np.inf, dtype=np.float16).tobytes()
TOO_WIDE = np.zeros(DIM + 1, dtype=np.float16).tobytes()
REFUSED = {
    "vector_of_nan": lambda u, s: (u, with_vector(s, NOT_A_NUMBER)),
    "infinite_vector": lambda u, s: (u, with_vector(s, INFINITE)),
    "vector_too_wide": lambda u, s: (u, with_vector(s, TOO_WIDE)),
    "vector_empty": lambda u, s: (u, with_vector(s, b"")),
    "same_item_id_twice": lambda u, s: (u, change(s, items=(s.items[0], s.items[0]))),
    "items_of_another_document": lambda u, s: (u, change(s, doc_id=doc(9))),
    "items_of_another_version": lambda u, s: (u, change(s, version=99)),
    "items_of_another_tenant": lambda u, s: (u, change(s, tenant="other")),
    "items_of_another_space": lambda u, s: (u, change(s, space_id="space-b")),
    "another_generation": lambda u, s: (change(u, generation="g2"), s),
    "time_beyond_all_times": lambda u, s: (u, change(s, added_ms=2**63)),
    "time_before_all_times": lambda u, s: (u, change(s, added_ms=-1)),
    "no_items": lambda u, s: (u, None),
    "no_way_to_the_items": lambda u, s: (change(u, inline=None), s),
    "items_in_a_tombstone": lambda u, s: (change(u, op="delete"), s),
    "negative_version": lambda u, s: (change(u, version=-1), s),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_faulty_update_is_refused_and_changes_nothing(shard, rng, fault):
    put(shard, item_set(rng, doc(1), 1, n_text=1))
    before = searchable(shard)
    newer = item_set(rng, doc(1), 2, n_text=3)
    with pytest.raises(BadMessage):
        shard.apply(*REFUSED[fault](inline(newer), newer))
    assert searchable(shard) == before
    put(shard, newer)


def test_update_of_another_space_is_refused(shard, rng):
    document = change(item_set(rng, doc(1), 1), space_id="space-b")
    with pytest.raises(SpaceMismatch):
        shard.apply(inline(document), document)


def test_document_of_another_shard_is_refused(rng):
    spec = replace(SPEC, n_shards=3, shard=0)
    stranger = next(doc(i) for i in range(100) if shard_of(doc(i), 3) != 0)
    document = item_set(rng, stranger, 1, spec=spec)
    with pytest.raises(BadMessage):
        Shard(spec).apply(inline(document), document)


def test_hits_carry_the_items_fields(shard, rng):
    document = item_set(rng, doc(1), 7, collection="manuals", content_type="application/pdf", added_ms=42)
    put(shard, document)
    [answer] = shard.search([query(query_vector(rng))])
    hit = next(hit for hit in answer.hits if hit.item_id == "p0")
    assert (hit.kind, hit.text, hit.picture_key, hit.swallows) == (
        "picture",
        "picture 0",
        "derived/picture-0",
        "t0",
    )
    assert (hit.collection, hit.source_key, hit.content_type, hit.added_ms, hit.version) == (
        "manuals",
        f"{doc(1)}.txt",
        "application/pdf",
        42,
        7,
    )


def test_text_travels_with_the_first_hits_only(shard, rng):
    put(shard, item_set(rng, doc(1), 1, n_text=HITS_WITH_TEXT + 20, n_pictures=0))
    [answer] = shard.search([query(query_vector(rng), 1000)])
    assert [bool(hit.text) for hit in answer.hits] == [True] * HITS_WITH_TEXT + [False] * 20


@pytest.fixture
def eager_threads():
    """Threads take turns as often as Python can make them."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval_s)


def test_search_sees_a_documents_items_change_in_one_step(shard, rng, eager_threads):
    """Versions 1, 2, 3, ... have 2, 3, 1, 2, ... items: any mixture of two versions would be seen."""
    versions = []
    for version in range(1, 1000):
        document = item_set(rng, doc(1), version, n_text=0, n_pictures=0)
        versions.append(change(document, items=items(rng, n_text=version % 3 + 1, n_pictures=0)))
    put(shard, versions[0])
    done = threading.Event()

    def search():
        while not done.is_set():
            [answer] = shard.search([query(query_vector(np.random.default_rng(1)), 100)])
            [version] = {hit.version for hit in answer.hits}
            assert len(answer.hits) == version % 3 + 1

    with ThreadPoolExecutor() as pool:
        searches = [pool.submit(search) for _ in range(2)]
        for document in versions[1:]:
            put(shard, document)
        done.set()
        for one in searches:
            one.result(timeout=10)
