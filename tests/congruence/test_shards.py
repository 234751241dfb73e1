"""Sharding is invisible: three shards merged answer like one, and placement depends on the document alone."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.ids import shard_of
from contracts.search import Filter
from gateway.core.merge import merge, shard_k
from index_service.kinds.parameters import IndexParameters
from index_service.shard import DEFAULTS, Shard
from index_service.upkeep import Upkeep
from tests.index_service.building import SPEC, doc, inline, item_set, query, query_vector, removal

SEEDS = st.integers(0, 2**32 - 1)


class Pair:
    """The same documents in one shard and in `n` shards."""

    def __init__(self, n, parameters=DEFAULTS):
        self.one = Shard(SPEC)
        self.many = [Shard(replace(SPEC, shard=i, n_shards=n), parameters) for i in range(n)]

    def apply(self, update, items):
        self.one.apply(update, items)
        self.many[shard_of(update.doc_id, len(self.many))].apply(update, items)

    def put(self, document):
        self.apply(inline(document), document)

    def answers(self, asked):
        """(from one shard, merged from many), as the gateway merges them."""
        per_shard = replace(asked, k=shard_k(asked.k))
        [alone] = self.one.search([per_shard])
        lists = [shard.search([per_shard])[0].hits for shard in self.many]
        return merge([alone.hits], asked.k), merge(lists, asked.k)


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(81)
    pair = Pair(3)
    for i in range(200):
        pair.put(item_set(rng, doc(i), 1, n_text=int(rng.integers(4)), n_pictures=int(rng.integers(3))))
    for i in range(0, 200, 7):
        pair.put(item_set(rng, doc(i), 2, collection="second", n_text=3, n_pictures=2))
    for i in range(0, 200, 11):
        pair.apply(removal(doc(i), 3), None)
    return pair


FILTERS = [
    Filter(),
    Filter(kinds=("picture",)),
    Filter(collections=("second",)),
    Filter(doc_ids=(doc(2), doc(7))),
]


@pytest.mark.parametrize("wanted", FILTERS)
@pytest.mark.parametrize("weights", [(1, 1), (1, 0), (0, 1), (1, 0.3)])
@pytest.mark.parametrize("k", [1, 10, 100])
def test_three_shards_merged_answer_like_one(pair, wanted, weights, k):
    rng = np.random.default_rng(82)
    for _ in range(3):
        vector = query_vector(rng, text=weights[0], image=weights[1])
        alone, merged = pair.answers(query(vector, k, wanted=wanted))
        assert merged == alone


@given(seed=SEEDS, n_shards=st.integers(1, 6), n_copies=st.integers(1, 60), k=st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_ties_are_broken_alike_whatever_the_number_of_shards(seed, n_shards, n_copies, k):
    rng = np.random.default_rng(seed)
    pair = Pair(n_shards)
    original = item_set(rng, doc(0), 1, n_text=1, n_pictures=1)
    for i in range(n_copies):
        pair.put(msgspec.structs.replace(original, doc_id=doc(i)))
    alone, merged = pair.answers(query(query_vector(rng), k))
    assert merged == alone


@given(seed=SEEDS, k=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_merging_depends_on_no_order_of_the_replies(seed, k):
    rng = np.random.default_rng(seed)
    pair = Pair(4)
    for i in range(30):
        pair.put(item_set(rng, doc(i), 1, n_text=2, n_pictures=2))
    asked = replace(query(query_vector(rng), shard_k(k)))
    lists = [shard.search([asked])[0].hits for shard in pair.many]
    shuffled = [lists[i] for i in rng.permutation(len(lists))]
    assert merge(shuffled, k) == merge(lists, k)


@given(number=st.integers(0, 10**9), n_shards=st.integers(1, 200))
def test_placement_moves_a_document_only_to_the_new_shard_when_one_is_added(number, n_shards):
    before, after = shard_of(doc(number), n_shards), shard_of(doc(number), n_shards + 1)
    assert 0 <= before < n_shards
    assert after in {before, n_shards}


def test_placement_is_even():
    counts = np.bincount([shard_of(doc(i), 3) for i in range(30_000)], minlength=3)
    # Five standard deviations of a fair draw.
    assert np.abs(counts - 10_000).max() < 5 * (30_000 * (1 / 3) * (2 / 3)) ** 0.5


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_updates_in_any_order_leave_the_same_documents_in_all_shards(seed):
    rng = np.random.default_rng(seed)
    updates = []
    for i in range(6):
        for version in (1, 2):
            document = item_set(rng, doc(i), version, n_text=1)
            updates.append((inline(document), document))
        if rng.random() < 0.4:
            updates.append((removal(doc(i), int(rng.integers(1, 4)), 2), None))
    first, second = Pair(3), Pair(3)
    for update, items in updates:
        first.apply(update, items)
    for place in rng.permutation(len(updates)):
        second.apply(*updates[place])
    asked = query(query_vector(rng), 100)
    assert first.answers(asked) == second.answers(asked)
    assert first.answers(asked)[0] == first.answers(asked)[1]


SHARE_COLLECTIONS = {0.0001: "rare", 0.01: "some", 0.5: "half"}


@pytest.fixture(scope="module")
def large_pair(tmp_path_factory):
    """20,000 items in one flat shard, and in three that hold sealed graphs and a delta."""
    rng = np.random.default_rng(83)
    pair = Pair(3, IndexParameters(flat_below=500, graph_from=1024, seal_rows=2500, scan_below=200))
    upkeeps = [
        Upkeep(shard, tmp_path_factory.mktemp(f"shard-{i}"), lambda *_: None) for i, shard in enumerate(pair.many)
    ]
    n = 10_000
    names = ["half"] * (n // 2) + ["some"] * (n // 100) + ["rare"]
    names += ["rest"] * (n - len(names))
    rng.shuffle(names)
    for i, name in enumerate(names):
        pair.put(item_set(rng, doc(i), 1, collection=name, n_text=1, n_pictures=1))
        if i % 500 == 0:
            for upkeep in upkeeps:
                upkeep.step()
    for i in range(0, n, 9):
        if names[i] != "rare":
            pair.apply(removal(doc(i), 2), None)
    return pair


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("k", [1, 10, 100])
def test_three_sealed_shards_equal_one_flat_index_under_any_filter(large_pair, share, k):
    rng = np.random.default_rng(84)
    wanted = Filter() if share == 1.0 else Filter(collections=(SHARE_COLLECTIONS[share],))
    assert all(shard.sealed and shard.delta.n_slots for shard in large_pair.many)
    found = expected = 0
    for weights in [(1, 1), (1, 0), (0, 1), (1, 0.3)] * 3:
        vector = query_vector(rng, text=weights[0], image=weights[1])
        alone, merged = large_pair.answers(query(vector, k, wanted=wanted, exact=True))
        assert merged == alone
        _, quick = large_pair.answers(query(vector, k, wanted=wanted))
        assert len(quick) == len(alone)
        lowest = alone[-1].score
        found += sum(hit.score >= lowest for hit in quick)
        expected += len(alone)
    # A filter that leaves little is scanned, so it is exact; a graph may miss a few.
    assert found >= (1.0 if share <= 0.01 else 0.95) * expected
