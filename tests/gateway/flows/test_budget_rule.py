"""The 200 ms rule: what goes on without whom, and when. In virtual time, so the milliseconds are exact."""

import asyncio

import pytest

from contracts.errors import DeadlineExceeded, DependencyDown
from gateway.core.query import SearchQuery
from tests.gateway.fakes import N_SHARDS, TRACE, search_everything
from tests.gateway.searching import Search, corpus, picture
from tests.gateway.virtual_time import run, running_loop

# Replies are waited for until 5 ms before the answer is due.
LAST_REPLY_MS = 195


def started(**parts: object) -> Search:
    return Search(running_loop().clock(), **parts)  # type: ignore[arg-type]


def test_at_80_ms_the_half_that_is_ready_goes_on_and_the_other_is_named() -> None:
    async def scenario() -> None:
        search = started()
        search.encoder.delay_s["clip_text"] = 0.5
        response = await search.words("bees")
        assert response.degraded == ["clip_text"]
        assert response.timings_ms["encode"] == pytest.approx(80)
        assert response.timings_ms["total"] == pytest.approx(85)
        assert {hit.image_score for hit in response.hits} == {0.0}

    run(scenario())


def test_a_picture_whose_tower_is_late_leaves_the_words_to_search_with() -> None:
    async def scenario() -> None:
        search = started()
        search.encoder.delay_s["clip_image"] = 0.5
        response = await search.flow.search(SearchQuery(words="bees", pictures=(picture(),), k=5), trace=TRACE)
        assert response.degraded == ["clip_image"]
        expected = search_everything(corpus(), "bees", 5)
        assert [hit.doc_id for hit in response.hits] == [hit.doc_id for hit in expected]

    run(scenario())


def test_when_no_half_is_ready_at_80_ms_the_first_to_finish_goes_on() -> None:
    async def scenario() -> None:
        search = started()
        search.encoder.delay_s = {"text": 0.120, "clip_text": 0.5}
        response = await search.words("bees")
        assert response.degraded == ["clip_text"]
        assert response.timings_ms["total"] == pytest.approx(125)

    run(scenario())


def test_encoders_that_never_finish_end_the_search_at_the_shards_deadline() -> None:
    async def scenario() -> None:
        search = started()
        search.encoder.delay_s = {"text": 5.0, "clip_text": 5.0}
        with pytest.raises(DeadlineExceeded):
            await search.words("bees")
        assert search.clock.monotonic_s() == pytest.approx(0.180)

    run(scenario())


def test_the_budget_counts_from_arrival_not_from_when_the_flow_began() -> None:
    async def scenario() -> None:
        search = started()
        search.encoder.delay_s["clip_text"] = 0.5
        running_loop().advance(0.050)
        response = await search.flow.search(SearchQuery(words="bees", k=5), trace=TRACE, arrived_s=0.0)
        assert response.timings_ms["encode"] == pytest.approx(30)
        assert response.timings_ms["total"] == pytest.approx(85)

    run(scenario())


def test_shards_are_told_to_drop_the_request_180_ms_after_arrival() -> None:
    async def scenario() -> None:
        search = started()
        arrived_ms = search.clock.unix_ms()
        await search.words("bees")
        [(_, _, request)] = search.bus.sent
        assert request.deadline_ms - arrived_ms == pytest.approx(180, abs=1)
        assert request.reply_partition == search.bus.reply_partition

    run(scenario())


def test_missing_shard_gives_partial_result() -> None:
    async def scenario() -> None:
        search = started()
        search.bus.behaviour[(0, 2)].silent = search.bus.behaviour[(1, 2)].silent = True
        response = await search.words("bees", k=10)
        assert (response.coverage.answered, response.coverage.of) == (N_SHARDS - 1, N_SHARDS)
        assert response.degraded == ["shards"]
        assert response.served_by == "index"
        assert response.timings_ms["total"] == pytest.approx(LAST_REPLY_MS)
        assert search.meter.missing == 1
        assert response.hits

    run(scenario())


