"""Exactness of the order: ties beyond what was fetched, copies, items that share no half with the query."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from index_service.ranking import OVERFETCH
from index_service.shard import Shard
from tests.index_service.building import (
    SPEC,
    TEXT_DIM,
    brute_force,
    doc,
    found,
    item_set,
    put,
    query,
    query_vector,
)


def shard_of_documents(documents):
    shard = Shard(SPEC)
    for document in documents:
        put(shard, document)
    return shard


@pytest.mark.parametrize("weights", [(1, 1), (1, 0), (0, 1), (1, 0.3)])
@pytest.mark.parametrize("k", [1, 10, 150])
def test_top_k_equals_brute_force_at_all_weights(weights, k):
    rng = np.random.default_rng(7)
    documents = [item_set(rng, doc(i), 1, n_text=3, n_pictures=i % 3) for i in range(60)]
    shard = shard_of_documents(documents)
    for _ in range(5):
        vector = query_vector(rng, text=weights[0], image=weights[1])
        [answer] = shard.search([query(vector, k)])
        assert found(answer.hits) == brute_force(documents, vector, k)


def test_copies_of_one_vector_are_ordered_by_document_however_many_there_are():
    rng = np.random.default_rng(8)
    original = item_set(rng, doc(0), 1, n_text=1, n_pictures=0)
    documents = [msgspec.structs.replace(original, doc_id=doc(i)) for i in range(10 * OVERFETCH)]
    rng.shuffle(documents)
    vector = query_vector(rng)

    [answer] = shard_of_documents(documents).search([query(vector, 5)])

    assert [hit.doc_id for hit in answer.hits] == sorted(d.doc_id for d in documents)[:5]


def test_query_that_shares_no_half_with_thousands_of_items_has_a_fixed_order():
    rng = np.random.default_rng(9)
    documents = [item_set(rng, doc(i), 1, n_text=4, n_pictures=0) for i in range(700)]
    documents.sort(key=lambda document: document.doc_id, reverse=True)
    with_picture = item_set(rng, doc(1000), 1, n_text=0, n_pictures=1)
    picture = np.frombuffer(with_picture.items[0].vector, dtype="<f2").astype(np.float32)
    vector = np.concatenate([np.zeros(TEXT_DIM, np.float32), picture[TEXT_DIM:]])

    [answer] = shard_of_documents([*documents, with_picture]).search([query(vector, 10)])

    assert found(answer.hits) == brute_force([*documents, with_picture], vector, 10)
    assert answer.hits[0].item_id == "p0"
    assert {hit.score for hit in answer.hits[1:]} == {0.0}


def test_halves_of_a_score_add_up_to_it():
    rng = np.random.default_rng(10)
    documents = [item_set(rng, doc(i), 1, n_pictures=2) for i in range(20)]
    [answer] = shard_of_documents(documents).search([query(query_vector(rng), 10)])
    for hit in answer.hits:
        assert hit.score == hit.text_score + hit.image_score
        if hit.kind == "text":
            assert hit.image_score == 0.0


def test_queries_of_one_batch_do_not_disturb_each_other():
    rng = np.random.default_rng(11)
    documents = [item_set(rng, doc(i), 1, collection=("a", "b")[i % 2], n_text=2, n_pictures=1) for i in range(80)]
    shard = shard_of_documents(documents)
    queries = [query(query_vector(rng), k) for k in (1, 30, 7, 100, 3)]
    narrow = msgspec.structs.replace(queries[0].filter, collections=("a",))
    queries += [replace(queries[1], filter=narrow), replace(queries[2], tenant="someone-else")]

    together = [answer.hits for answer in shard.search(queries)]

    assert together == [shard.search([one])[0].hits for one in queries]
    assert together[-1] == ()
