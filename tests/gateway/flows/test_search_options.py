"""Several pictures, grouping, long lists, snippets, and vectors that are remembered."""

import numpy as np
import pytest

from contracts.errors import DependencyDown
from contracts.joint import Weights
from contracts.search import MAX_K
from gateway.core.query import SearchQuery
from gateway.core.snippet import Snippets
from gateway.flows.encode import EncodeQuery
from tests.gateway.fakes import SPACE, TRACE, WordEncoder, pixel_vector, text_item
from tests.gateway.searching import Search, picture
from tests.gateway.virtual_time import run, running_loop


def started(**options: object) -> Search:
    return Search(running_loop().clock(), **options)  # type: ignore[arg-type]


def sent_vector(search: Search) -> np.ndarray:
    return np.frombuffer(search.bus.sent[-1][2].vector, dtype="<f4")


def test_several_pictures_count_as_their_weighted_sum_and_one_may_count_against() -> None:
    async def scenario() -> None:
        search = started()
        like, unlike = picture(1), picture(2)
        unlike = type(unlike)(unlike.pixels, unlike.sha256, unlike.space_id, weight=-0.5)
        query = SearchQuery(words=None, pictures=(like, unlike), weights=Weights(image_image=2.0))
        await search.flow.search(query, trace=TRACE)
        expected = 2.0 * (pixel_vector(like.pixels) - 0.5 * pixel_vector(unlike.pixels))
        np.testing.assert_allclose(sent_vector(search)[SPACE.text_dim :], expected, atol=1e-6)
        assert search.encoder.calls == ["clip_image"], "all pictures go to the tower together"

    run(scenario())


def test_words_may_count_against_what_they_mean() -> None:
    async def scenario() -> None:
        search = started()
        best = (await search.words("violin strings", k=1)).hits[0].doc_id
        turned = await search.words("violin strings", k=100, weights=Weights(text_text=-1.0, text_image=0.0))
        assert turned.hits[0].doc_id != best
        assert turned.hits[-1].doc_id == best

    run(scenario())


def test_grouped_hits_stand_by_document_and_k_counts_documents() -> None:
    async def scenario() -> None:
        search = started()
        flat = (await search.words("tram platform nine", k=100)).hits
        for size in (1, 2):
            query = SearchQuery(words="tram platform nine", k=4, per_document=size)
            grouped = (await search.flow.search(query, trace=TRACE)).hits
            order = list(dict.fromkeys(hit.doc_id for hit in flat))[:4]
            assert list(dict.fromkeys(hit.doc_id for hit in grouped)) == order
            for doc_id in order:
                of_document = [(hit.item_id, hit.score) for hit in flat if hit.doc_id == doc_id][:size]
                assert [(hit.item_id, hit.score) for hit in grouped if hit.doc_id == doc_id] == of_document
            assert [hit.rank for hit in grouped] == list(range(1, len(grouped) + 1))

    run(scenario())


def test_a_thousand_hits_may_be_wanted() -> None:
    async def scenario() -> None:
        search = started()
        search.bus.items += [text_item(f"many-{n}", "t0", f"bees number {n}") for n in range(1500)]
        found = await search.words("bees", k=MAX_K)
        assert len(found.hits) == MAX_K
        scores = [hit.score for hit in found.hits]
        assert scores == sorted(scores, reverse=True)

    run(scenario())


def test_a_hit_tells_the_sentence_that_matches() -> None:
    async def scenario() -> None:
        search = started()
        text = "The harbour is old. Eels are smoked over alder wood. Boats leave at nine."
        search.bus.items.append(text_item("eels", "t0", text))
        hit = (await search.words("smoked eels alder wood")).hits[0]
        assert hit.snippet == "Eels are smoked over alder wood."
        assert hit.snippet_start is not None
        assert hit.text[hit.snippet_start :].startswith(hit.snippet)

    run(scenario())


@pytest.mark.parametrize(
    ("words", "text", "expected"),
    [
        ("pump oil", "Pumps\n\nA pump needs oil. The pump is red.", "A pump needs oil."),
        ("pump oil", "Nothing of the kind is said here.", None),
        (None, "A pump needs oil.", None),
        ("the of and", "The end of it and more.", None),
        ("pump", "", None),
    ],
)
def test_the_sentence_with_most_of_the_words_is_the_snippet(
    words: str | None, text: str, expected: str | None
) -> None:
    place = Snippets(words).of(text)
    assert (text[slice(*place)] if place else None) == expected


def test_equal_words_and_pictures_are_encoded_once_and_served_while_the_encoders_are_away() -> None:
    async def scenario() -> None:
        search = started(encoder=WordEncoder())
        keeping = EncodeQuery(search.encoder, search.clock, keep=3)
        flow = search.flow
        flow._spaces.space = type(flow._spaces.space)(SPACE, keeping, frozenset({"full"}))  # type: ignore[attr-defined]
        asked = [SearchQuery(words="bees dance", pictures=(picture(1),), k=k) for k in (11, 12)]
        first = await flow.search(asked[0], trace=TRACE)
        n_calls = len(search.encoder.calls)
        search.encoder.failing = dict.fromkeys(("text", "clip_text", "clip_image"), DependencyDown("triton"))
        again = await flow.search(asked[1], trace=TRACE)
        assert len(search.encoder.calls) == n_calls
        assert again.degraded == []
        assert [hit.score for hit in again.hits[:5]] == [hit.score for hit in first.hits[:5]]
        with pytest.raises(DependencyDown):
            await flow.search(SearchQuery(words="other words", k=11), trace=TRACE)

    run(scenario())
