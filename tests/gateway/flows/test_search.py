"""What a search answers, and what it does without its dependencies. In virtual time."""

import asyncio

import pytest

from contracts.errors import DependencyDown, DependencyFailed, InvalidInput, Overloaded
from contracts.joint import Weights
from gateway.core.query import SearchQuery
from tests.gateway.fakes import GENERATION, N_SHARDS, TRACE, search_everything
from tests.gateway.searching import Search, corpus, picture
from tests.gateway.virtual_time import run, running_loop


def started(**parts: object) -> Search:
    return Search(running_loop().clock(), **parts)  # type: ignore[arg-type]


def ids(hits: object) -> list[tuple[str, str]]:
    return [(hit.doc_id, hit.item_id) for hit in hits]  # type: ignore[attr-defined]


def test_an_answer_of_all_shards_equals_searching_everything_at_once() -> None:
    async def scenario() -> None:
        for words in ("oil for pumps", "violin strings", "wind and kites", "bread"):
            response = await started().words(words, k=7)
            expected = search_everything(corpus(), words, 7)
            assert ids(response.hits) == ids(expected)
            assert [hit.score for hit in response.hits] == pytest.approx([hit.score for hit in expected], abs=1e-6)
            assert [hit.rank for hit in response.hits] == list(range(1, 8))
            assert (response.coverage.answered, response.coverage.of) == (N_SHARDS, N_SHARDS)
            assert response.served_by == "index"
            assert response.degraded == []
            assert response.trace_id == TRACE.trace_id

    run(scenario())


def test_weights_reach_the_shards_as_the_weighted_sum_of_the_halves() -> None:
    async def scenario() -> None:
        weights = Weights(text_text=0.5, text_image=2.0)
        response = await started().words("glaciers and valleys", weights=weights)
        expected = search_everything(corpus(), "glaciers and valleys", 5, weights)
        assert ids(response.hits) == ids(expected)
        assert response.hits[0].score == pytest.approx(expected[0].score, abs=1e-6)

    run(scenario())


def test_timings_name_every_stage_and_add_up() -> None:
    async def scenario() -> None:
        timings = (await started().words("bees")).timings_ms
        assert timings["encode"] == pytest.approx(10)
        # Shards answer after 5 ms, of which they say they searched for half a millisecond.
        assert timings["kafka"] == pytest.approx(4.5)
        assert timings["faiss"] == pytest.approx(0.5)
        assert timings["total"] == pytest.approx(15)

    run(scenario())


def test_a_tower_without_weight_is_not_run() -> None:
    async def scenario() -> None:
        search = started()
        await search.words("bees", weights=Weights(text_image=0.0))
        assert search.encoder.calls == ["text"]

    run(scenario())


def test_weights_that_leave_nothing_of_the_query_are_refused() -> None:
    async def scenario() -> None:
        with pytest.raises(InvalidInput, match="weights"):
            await started().words("bees", weights=Weights(text_text=0.0, text_image=0.0))

    run(scenario())


def test_words_and_a_picture_are_encoded_side_by_side() -> None:
    async def scenario() -> None:
        search = started()
        query = SearchQuery(words="bees", pictures=(picture(),), k=5)
        response = await search.flow.search(query, trace=TRACE)
        assert sorted(search.encoder.calls) == ["clip_image", "clip_text", "text"]
        assert response.timings_ms["encode"] == pytest.approx(10)

    run(scenario())


def test_a_second_equal_search_is_served_from_the_cache_and_asks_nobody() -> None:
    async def scenario() -> None:
        search = started()
        first = await search.words("violin strings")
        running_loop().advance(299)
        sent, encoded = len(search.bus.sent), len(search.encoder.calls)
        second = await search.words("violin strings")
        assert second.served_by == "cache"
        assert ids(second.hits) == ids(first.hits)
        assert second.cache_age_s == pytest.approx(299, abs=0.1)
        assert (len(search.bus.sent), len(search.encoder.calls)) == (sent, encoded)

    run(scenario())


