from hypothesis import given
from hypothesis import strategies as st

from contracts.search import ShardHit
from gateway.core.reranking import RERANKERS, pool_size, reranked
from tests.gateway.core.test_merge import hit

HITS = st.lists(st.sampled_from("abcd"), max_size=20).map(
    lambda documents: [hit(document, f"t{n}", 1.0 - n / 100) for n, document in enumerate(documents)]
)


@given(HITS, st.sampled_from(sorted(RERANKERS)), st.integers(1, 10))
def test_a_reranker_brings_nothing_new_and_nothing_twice(hits: list[ShardHit], name: str, k: int) -> None:
    chosen = reranked(name, hits, k)
    assert len(chosen) == min(k, len(hits))
    assert len({one.item_id for one in chosen}) == len(chosen)
    assert set(chosen) <= set(hits)


@given(HITS)
def test_spread_lets_each_document_speak_before_any_speaks_twice(hits: list[ShardHit]) -> None:
    documents = [one.doc_id for one in reranked("spread", hits, len(hits))]
    distinct = len(set(documents))
    assert len(set(documents[:distinct])) == distinct


def test_a_reranker_is_given_more_than_it_has_to_choose() -> None:
    assert pool_size("score", 5) == 5
    assert pool_size("spread", 5) > 5
