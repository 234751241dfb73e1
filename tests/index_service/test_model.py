"""A shard with upkeep, snapshots and replay against a plain dictionary and brute force, under seeded histories.

TRIREME_MODEL_STEPS says how many steps all seeds take together (`make soak` takes 100,000).
"""

import os
from collections import Counter

import msgspec
import numpy as np
import pytest

from index_service.intake import take
from tests.index_service.building import (
    brute_force,
    doc,
    found,
    inline,
    item_set,
    query,
    query_vector,
    record,
)
from tests.index_service.life import History, Model, follow, keep, no_claims, open_shard, tiny

KINDS = ("hnsw_fp16", "hnsw_sq8", "ivf_sq8", "halves", "flat")
SEEDS = [(seed, KINDS[seed % len(KINDS)]) for seed in range(10)]
N_STEPS = int(os.environ.get("TRIREME_MODEL_STEPS", "2000")) // len(SEEDS)
EVERYTHING = 1000


def check(hosted, model, rng, k):
    """The ids are the dictionary's, an exact search equals brute force, and a quick one believes nothing false."""
    visible = model.visible()
    vector = query_vector(rng)
    everything = brute_force(visible, vector, EVERYTHING)
    assert hosted.shard.n_items == len(everything)
    [exact] = hosted.shard.search([query(vector, EVERYTHING, exact=True)])
    assert found(exact.hits) == everything
    assert {hit.doc_id: hit.version for hit in exact.hits} == {d.doc_id: d.version for d in visible if d.items}
    [top] = hosted.shard.search([query(vector, k, exact=True)])
    assert found(top.hits) == everything[:k]
    [quick] = hosted.shard.search([query(vector, k)])
    assert len(quick.hits) == min(k, len(everything))
    assert set(found(quick.hits)) <= set(everything)


@pytest.mark.parametrize(("seed", "kind"), SEEDS)
def test_shard_equals_the_model_through_all_of_its_life(tmp_path, seed, kind):
    rng = np.random.default_rng(seed)
    parameters = tiny(kind)
    history, model = History(rng), Model()
    hosted = open_shard(tmp_path, parameters)
    done = Counter()

    def write_on():
        for _ in range(int(rng.integers(4))):
            history.step()
        follow(hosted, history.log, model)

    for _ in range(N_STEPS):
        write_on()
        event = rng.random()
        if event < 0.05:
            hosted.save(now_ms=0)
        elif event < 0.08:
            # A crash: memory is gone, the log goes on from the last snapshot.
            hosted = open_shard(tmp_path, parameters)
            follow(hosted, history.log)
        elif event < 0.10:
            # The same records once more, from an older offset.
            again = int(rng.integers(max(0, len(history.log) - 200), len(history.log) + 1))
            for offset in range(again, len(history.log)):
                take(hosted, record(history.log[offset][0], offset), no_claims, at_ms=0)
        elif event < 0.4:
            done[keep(hosted, write_on)] += 1
        check(hosted, model, rng, int(rng.choice([1, 7, 40])))
    assert done["sealed"] > 2, done
    if N_STEPS >= 200:
        assert {"covered", "merged"} <= set(done), done


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_arrival_gives_the_same_documents(tmp_path, seed):
    rng = np.random.default_rng(100 + seed)
    history, model = History(rng, n_documents=12), Model()
    while len(history.log) < 80:
        history.step()
    # Equal pairs are the same update sent twice, so that the first to arrive does not matter.
    first = {}
    log = [
        first.setdefault((update.doc_id, update.version, update.revision), (update, items))
        for update, items in history.log
    ]
    rng.shuffle(log)
    hosted = open_shard(tmp_path)
    follow(hosted, log, model)
    in_order = Model()
    for update, items in sorted(log, key=lambda one: (one[0].doc_id, one[0].version, one[0].revision)):
        in_order.apply(update, items)
    assert {d: order for d, (order, _) in model.documents.items()} == {
        d: order for d, (order, _) in in_order.documents.items()
    }
    check(hosted, in_order, rng, 7)


def test_records_of_a_snapshot_hold_no_reference_to_the_log(tmp_path):
    """A snapshot alone brings everything back, payloads included."""
    rng = np.random.default_rng(5)
    hosted = open_shard(tmp_path)
    items = item_set(rng, doc(1), 1, n_text=2, n_pictures=2)
    take(hosted, record(inline(items), 0), no_claims, at_ms=0)
    vector = query_vector(rng)
    before = hosted.shard.search([query(vector)])
    hosted.save(now_ms=0)
    assert open_shard(tmp_path).shard.search([query(vector)]) == before
    assert msgspec.structs.asdict(before[0].hits[0])["source_key"] == f"{doc(1)}.txt"