def test_an_answer_without_hits_is_not_kept() -> None:
    async def scenario() -> None:
        search = started()
        nowhere = SearchQuery(words="violin strings", k=5, tenant="has nothing yet")
        for _ in range(2):
            response = await search.flow.search(nowhere, trace=TRACE)
            assert response.hits == []
            assert response.served_by == "index"

    run(scenario())


def test_an_answer_older_than_five_minutes_is_searched_again() -> None:
    async def scenario() -> None:
        search = started()
        await search.words("violin strings")
        running_loop().advance(301)
        assert (await search.words("violin strings")).served_by == "index"
        assert (await search.words("violin strings")).served_by == "cache"

    run(scenario())


def test_long_lists_are_not_kept() -> None:
    async def scenario() -> None:
        search = started()
        await search.words("violin strings", k=11)
        assert search.cache.kept == {}

    run(scenario())


def test_answers_that_lack_something_are_not_kept() -> None:
    async def scenario() -> None:
        search = started()
        search.encoder.failing["clip_text"] = DependencyDown("triton")
        assert (await search.words("bees")).degraded == ["clip_text"]
        search.encoder.failing.clear()
        search.bus.behaviour[(0, 1)].silent = search.bus.behaviour[(1, 1)].silent = True
        assert (await search.words("bees")).degraded == ["shards"]
        assert search.cache.kept == {}

    run(scenario())


def test_without_a_cache_searches_are_complete_and_say_that_it_is_away() -> None:
    async def scenario() -> None:
        search = started()
        search.cache.up = False
        response = await search.words("bees")
        assert ids(response.hits) == ids(search_everything(corpus(), "bees", 5))
        assert response.degraded == ["cache"]

    run(scenario())


def test_a_search_waits_ten_milliseconds_for_a_slow_cache_and_not_longer() -> None:
    async def scenario() -> None:
        search = started()
        search.cache.delay_s = 0.5
        response = await search.words("bees")
        assert response.served_by == "index"
        assert response.timings_ms["cache"] == pytest.approx(10)
        assert response.timings_ms["total"] == pytest.approx(25)

    run(scenario())


def test_an_answer_that_a_slow_cache_gives_late_still_helps_when_the_encoders_fail() -> None:
    async def scenario() -> None:
        search = started()
        await search.words("bees")
        search.cache.delay_s = 0.050
        search.encoder.delay_s = {"text": 1.0, "clip_text": 1.0}
        assert (await search.words("bees")).served_by == "cache"
        running_loop().advance(1000)
        assert (await search.words("bees")).served_by == "stale_cache"

    run(scenario())


def test_without_kafka_a_slow_cache_has_the_rest_of_the_budget() -> None:
    async def scenario() -> None:
        search = started()
        await search.words("bees")
        search.cache.delay_s = 0.090
        search.bus.up = False
        response = await search.words("bees")
        assert response.served_by == "cache"
        assert response.timings_ms["total"] == pytest.approx(90)

    run(scenario())


def test_without_kafka_an_old_answer_is_given_and_marked() -> None:
    async def scenario() -> None:
        search = started()
        first = await search.words("violin strings")
        running_loop().advance(7200)
        search.bus.up = False
        response = await search.words("violin strings")
        assert response.served_by == "stale_cache"
        assert response.cache_age_s == pytest.approx(7200, abs=0.1)
        assert ids(response.hits) == ids(first.hits)

    run(scenario())


def test_without_kafka_and_cache_the_error_names_kafka_and_comes_at_once() -> None:
    async def scenario() -> None:
        search = started()
        search.bus.up = False
        with pytest.raises(DependencyDown) as caught:
            await search.words("bees")
        assert caught.value.dependency == "kafka"
        assert search.clock.monotonic_s() == 0
        assert search.encoder.calls == []
        assert search.meter.served_by == ["error"]

    run(scenario())


