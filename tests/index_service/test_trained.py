"""Trained indexes are trained once per generation, whoever asks first, and come back the same."""

import asyncio

import faiss
import numpy as np
import pytest

from contracts.errors import DependencyDown
from contracts.keys import trained_index_key
from index_service.kinds.parameters import IndexParameters
from index_service.trained import TrainedIndexes
from runtime.object_store import ObjectStore
from tests.index_service.building import SPEC, vectors

PARAMETERS = IndexParameters(kind="ivf_sq8", n_lists=4, train_rows=200)


@pytest.fixture
def store(tmp_path):
    return ObjectStore.from_url(f"file://{tmp_path}")


@pytest.fixture
def rows():
    return vectors(np.random.default_rng(51), 400, kind="picture")


def test_too_few_vectors_train_nothing(store, rows):
    assert TrainedIndexes(store, SPEC, PARAMETERS).get("ivf_sq8", rows[:199]) is None


def test_the_first_trains_and_all_others_get_the_same(store, rows):
    first = TrainedIndexes(store, SPEC, PARAMETERS).get("ivf_sq8", rows)
    # Another process, with other vectors, too few to train on.
    second = TrainedIndexes(store, SPEC, PARAMETERS).get("ivf_sq8", rows[200:210])
    assert first.is_trained
    assert first.ntotal == 0
    assert (faiss.serialize_index(first) == faiss.serialize_index(second)).all()


def test_kinds_and_generations_have_indexes_of_their_own(store, rows):
    indexes = TrainedIndexes(store, SPEC, PARAMETERS)
    assert type(indexes.get("hnsw_sq8", rows)) is not type(indexes.get("ivf_sq8", rows))
    asked = [("g1", "s", "a"), ("g2", "s", "a"), ("g1", "t", "a"), ("g1", "s", "b")]
    assert len({trained_index_key(*each) for each in asked}) == 4


def test_a_store_that_is_away_is_told_and_asked_again(store, rows, monkeypatch):
    indexes = TrainedIndexes(store, SPEC, PARAMETERS)

    async def away(self, key):
        raise DependencyDown("the object store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "get", away)
        with pytest.raises(DependencyDown):
            indexes.get("ivf_sq8", rows)
    assert indexes.get("ivf_sq8", rows) is not None
    assert asyncio.run(store.get(trained_index_key(SPEC.generation, SPEC.space_id, "ivf_sq8")))
