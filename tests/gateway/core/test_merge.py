import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import shard_of
from contracts.search import MAX_K, ShardHit
from gateway.core.merge import merge, shard_k


def hit(doc_id: str, item_id: str, score: float, swallows: str | None = None) -> ShardHit:
    return ShardHit(
        doc_id=doc_id,
        version=1,
        item_id=item_id,
        kind="picture" if item_id.startswith("p") else "text",
        score=score,
        text_score=score,
        image_score=0.0,
        collection="default",
        source_key=doc_id,
        content_type="text/plain",
        text="",
        added_ms=0,
        swallows=swallows,
    )


# Few distinct scores, so that ties are common.
SCORES = st.integers(-4, 4).map(lambda n: n / 4)


@st.composite
def documents(draw: st.DrawFn) -> list[ShardHit]:
    """Hits of up to twelve documents: chunks, and pictures joined with one of them."""
    hits = []
    for number in range(draw(st.integers(0, 12))):
        chunks = draw(st.integers(1, 4))
        for chunk in range(chunks):
            hits.append(hit(f"doc-{number}", f"t{chunk}", draw(SCORES)))
        for picture in range(draw(st.integers(0, 3))):
            beside = f"t{draw(st.integers(0, chunks - 1))}"
            hits.append(hit(f"doc-{number}", f"p{picture}", draw(SCORES), swallows=beside))
    return hits


def ranked(hits: list[ShardHit]) -> list[ShardHit]:
    return sorted(hits, key=lambda hit: (-hit.score, hit.doc_id, hit.item_id))


def everything(hits: list[ShardHit], k: int) -> list[ShardHit]:
    """The oracle, written the slow way: a chunk goes when a picture joined with it stands before it."""
    order = ranked(hits)
    kept = [
        hit
        for place, hit in enumerate(order)
        if not any(other.doc_id == hit.doc_id and other.swallows == hit.item_id for other in order[:place])
    ]
    return kept[:k]


def sharded(hits: list[ShardHit], n_shards: int, k: int) -> list[list[ShardHit]]:
    """What each shard sends: its own best."""
    return [ranked([h for h in hits if shard_of(h.doc_id, n_shards) == s])[:k] for s in range(n_shards)]


@given(documents(), st.integers(1, 4), st.integers(1, 12))
def test_merging_cut_lists_equals_sorting_everything(hits: list[ShardHit], n_shards: int, k: int) -> None:
    assert merge(sharded(hits, n_shards, shard_k(k)), k) == everything(hits, k)


@given(documents(), st.integers(1, 12))
def test_merging_is_associative(hits: list[ShardHit], k: int) -> None:
    a, b, c = sharded(hits, 3, len(hits))
    assert merge([merge([a, b], k), c], k) == merge([a, merge([b, c], k)], k) == merge([a, b, c], k)


@given(documents(), st.integers(1, 12), st.randoms(use_true_random=False))
def test_the_order_of_shards_and_of_their_hits_does_not_matter(
    hits: list[ShardHit], k: int, rng: random.Random
) -> None:
    lists = sharded(hits, 3, len(hits))
    expected = merge(lists, k)
    for one in lists:
        rng.shuffle(one)
    rng.shuffle(lists)
    assert merge(lists, k) == expected


@given(documents(), st.integers(1, 12))
def test_scores_never_rise_and_no_item_comes_twice(hits: list[ShardHit], k: int) -> None:
    merged = merge([hits, hits], k)
    assert [h.score for h in merged] == sorted((h.score for h in merged), reverse=True)
    assert len({(h.doc_id, h.item_id) for h in merged}) == len(merged) <= k


def test_a_picture_hides_the_chunk_it_was_joined_with_when_it_ranks_above_it() -> None:
    chunk, picture = hit("a", "t0", 0.7), hit("a", "p0", 0.9, swallows="t0")
    assert merge([[chunk, picture]], 10) == [picture]


def test_a_picture_that_does_not_fit_the_question_stays_below_its_chunk() -> None:
    chunk, picture = hit("a", "t0", 0.9), hit("a", "p0", 0.7, swallows="t0")
    assert merge([[picture, chunk]], 10) == [chunk, picture]


def test_a_picture_and_its_chunk_with_equal_scores_are_shown_as_the_picture() -> None:
    chunk, picture = hit("a", "t0", 0.9), hit("a", "p0", 0.9, swallows="t0")
    assert merge([[chunk, picture]], 10) == [picture]


def test_a_picture_hides_nothing_in_other_documents() -> None:
    chunk, picture = hit("b", "t0", 0.7), hit("a", "p0", 0.9, swallows="t0")
    assert merge([[chunk], [picture]], 10) == [picture, chunk]


@pytest.mark.parametrize(("k", "asked"), [(1, 2), (10, 20), (MAX_K, MAX_K)])
def test_shards_are_asked_for_twice_the_hits_within_what_they_give(k: int, asked: int) -> None:
    assert shard_k(k) == asked
