"""A shard with snapshots and replay against a plain dictionary and brute force, under seeded random histories."""

import msgspec
import numpy as np
import pytest

from contracts.errors import NotFound
from contracts.items import REVISION_EXPIRED
from index_service.hosted import HostedShard
from index_service.intake import take
from index_service.replay import load
from index_service.shard import Shard
from index_service.snapshot import LogPosition
from tests.index_service.building import (
    SPEC,
    brute_force,
    doc,
    found,
    inline,
    item_set,
    query,
    query_vector,
    record,
    removal,
)

N_DOCUMENTS = 12
N_STEPS = 250
LOG = "cluster/topic"


class Model:
    """What the rules say: per document the highest (version, revision) and its items, None when removed."""

    def __init__(self):
        self.documents = {}

    def apply(self, update, items):
        order = (update.version, update.revision)
        known = self.documents.get(update.doc_id)
        if known is None or order > known[0]:
            self.documents[update.doc_id] = (order, items)

    def visible(self):
        return [items for _, items in self.documents.values() if items is not None]


class History:
    """Makes the log: mostly news, some duplicates, late and one-sided updates, removals and re-insertions."""

    def __init__(self, rng):
        self.rng = rng
        self.log = []
        self.versions = [0] * N_DOCUMENTS

    def step(self):
        number = int(self.rng.integers(N_DOCUMENTS))
        kind = self.rng.choice(["upsert", "pair", "delete", "expire", "duplicate", "late"], p=WEIGHTS)
        if kind in {"duplicate", "late"} and self.log:
            self.log.append(self.log[int(self.rng.integers(len(self.log)))])
            return
        if kind == "expire" and self.versions[number]:
            self.log.append((removal(doc(number), self.versions[number], REVISION_EXPIRED, op="expire"), None))
            return
        self.versions[number] += int(self.rng.integers(1, 4))
        version = self.versions[number]
        if kind == "delete":
            self.log.append((removal(doc(number), version), None))
        elif kind == "pair":
            self.upsert(number, version, 0)
            self.upsert(number, version, 1)
        else:
            self.upsert(number, version, 1)

    def upsert(self, number, version, revision):
        n_pictures = int(self.rng.integers(3)) if revision else 0
        items = item_set(
            self.rng,
            doc(number),
            version,
            revision,
            n_text=int(self.rng.integers(4)),
            n_pictures=n_pictures,
        )
        self.log.append((inline(items), items))


WEIGHTS = [0.35, 0.15, 0.12, 0.08, 0.15, 0.15]


def no_claims(key):
    raise NotFound("no claims in this history")


def open_shard(directory):
    """A process start: the newest snapshot, or an empty shard at the log's beginning."""
    hosted = HostedShard(SPEC, directory, Shard(SPEC))
    load(hosted)
    if hosted.position is None:
        hosted.position = LogPosition(LOG, 0)
    return hosted


def follow(hosted, log, model=None):
    for offset in range(hosted.position.next_offset, len(log)):
        update, items = log[offset]
        take(hosted, record(update, offset), no_claims, at_ms=0)
        if model is not None:
            model.apply(update, items)


def check(hosted, model, rng):
    visible = model.visible()
    assert hosted.shard.n_items == sum(len(document.items) for document in visible)
    for k in (1, 7, 100):
        vector = query_vector(rng)
        [answer] = hosted.shard.search([query(vector, k)])
        assert found(answer.hits) == brute_force(visible, vector, k)
    versions = {hit.doc_id: hit.version for hit in answer.hits}
    assert versions == {document.doc_id: document.version for document in visible if document.items}


@pytest.mark.parametrize("seed", range(8))
def test_shard_equals_the_model_through_crashes_snapshots_and_replays(tmp_path, seed):
    rng = np.random.default_rng(seed)
    history, model = History(rng), Model()
    hosted = open_shard(tmp_path)
    for _ in range(N_STEPS):
        history.step()
        follow(hosted, history.log, model)
        event = rng.random()
        if event < 0.05:
            hosted.save(now_ms=0)
        elif event < 0.08:
            # A crash: memory is gone, the log goes on from the last snapshot.
            hosted = open_shard(tmp_path)
            follow(hosted, history.log)
        elif event < 0.10:
            # The same records once more, from an older offset.
            again = int(rng.integers(len(history.log)))
            for offset in range(again, len(history.log)):
                take(hosted, record(history.log[offset][0], offset), no_claims, at_ms=0)
        elif event < 0.11:
            hosted.shard = Shard(SPEC, hosted.shard.contents.compacted())
        if event < 0.2:
            check(hosted, model, rng)
    check(hosted, model, rng)


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_arrival_gives_the_same_documents(tmp_path, seed):
    rng = np.random.default_rng(100 + seed)
    history, model = History(rng), Model()
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
    check(hosted, in_order, rng)


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
