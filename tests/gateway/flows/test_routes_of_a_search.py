"""A search is answered as its route says: models, generation, weights, order of the hits."""

from contextlib import ExitStack

import msgspec
import pytest

from contracts.errors import DependencyDown, DependencyFailed
from contracts.joint import Weights
from gateway.core.query import SearchQuery
from gateway.core.route import Route
from tests.gateway.fakes import GENERATION, TRACE
from tests.gateway.searching import Search, picture
from tests.gateway.virtual_time import run, running_loop

BOTH = ("full", "distilled")
BESIDE = msgspec.structs.replace(GENERATION, name="words-beside")
WORDS = SearchQuery(words="pumps need oil", pictures=(), k=4)


def test_a_route_names_the_models() -> None:
    async def scenario() -> None:
        search = Search(running_loop().clock(), variants=BOTH)
        query = SearchQuery(words=None, pictures=(picture(),))
        assert search.flow.route(query).variant == "distilled"
        response = await search.flow.search(query, trace=TRACE, route=Route(variant="full"))
        assert (response.variant, search.encoder.calls) == ("full", ["clip_image"])

    run(scenario())


def test_the_answer_names_the_models_that_stood_in() -> None:
    async def scenario() -> None:
        search = Search(running_loop().clock(), variants=BOTH)
        search.encoder.failing["clip_image_distilled"] = DependencyFailed("triton", "broken")
        response = await search.flow.search(SearchQuery(words=None, pictures=(picture(),)), trace=TRACE)
        assert response.variant == "full"

    run(scenario())


def test_a_route_names_the_generation() -> None:
    async def scenario() -> None:
        search = Search(running_loop().clock())
        search.generations.beside = (BESIDE,)
        route = Route(variant="full", generation=BESIDE.name)
        assert search.flow.serves(route, WORDS)
        response = await search.flow.search(WORDS, trace=TRACE, route=route)
        assert response.generation == BESIDE.name
        assert {request.generation for _, _, request in search.bus.sent} == {BESIDE.name}

    run(scenario())


def test_a_generation_that_is_not_there_cannot_be_searched() -> None:
    async def scenario() -> None:
        search = Search(running_loop().clock())
        route = Route(variant="full", generation="gone")
        assert not search.flow.serves(route, WORDS)
        with pytest.raises(DependencyDown):
            await search.flow.search(WORDS, trace=TRACE, route=route)

    run(scenario())


def test_a_route_brings_weights_and_they_have_answers_of_their_own_in_the_cache() -> None:
    async def scenario() -> None:
        search = Search(running_loop().clock())
        plain = await search.flow.search(WORDS, trace=TRACE)
        halved = Route(variant="full", weights=Weights(0.5, 0.5, 0.5, 0.0))
        weighted = await search.flow.search(WORDS, trace=TRACE, route=halved)
        assert weighted.served_by == "index"
        assert weighted.hits[0].score == pytest.approx(plain.hits[0].score / 2, rel=1e-3)
        assert len(search.cache.kept) == 2

    run(scenario())


def test_a_reranker_orders_more_hits_than_are_wanted_and_gives_the_first() -> None:
    async def scenario() -> None:
        search = Search(running_loop().clock())
        plain = await search.flow.search(WORDS, trace=TRACE)
        spread = await search.flow.search(WORDS, trace=TRACE, route=Route(variant="full", reranker="spread"))
        assert len(plain.hits) == len(spread.hits) == 4
        assert len({hit.doc_id for hit in plain.hits}) < 4
        assert len({hit.doc_id for hit in spread.hits}) == 4
        assert [hit.rank for hit in spread.hits] == [1, 2, 3, 4]

    run(scenario())


def test_load_moves_everyone_to_the_cheaper_models_before_anyone_is_refused() -> None:
    async def scenario() -> None:
        search = Search(running_loop().clock(), variants=BOTH, max_at_once=8)
        query = SearchQuery(words=None, pictures=(picture(),), tier="high-value")
        with ExitStack() as others:
            for _ in range(6):
                others.enter_context(search.admission.admitted(search.clock.monotonic_s()))
            assert search.flow.route(query) == Route(variant="full")
            others.enter_context(search.admission.admitted(search.clock.monotonic_s()))
            assert search.flow.route(query) == Route(variant="distilled", shed=True)
            response = await search.flow.search(query, trace=TRACE)
            assert response.variant == "distilled"
        assert (await search.flow.search(query, trace=TRACE)).variant == "full"

    run(scenario())