def test_a_late_shard_is_asked_again_in_the_other_group_after_40_ms() -> None:
    async def scenario() -> None:
        search = started()
        search.bus.behaviour[(0, 1)].delay_s = 0.150
        response = await search.words("bees")
        assert search.bus.asked(1) == [(1,)]
        assert response.coverage.answered == N_SHARDS
        # 10 ms encoders, 40 ms until the shard is late, 5 ms in the other group.
        assert response.timings_ms["total"] == pytest.approx(55)
        assert search.meter.hedges == ["late"]
        expected = search_everything(corpus(), "bees", 5)
        assert [hit.doc_id for hit in response.hits] == [hit.doc_id for hit in expected]

    run(scenario())


def test_nothing_is_asked_again_after_110_ms() -> None:
    async def scenario() -> None:
        search = started()
        search.encoder.delay_s = {"text": 0.075, "clip_text": 0.075}
        search.bus.behaviour[(0, 1)].silent = True
        response = await search.words("bees")
        assert search.bus.asked(1) == []
        assert response.coverage.answered == N_SHARDS - 1

    run(scenario())


def test_a_shard_counts_as_late_only_after_its_own_95th_percentile() -> None:
    async def scenario() -> None:
        search = started(hedge_share=1.0)
        # Hedged at 40 ms until 20 round trips are known; that they came after the answer does not matter.
        search.bus.behaviour[(0, 1)].delay_s = 0.070
        for n in range(22):
            await search.words(f"bees {n}")
        hedges = len(search.meter.hedges)
        assert 20 <= hedges <= 22
        search.bus.behaviour[(0, 1)].delay_s = 0.065
        for n in range(10):
            await search.words(f"bread {n}")
        assert len(search.meter.hedges) == hedges
        began_s = search.clock.monotonic_s()
        search.bus.behaviour[(0, 1)].silent = True
        await search.words("bees again")
        assert len(search.meter.hedges) == hedges + 1
        sent_s, group, _ = search.bus.sent[-1]
        assert group == 1
        assert sent_s - began_s == pytest.approx(0.010 + 0.070)

    run(scenario())


def test_at_most_five_percent_of_searches_are_hedged() -> None:
    async def scenario() -> None:
        search = started()
        n_searches = 400
        for n in range(n_searches):
            # Slow enough to be late, quick enough to keep the breaker closed, and never the same p95.
            search.bus.behaviour[(0, 1)].delay_s = 0.045 if n % 20 == 0 else 0.039
            search.bus.behaviour[(0, 2)].delay_s = 0.041 + n * 0.0001
            await search.words(f"bees {n}")
        assert 5 <= len(search.meter.hedges) <= 0.05 * n_searches + 1

    run(scenario())


def test_a_shard_that_answers_with_an_error_is_asked_in_the_other_group_at_once() -> None:
    async def scenario() -> None:
        search = started()
        search.bus.behaviour[(0, 1)].failing = True
        response = await search.words("bees")
        assert response.coverage.answered == N_SHARDS
        assert response.timings_ms["total"] == pytest.approx(20)
        assert search.meter.hedges == ["failed"]

    run(scenario())


def test_a_dead_shard_is_soon_left_alone_and_the_other_group_asked_from_the_start() -> None:
    async def scenario() -> None:
        search = started(hedge_share=0.0)
        search.bus.behaviour[(0, 1)].silent = True
        for n in range(6):
            await search.words(f"bees {n}")
        sent = len(search.bus.sent)
        response = await search.words("bread")
        asked = [(group, request.shards) for _, group, request in search.bus.sent[sent:]]
        assert asked == [(0, (0, 2)), (1, (1,))]
        assert response.coverage.answered == N_SHARDS
        assert response.timings_ms["total"] == pytest.approx(15)
        assert search.meter.breakers["group-0/shard-1"] == "open"

    run(scenario())


def test_a_shard_that_came_back_is_tried_without_any_search_paying_for_it() -> None:
    async def scenario() -> None:
        search = started(hedge_share=0.0)
        search.bus.behaviour[(0, 1)].silent = True
        for n in range(7):
            await search.words(f"bees {n}")
        await asyncio.sleep(1.5)
        trial = await search.words("bread while it is still away")
        assert trial.timings_ms["total"] == pytest.approx(15)
        assert trial.coverage.answered == N_SHARDS
        search.bus.behaviour[(0, 1)].silent = False
        await asyncio.sleep(1.5)
        await search.words("bread when it is back")
        await asyncio.sleep(0.5)
        await search.words("bread once more")
        assert search.meter.breakers["group-0/shard-1"] == "closed"
        assert search.bus.asked(0)[-1] == tuple(range(N_SHARDS))

    run(scenario())


