"""Two generations of the index read the same requests; only the one that searches go to counts."""

import pytest

from contracts.errors import DeadlineExceeded
from tests.gateway.fakes import N_SHARDS, ShardBehaviour, search_everything
from tests.gateway.searching import Search, corpus
from tests.gateway.virtual_time import run, running_loop


def started() -> Search:
    search = Search(running_loop().clock())
    search.bus.other_generation = "words-4"
    return search


def test_refusals_of_another_generation_change_nothing() -> None:
    async def scenario() -> None:
        search = started()
        for n in range(20):
            response = await search.words(f"bees {n}")
            expected = search_everything(corpus(), f"bees {n}", 5)
            assert [hit.doc_id for hit in response.hits] == [hit.doc_id for hit in expected]
            assert (response.coverage.answered, response.degraded) == (N_SHARDS, [])
        assert search.bus.asked(1) == []
        assert set(search.meter.breakers.values()) == {"closed"}

    run(scenario())


def test_shards_that_are_silent_are_late_and_not_failed_when_another_generation_refuses() -> None:
    async def scenario() -> None:
        search = started()
        search.bus.behaviour = {place: ShardBehaviour(silent=True) for place in search.bus.behaviour}
        with pytest.raises(DeadlineExceeded):
            await search.words("bees")

    run(scenario())
