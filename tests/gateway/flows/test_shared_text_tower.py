"""A CLIP text tower that is the text encoder under another name: one run serves both, either server will do."""

import asyncio

import pytest

from contracts.errors import DeadlineExceeded, DependencyDown, DependencyFailed, Overloaded, TriremeError
from contracts.joint import Weights
from gateway.core.query import SearchQuery
from tests.gateway.fakes import TRACE, search_everything
from tests.gateway.searching import Search, corpus, picture
from tests.gateway.virtual_time import run, running_loop


def started() -> Search:
    search = Search(running_loop().clock())
    search.encoder.shares_text_tower = True
    return search


def ids(hits: object) -> list[tuple[str, str]]:
    return [(hit.doc_id, hit.item_id) for hit in hits]  # type: ignore[attr-defined]


def test_one_run_serves_both_halves_where_the_text_towers_are_one() -> None:
    async def scenario() -> None:
        search = started()
        response = await search.words("bees and flowers")
        # The CLIP tower's server is the one that documents do not keep busy.
        assert search.encoder.calls == ["clip_text"]
        assert ids(response.hits) == ids(search_everything(corpus(), "bees and flowers", 5))

    run(scenario())


@pytest.mark.parametrize("weights", [Weights(text_image=0.0), Weights(text_text=0.0)])
def test_one_text_tower_for_both_fills_only_the_halves_that_count(weights: Weights) -> None:
    async def scenario() -> None:
        search = started()
        response = await search.words("bees and flowers", weights=weights)
        assert search.encoder.calls == ["clip_text"]
        expected = search_everything(corpus(), "bees and flowers", 5, weights)
        assert [hit.score for hit in response.hits] == pytest.approx([hit.score for hit in expected], abs=1e-6)

    run(scenario())


def test_a_shared_text_tower_that_is_away_leaves_the_picture_to_search_with() -> None:
    async def scenario() -> None:
        search = started()
        search.encoder.failing |= {"clip_text": DependencyDown("triton"), "text": DependencyDown("triton")}
        query = SearchQuery(words="bees", pictures=(picture(),), k=5)
        response = await search.flow.search(query, trace=TRACE)
        assert sorted(response.degraded) == ["clip_text", "text"]
        assert response.hits

    run(scenario())


@pytest.mark.parametrize("error", [DependencyDown("triton"), DependencyFailed("triton"), Overloaded("Full.")])
def test_the_text_encoder_stands_in_for_a_clip_tower_that_is_the_same_model(error: TriremeError) -> None:
    async def scenario() -> None:
        search = started()
        search.encoder.failing["clip_text"] = error
        response = await search.words("bees and flowers")
        assert response.degraded == ["clip_text"]
        assert ids(response.hits) == ids(search_everything(corpus(), "bees and flowers", 5))

    run(scenario())


def test_a_shared_tower_that_hangs_is_soon_left_alone_and_tried_beside_the_other() -> None:
    async def scenario() -> None:
        search = started()
        search.encoder.delay_s["clip_text"] = 10.0
        for n in range(5):
            with pytest.raises(DeadlineExceeded):
                await search.words(f"bees {n}")
        for n in range(100):
            response = await search.words(f"flowers {n}")
            assert response.degraded == ["clip_text"]
            assert response.timings_ms["encode"] == pytest.approx(10)
        assert search.encoder.calls.count("clip_text") > 5
        search.encoder.delay_s["clip_text"] = 0.001
        await asyncio.sleep(11)
        await search.words("pumps")
        await asyncio.sleep(0.01)
        assert (await search.words("oil")).degraded == []

    run(scenario())