def test_the_cpu_group_can_be_the_one_that_is_asked_first() -> None:
    async def scenario() -> None:
        search = started(preferred_group=1)
        response = await search.words("bees")
        assert search.bus.asked(0) == []
        assert response.coverage.answered == N_SHARDS

    run(scenario())


def test_an_old_answer_is_better_than_none_but_not_better_than_a_partial_one() -> None:
    async def scenario() -> None:
        search = started()
        await search.words("bees")
        running_loop().advance(1000)
        for behaviour in search.bus.behaviour.values():
            behaviour.silent = True
        stale = await search.words("bees")
        assert stale.served_by == "stale_cache"
        assert stale.timings_ms["total"] == pytest.approx(LAST_REPLY_MS)
        search.bus.behaviour[(0, 0)].silent = False
        partial = await search.words("bees")
        assert partial.served_by == "index"
        assert (partial.coverage.answered, partial.coverage.of) == (1, N_SHARDS)

    run(scenario())


def test_when_nothing_answers_in_time_the_error_says_so_within_the_budget() -> None:
    async def scenario() -> None:
        search = started()
        for behaviour in search.bus.behaviour.values():
            behaviour.silent = True
        with pytest.raises(DeadlineExceeded):
            await search.words("bees")
        assert search.clock.monotonic_s() == pytest.approx(LAST_REPLY_MS / 1000)

    run(scenario())


def test_when_all_shards_stay_silent_most_searches_fail_at_once() -> None:
    async def scenario() -> None:
        search = started(hedge_share=0.0)
        for behaviour in search.bus.behaviour.values():
            behaviour.silent = True
        spent_s = []
        for n in range(40):
            began_s = search.clock.monotonic_s()
            with pytest.raises((DeadlineExceeded, DependencyDown)):
                await search.words(f"bees {n}")
            spent_s.append(search.clock.monotonic_s() - began_s)
        # Ten searches teach it; after that one a second tries whether the shards are back.
        assert sum(spent < 0.011 for spent in spent_s[15:]) >= 20

    run(scenario())


def test_a_tower_that_keeps_failing_is_left_out_without_waiting() -> None:
    async def scenario() -> None:
        search = started()
        search.encoder.delay_s["clip_text"] = 0.5
        for n in range(6):
            await search.words(f"bees {n}")
        response = await search.words("bread")
        assert response.degraded == ["clip_text"]
        assert response.timings_ms["total"] == pytest.approx(15)

    run(scenario())


def test_towers_that_are_all_slow_are_not_left_out_when_they_are_quick_again() -> None:
    async def scenario() -> None:
        search = started()
        search.encoder.delay_s = {"text": 5.0, "clip_text": 5.0}
        for n in range(8):
            with pytest.raises(DeadlineExceeded):
                await search.words(f"bees {n}")
        search.encoder.delay_s = {}
        assert (await search.words("bread")).degraded == []

    run(scenario())


def test_an_outage_of_kafka_is_held_against_no_shard() -> None:
    async def scenario() -> None:
        search = started(hedge_share=0.0)
        for n in range(8):
            search.bus.up = True
            for behaviour in search.bus.behaviour.values():
                behaviour.silent = True
            running_loop().call_later(0.012, setattr, search.bus, "up", False)
            with pytest.raises(DependencyDown):
                await search.words(f"bees {n}")
            await asyncio.sleep(0.5)
        search.bus.up = True
        for behaviour in search.bus.behaviour.values():
            behaviour.silent = False
        response = await search.words("bread")
        assert response.coverage.answered == N_SHARDS
        assert search.bus.asked(1) == []
        assert set(search.meter.breakers.values()) == {"closed"}

    run(scenario())


def test_replies_that_nobody_asked_for_change_nothing() -> None:
    async def scenario() -> None:
        search = started()
        search.bus.answers_beside = [(1, 0), (0, N_SHARDS + 4)]
        response = await search.words("bees")
        assert (response.coverage.answered, response.coverage.of) == (N_SHARDS, N_SHARDS)
        expected = search_everything(corpus(), "bees", 5)
        assert [hit.doc_id for hit in response.hits] == [hit.doc_id for hit in expected]

    run(scenario())
