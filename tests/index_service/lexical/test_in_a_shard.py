"""Words and vectors in one ranking of a whole shard, wherever its items lie."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from contracts.ids import shard_of
from contracts.search import Filter
from gateway.core.merge import merge
from index_service.lexical.matches import normalised
from index_service.lexical.terms import terms
from index_service.lexical.wanted import wanted
from index_service.sealed import open_segment
from index_service.shard import Shard
from index_service.upkeep import Upkeep
from tests.index_service.building import SPEC, brute_force, doc, inline, item_set, query, query_vector, removal
from tests.index_service.life import tiny, train_here

WEIGHT = 0.4
K = 12


@pytest.fixture
def rng():
    return np.random.default_rng(71)


def with_words(document, rng):
    """The same items, whose texts are of few words and part numbers."""
    words = ["pump", "valve", "gasket", "pressure", "winter"]
    items = tuple(
        msgspec.structs.replace(item, text=f"{' '.join(rng.choice(words, 3))} XYZ-{rng.integers(4700, 4800)}")
        for item in document.items
    )
    return msgspec.structs.replace(document, items=items)


@pytest.fixture
def documents(rng):
    return [with_words(item_set(rng, doc(i), 1, collection="ab"[i % 2]), rng) for i in range(120)]


def asked(words, vector, **changes):
    return replace(query(vector, K), terms=wanted(words), lexical_weight=WEIGHT, **changes)


def by_hand(documents, words, vector, k=K):
    """The top k by definition: exact inner product plus weighted share of matched words, item by item."""
    weights = wanted(words)
    lexical = {}
    for document in documents:
        for item in document.items:
            matched = sum(weight for term, weight in weights.weights.items() if term in terms(item.text))
            score = normalised(np.array([matched], dtype=np.float32), weights)[0]
            lexical[document.doc_id, item.item_id] = WEIGHT * float(score)
    everything = brute_force(documents, vector, len(lexical))
    scored = [(score + lexical[doc_id, item_id], doc_id, item_id) for score, doc_id, item_id in everything]
    return sorted(scored, key=lambda one: (-one[0], one[1], one[2]))[:k]


def filled(documents, directory, how):
    """A shard with these documents in its delta, in a sealed segment, or in both."""
    shard = Shard(SPEC, tiny())
    upkeep = Upkeep(shard, directory, train_here)
    for number, document in enumerate(documents):
        shard.apply(inline(document), document)
        if how == "both" and number == 60:
            upkeep.seal_all()
    if how == "sealed":
        upkeep.seal_all()
    return shard


def same(hits, expected):
    assert [(hit.doc_id, hit.item_id) for hit in hits] == [one[1:] for one in expected]
    assert [hit.score for hit in hits] == pytest.approx([one[0] for one in expected], abs=1e-6)


@pytest.mark.parametrize("how", ["delta", "sealed", "both"])
@pytest.mark.parametrize(
    "words", ["XYZ-4711", "gasket of the pump", "xyz4712 or XYZ-4713 in winter", "nothing of it"]
)
def test_the_ranking_is_the_one_made_by_hand_wherever_items_lie(documents, rng, tmp_path, how, words):
    shard = filled(documents, tmp_path, how)
    vector = query_vector(rng)
    [answer] = shard.search([asked(words, vector, exact=True)])
    same(answer.hits, by_hand(documents, words, vector))
    for hit in answer.hits:
        assert hit.score == pytest.approx(hit.text_score + hit.image_score + WEIGHT * hit.lexical_score, abs=1e-6)


def test_words_alone_rank_when_there_is_no_vector(documents, tmp_path):
    zeros = np.zeros(SPEC.dim, dtype=np.float32)
    for how in ("delta", "both"):
        shard = filled(documents, tmp_path / how, how)
        [answer] = shard.search([asked("XYZ-4711 gasket", zeros, exact=True)])
        same(answer.hits, by_hand(documents, "XYZ-4711 gasket", zeros))


def test_removed_and_replaced_texts_are_not_found(documents, rng, tmp_path):
    shard = filled(documents, tmp_path, "both")
    number = documents[3].items[0].text.split()[-1]
    held = [d for d in documents if any(number in item.text for item in d.items)]
    for document in held:
        shard.apply(removal(document.doc_id, 2), None)
    again = with_words(item_set(rng, held[0].doc_id, 3), rng)
    again = msgspec.structs.replace(
        again, items=tuple(msgspec.structs.replace(item, text="spare part QQ-1234") for item in again.items)
    )
    shard.apply(inline(again), again)
    [old] = shard.search([asked(number, query_vector(rng))])
    assert not {hit.doc_id for hit in old.hits} & {d.doc_id for d in held[1:]}
    [new] = shard.search([asked("QQ-1234", np.zeros(SPEC.dim, dtype=np.float32))])
    assert new.hits[0].doc_id == held[0].doc_id
    assert new.hits[0].lexical_score == pytest.approx(1.0, abs=0.01)


def test_filters_hold_for_words_too(documents, rng, tmp_path):
    shard = filled(documents, tmp_path, "both")
    vector = query_vector(rng)
    [answer] = shard.search([asked("XYZ-4711 pump", vector, filter=Filter(collections=("b",)), exact=True)])
    same(answer.hits, by_hand([d for d in documents if d.collection == "b"], "XYZ-4711 pump", vector))


def test_three_shards_merged_rank_like_one(documents, rng, tmp_path):
    many = [Shard(replace(SPEC, shard=i, n_shards=3), tiny()) for i in range(3)]
    for document in documents:
        many[shard_of(document.doc_id, 3)].apply(inline(document), document)
    Upkeep(many[1], tmp_path, train_here).seal_all()
    vector = query_vector(rng)
    lists = [shard.search([asked("xyz-4720 valve", vector, exact=True)])[0].hits for shard in many]
    [alone] = filled(documents, tmp_path / "one", "delta").search([asked("xyz-4720 valve", vector, exact=True)])
    assert merge(lists, K) == merge([alone.hits], K)


def test_a_damaged_index_of_words_is_replaced(documents, rng, tmp_path):
    shard = filled(documents, tmp_path, "sealed")
    vector = query_vector(rng)
    [before] = shard.search([asked("XYZ-4711", vector, exact=True)])
    [segment] = shard.sealed
    for path in (segment.directory / "lexical").glob("*.term"):
        path.write_bytes(path.read_bytes()[:-3] + b"\0\0\0")
    again = Shard(SPEC, tiny())
    again.adopt(open_segment(segment.directory, SPEC, tiny()))
    assert again.sealed[0].index_damaged
    [after] = again.search([asked("XYZ-4711", vector, exact=True)])
    assert after.hits == before.hits
    upkeep = Upkeep(again, tmp_path, train_here)
    assert upkeep.step() == "merged"
    assert not again.sealed[0].index_damaged
    [mended] = again.search([asked("XYZ-4711", vector, exact=True)])
    assert mended.hits == before.hits
