"""Filters against a predicate that is applied to one item at a time."""

import numpy as np
import pytest

from contracts.search import Filter
from index_service.filters import FilterColumns
from index_service.payloads import fields_of
from index_service.shard import Shard
from tests.index_service.building import SPEC, doc, inline, item_set, put, query, query_vector, removal

N_DOCUMENTS = 300


@pytest.fixture(scope="module")
def documents():
    rng = np.random.default_rng(21)
    return [
        item_set(
            rng,
            doc(i),
            1,
            n_text=2,
            n_pictures=i % 2,
            tenant="other" if i % 10 == 9 else "default",
            collection=f"c{i % 4}",
            content_type="application/pdf" if i % 100 == 0 else "text/plain",
            added_ms=1000 * i,
            readers=((), ("staff",), ("board", "staff"))[i % 3],
        )
        for i in range(N_DOCUMENTS)
    ]


@pytest.fixture(scope="module")
def shard(documents):
    shard = Shard(SPEC)
    for document in documents:
        put(shard, document)
    return shard


def matching(documents, wanted, tenant="default"):
    return {
        (document.doc_id, item.item_id)
        for document in documents
        for item in document.items
        if document.tenant == tenant
        and (wanted.collections is None or document.collection in wanted.collections)
        and (wanted.kinds is None or item.kind in wanted.kinds)
        and (wanted.doc_ids is None or document.doc_id in wanted.doc_ids)
        and (wanted.content_types is None or document.content_type in wanted.content_types)
        and (wanted.added_after_ms is None or document.added_ms >= wanted.added_after_ms)
        and (wanted.added_before_ms is None or document.added_ms < wanted.added_before_ms)
        and (wanted.groups is None or not document.readers or set(document.readers) & set(wanted.groups))
    }


FILTERS = {
    "everything": Filter(),
    "half": Filter(kinds=("picture",)),
    "three_collections": Filter(collections=("c0", "c1", "c3")),
    "one_percent": Filter(content_types=("application/pdf",)),
    "two_documents": Filter(doc_ids=(doc(3), doc(4), "no-such-document")),
    "another_tenants_document": Filter(doc_ids=(doc(9),)),
    "one_second": Filter(added_after_ms=5000, added_before_ms=6000),
    "after": Filter(added_after_ms=290_000),
    "before": Filter(added_before_ms=10_001),
    "several_at_once": Filter(collections=("c1",), kinds=("text",), added_after_ms=100_000),
    "unknown_collection": Filter(collections=("c9",)),
    "no_collection": Filter(collections=()),
    "what_staff_may_see": Filter(groups=("staff",)),
    "what_the_board_may_see": Filter(groups=("board", "guests"), kinds=("text",)),
    "what_nobodys_groups_may_see": Filter(groups=()),
    "beyond_64_bits": Filter(added_before_ms=2**63),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filter_finds_exactly_the_items_that_match(shard, documents, name):
    wanted = FILTERS[name]
    [answer] = shard.search([query(query_vector(np.random.default_rng(22)), 1000, wanted=wanted)])
    expected = matching(documents, wanted)
    assert {(hit.doc_id, hit.item_id) for hit in answer.hits} == expected
    assert len(answer.hits) == len(expected) == answer.scanned


@pytest.mark.parametrize("name", FILTERS)
def test_filtered_top_five_are_the_best_of_those_that_match(shard, documents, name):
    wanted = FILTERS[name]
    vector = query_vector(np.random.default_rng(23))
    [all_matching, top] = shard.search([query(vector, 1000, wanted=wanted), query(vector, 5, wanted=wanted)])
    assert top.hits == all_matching.hits[:5]


def test_a_tenant_sees_only_its_own_items(shard, documents):
    [answer] = shard.search([query(query_vector(np.random.default_rng(24)), 1000, tenant="other")])
    assert {(hit.doc_id, hit.item_id) for hit in answer.hits} == matching(documents, Filter(), tenant="other")


def test_removed_documents_match_no_filter():
    rng = np.random.default_rng(25)
    shard = Shard(SPEC)
    for i in range(20):
        put(shard, item_set(rng, doc(i), 1, n_text=1, n_pictures=0))
    moved = item_set(rng, doc(1), 2, n_text=1, n_pictures=0, collection="elsewhere")
    shard.apply(removal(doc(0), 2), None)
    shard.apply(inline(moved), moved)

    by_id = Filter(doc_ids=(doc(0), doc(1)))
    before = Filter(doc_ids=(doc(0), doc(1)), collections=("default",))
    [now, then] = shard.search(
        [query(query_vector(rng), 50, wanted=by_id), query(query_vector(rng), 50, wanted=before)]
    )
    assert [(hit.doc_id, hit.version) for hit in now.hits] == [(doc(1), 2)]
    assert then.hits == ()


def test_columns_of_before_there_were_readers_let_everybody_see_everything(documents):
    columns = FilterColumns()
    for serial, document in enumerate(documents):
        columns.append(document.doc_id, serial, fields_of(document), [item.kind for item in document.items])
    old = {name: values for name, values in columns.to_arrays().items() if not name.startswith("readers")}
    read = FilterColumns.from_arrays(old)
    np.testing.assert_array_equal(
        read.select("default", Filter(groups=("nobody",))), read.select("default", Filter())
    )
    again = FilterColumns.from_arrays(columns.to_arrays())
    np.testing.assert_array_equal(
        again.select("default", Filter(groups=("board",))), columns.select("default", Filter(groups=("board",)))
    )