def test_kafka_lost_during_a_search_ends_it_without_waiting_for_the_deadline() -> None:
    async def scenario() -> None:
        search = started()
        for behaviour in search.bus.behaviour.values():
            behaviour.silent = True
        running_loop().call_later(0.030, setattr, search.bus, "up", False)
        with pytest.raises(DependencyDown) as caught:
            await search.words("bees")
        assert caught.value.dependency == "kafka"
        # Noticed when the search looked up next: at the hedge, 40 ms after the request went out.
        assert search.clock.monotonic_s() == pytest.approx(0.050)

    run(scenario())


def test_when_every_encoder_is_away_an_old_answer_is_given_else_an_error() -> None:
    async def scenario() -> None:
        search = started()
        await search.words("violin strings")
        running_loop().advance(1000)
        search.encoder.failing = {"text": DependencyDown("triton"), "clip_text": DependencyDown("triton")}
        assert (await search.words("violin strings")).served_by == "stale_cache"
        with pytest.raises(DependencyDown) as caught:
            await search.words("something never asked before")
        assert caught.value.dependency == "triton"

    run(scenario())


def test_shards_that_only_fail_give_an_error_that_is_not_a_timeout() -> None:
    async def scenario() -> None:
        search = started()
        for behaviour in search.bus.behaviour.values():
            behaviour.failing = True
        with pytest.raises(DependencyFailed):
            await search.words("bees")
        assert search.clock.monotonic_s() < 0.030

    run(scenario())


def test_before_a_generation_is_known_searches_say_so() -> None:
    async def scenario() -> None:
        search = started()
        search.generations.generation = None
        with pytest.raises(DependencyDown) as caught:
            await search.words("bees")
        assert caught.value.dependency == "index"

    run(scenario())


def test_equal_searches_at_the_same_time_share_one_trip_to_the_shards() -> None:
    async def scenario() -> None:
        search = started()
        responses = await asyncio.gather(*(search.words("bees") for _ in range(8)))
        assert len(search.bus.sent) == 1
        assert len({tuple(ids(response.hits)) for response in responses}) == 1

    run(scenario())


def test_a_caller_that_leaves_does_not_spoil_the_search_it_shares() -> None:
    async def scenario() -> None:
        search = started()
        leaving = asyncio.create_task(search.words("bees"))
        staying = asyncio.create_task(search.words("bees"))
        await asyncio.sleep(0.005)
        leaving.cancel()
        assert (await staying).coverage.answered == N_SHARDS

    run(scenario())


def test_more_searches_than_places_are_refused() -> None:
    async def scenario() -> None:
        search = started(max_at_once=2)
        under_way = [asyncio.create_task(search.words(words)) for words in ("bees", "bread")]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await search.words("kites")
        await asyncio.gather(*under_way)
        assert (await search.words("kites")).served_by == "index"

    run(scenario())


@pytest.mark.parametrize("group", [0, 1], ids=["primaries", "replica"])
def test_what_an_answer_shows_is_noted_whoever_served_it(group: int) -> None:
    async def scenario() -> None:
        search = started(preferred_group=group)
        first = await search.words("bees", k=3)
        again = await search.words("bees", k=3)
        assert (first.served_by, again.served_by) == ("index", "cache")
        expected = (GENERATION.name, N_SHARDS, [hit.doc_id for hit in first.hits])
        assert search.shown.noted == [expected, expected]

    run(scenario())


def test_a_stale_answer_counts_as_shown_and_a_failed_search_as_nothing() -> None:
    async def scenario() -> None:
        search = started()
        kept = await search.words("bees", k=3)
        await asyncio.sleep(1000)
        search.bus.up = False
        stale = await search.words("bees", k=3)
        with pytest.raises(DependencyDown):
            await search.words("violins")
        assert stale.served_by == "stale_cache"
        assert search.shown.noted[1:] == [(GENERATION.name, N_SHARDS, [hit.doc_id for hit in kept.hits])]

    run(scenario())
