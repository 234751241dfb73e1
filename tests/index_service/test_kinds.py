"""Every kind of index over the same vectors: good candidates, filters kept, files that come back the same."""

import numpy as np
import pytest

from index_service.bitmap import bitmap_of
from index_service.kinds.parameters import TRAINED_KINDS, IndexParameters, breadth_for, kind_for
from index_service.kinds.searcher import build, read, train
from index_service.vectors import MappedVectors, add_rows, flat_index
from tests.index_service.building import IMAGE_DIM, TEXT_DIM, vectors

faiss = pytest.importorskip("faiss")

KINDS = ("hnsw_fp16", "hnsw_sq8", "ivf_sq8", "ivf_pq", "halves")
PARAMETERS = IndexParameters(
    m=8, ef_construction=40, ef_search=48, ef_growth=0.0, n_lists=16, nprobe=8, pq_bytes=10
)
N, K = 2000, 20


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(21)
    return np.concatenate([vectors(rng, N // 2), vectors(rng, N // 2, kind="picture")])


@pytest.fixture(scope="module")
def queries():
    return np.random.default_rng(22).standard_normal((40, TEXT_DIM + IMAGE_DIM)).astype(np.float32)


def made(kind, rows, directory, *, base=None):
    """A kind's searcher as a segment would read it back."""
    trained = train(kind, rows.astype(np.float32), PARAMETERS)
    assert (trained is not None) == (kind in TRAINED_KINDS)
    build(kind, rows, directory, PARAMETERS, text_dim=TEXT_DIM, trained=trained, base=base)
    flat = flat_index(rows.shape[1])
    add_rows(flat, rows)
    faiss.write_index(flat, str(directory / "vectors.faiss"))
    stored = MappedVectors(str(directory / "vectors.faiss"), 2.0)
    return stored, read(kind, directory, PARAMETERS, vectors=stored.index, text_dim=TEXT_DIM)


@pytest.fixture(scope="module")
def each_kind(rows, tmp_path_factory):
    """Every kind over the same rows, built when it is first asked for: training some takes seconds."""
    kept = {}

    def get(kind):
        if kind not in kept:
            kept[kind] = made(kind, rows, tmp_path_factory.mktemp(kind))
        return kept[kind]

    return get


def best(rows, queries, allowed):
    scores = queries @ rows.astype(np.float32).T
    scores[:, ~allowed] = -np.inf
    return np.argsort(-scores, axis=1)[:, :K]


def recall(slots, expected):
    return np.mean([np.isin(true, one).mean() for one, true in zip(slots, expected, strict=True)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_most_of_the_best_are_among_its_candidates(kind, share, rows, queries, each_kind):
    allowed = np.random.default_rng(23).random(N) < share
    stored, searcher = each_kind(kind)
    packed = None if share == 1.0 else bitmap_of(allowed).packed
    # Product-quantised scores are rough, and a half knows nothing of the other: they get more candidates.
    fetch = K if kind.startswith("hnsw") or kind == "ivf_sq8" else 8 * K

    _, slots = searcher.search(queries, fetch, 1.0 / share, packed)

    inside = slots[slots >= 0]
    assert allowed[inside].all() or share == 1.0
    assert recall(slots, best(rows, queries, allowed if share < 1 else np.ones(N, dtype=bool))) >= 0.8
    assert searcher.memory_bytes > 0
    assert stored.rows(np.array([0, N - 1])).tolist() == rows[[0, N - 1]].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_no_slot_comes_twice_for_one_query(kind, queries, each_kind):
    _, searcher = each_kind(kind)
    _, slots = searcher.search(queries, K, 1.0, None)
    for row in slots:
        given = row[row >= 0]
        assert len(set(given.tolist())) == len(given)


@pytest.mark.parametrize("kind", ["hnsw_fp16", "hnsw_sq8"])
def test_a_graph_that_was_gone_on_with_finds_what_a_new_one_finds(kind, rows, queries, tmp_path):
    first, both = tmp_path / "first", tmp_path / "both"
    first.mkdir(), both.mkdir()
    _, begun = made(kind, rows[:1500], first)
    _, gone_on = made(kind, rows, both, base=begun)
    assert (begun.n_rows, gone_on.n_rows) == (1500, N)
    _, slots = gone_on.search(queries, K, 1.0, None)
    assert recall(slots, best(rows, queries, np.ones(N, dtype=bool))) >= 0.8


def test_the_kind_follows_size_and_memory():
    parameters = IndexParameters(flat_below=1000, memory_bytes=100_000_000)
    assert kind_for(999, 768, parameters) == "flat"
    assert kind_for(1000, 768, parameters) == "hnsw_fp16"
    assert kind_for(1_000_000, 768, parameters) == "ivf_pq"
    assert kind_for(1_000_000, 768, IndexParameters()) == "hnsw_fp16"
    assert kind_for(1_000_000, 768, IndexParameters(kind="ivf_sq8")) == "ivf_sq8"


def test_the_breadth_of_a_search_grows_with_the_graph():
    parameters = IndexParameters()
    breadths = [breadth_for(n, parameters) for n in (0, 1000, 20_000, 100_000, 333_000, 1_000_000)]
    assert breadths == [32, 32, 66, 160, 310, 568]
    assert breadth_for(1_000_000, IndexParameters(ef_search=100, ef_growth=0.0)) == 100
