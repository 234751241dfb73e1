"""The recall probe against shards that lose hits on purpose."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from contracts.search import Filter, ShardHit
from index_service.probe import RecallProbe, pause_after, recall_of, weighted
from index_service.queries import Query
from index_service.shard import Shard
from runtime.telemetry import Metrics
from tests.index_service.building import SPEC, TEXT_DIM, doc, item_set, put, query, query_vector


@dataclass(frozen=True, slots=True, eq=False)
class ExactQuery(Query):
    """A query that asks for an exact scan."""


class ForgetfulShard:
    """Answers exactly when it is asked to, and else loses the best hits of queries with a text half."""

    def __init__(self, shard, loses):
        self.shard, self.loses, self.asked = shard, loses, []

    def search(self, queries):
        self.asked += queries
        found = self.shard.search(queries)
        return [
            one
            if isinstance(asked, ExactQuery) or not asked.vector[:TEXT_DIM].any()
            else replace(one, hits=one.hits[self.loses :])
            for asked, one in zip(queries, found, strict=True)
        ]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def shard(rng):
    shard = Shard(SPEC)
    for i in range(50):
        put(shard, item_set(rng, doc(i), 1))
    return shard


def probe(shard, metrics):
    def exactly(asked):
        return ExactQuery(asked.tenant, asked.vector, asked.k, asked.filter)

    return RecallProbe(lambda number: shard, exactly, TEXT_DIM, metrics, seed=1)


def test_recall_is_told_by_weights_and_its_loss_is_seen_where_it_is(shard, rng):
    metrics = Metrics()
    watching = probe(ForgetfulShard(shard, 3), metrics)
    for _ in range(5):
        watching.note(0, query(query_vector(rng)))
    for _ in range(4):
        assert watching.probe() == pytest.approx({"1:1": 0.7, "1:0": 0.7, "0:1": 1.0, "1:0.3": 0.7})
    value = metrics.registry.get_sample_value
    assert value("trireme_index_recall_ratio", {"shard": "0", "weights": "1:0.3"}) == pytest.approx(0.7)
    assert value("trireme_index_recall_ratio", {"shard": "0", "weights": "0:1"}) == 1.0
    assert value("trireme_index_probes_total", {"shard": "0"}) == 4
    assert value("trireme_index_probe_seconds_total", {"shard": "0"}) > 0


def test_a_query_of_words_alone_is_not_probed_for_pictures(shard, rng):
    watching = probe(ForgetfulShard(shard, 0), Metrics())
    watching.note(0, query(query_vector(rng, image=0.0)))
    assert watching.probe() == {"1:1": 1.0, "1:0": 1.0, "1:0.3": 1.0}


def test_the_probe_asks_what_was_asked_of_whom_it_was_asked(shard, rng):
    forgetful = ForgetfulShard(shard, 0)
    watching = probe(forgetful, Metrics())
    wanted = Filter(kinds=("picture",))
    watching.note(0, query(query_vector(rng), wanted=wanted, tenant="default"))
    watching.probe()
    assert {(asked.filter, asked.tenant, asked.k) for asked in forgetful.asked} == {(wanted, "default", 10)}


def test_without_queries_nothing_is_probed(shard):
    assert probe(ForgetfulShard(shard, 0), Metrics()).probe() == {}


def test_weights_change_the_balance_and_not_the_direction_of_the_halves(rng):
    asked = query(query_vector(rng, text=3.0, image=0.2))
    made = weighted(asked, TEXT_DIM)["1:0.3"].vector
    assert np.linalg.norm(made[:TEXT_DIM]) == pytest.approx(1.0)
    assert np.linalg.norm(made[TEXT_DIM:]) == pytest.approx(0.3)
    assert made[:TEXT_DIM] @ asked.vector[:TEXT_DIM] == pytest.approx(3.0)


@pytest.mark.parametrize("cost_s", [0.0001, 0.02, 3.0])
def test_a_probe_takes_at_most_a_hundredth_of_the_time(cost_s):
    assert cost_s / (cost_s + pause_after(cost_s)) <= 0.01 + 1e-12


def hit(score, name):
    return ShardHit(
        doc_id=name,
        version=1,
        item_id="t0",
        kind="text",
        score=score,
        text_score=score,
        image_score=0.0,
        collection="c",
        source_key="s",
        content_type="t",
        text="",
        added_ms=0,
    )


@pytest.mark.parametrize(
    ("found", "exact", "expected"),
    [
        ([], [], None),
        ([], [1.0], 0.0),
        ([3.0, 2.0], [3.0, 2.0], 1.0),
        ([3.0, 1.0], [3.0, 2.0], 0.5),
        ([3.0, 2.0, 2.0], [3.0, 2.0], 1.0),
    ],
)
def test_recall_counts_hits_that_score_like_the_last_exact_one(found, exact, expected):
    hits = [
        [hit(score, f"{side}{i}") for i, score in enumerate(scores)]
        for side, scores in (("a", found), ("b", exact))
    ]
    assert recall_of(*hits) == expected
