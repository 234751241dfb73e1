"""Whatever encoders, shards and cache do: a search ends within its budget, and what it says is true."""

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import DependencyDown, TriremeError
from contracts.ids import shard_of
from tests.gateway.fakes import N_SHARDS, ShardBehaviour, search_everything
from tests.gateway.searching import TOPICS, Search, corpus
from tests.gateway.virtual_time import run, running_loop

BUDGET_S = 0.200

delays_s = st.sampled_from([0.001, 0.010, 0.039, 0.041, 0.070, 0.079, 0.081, 0.120, 0.199, 0.5])
shards = st.builds(
    ShardBehaviour, delay_s=delays_s, silent=st.booleans(), failing=st.sampled_from([False, False, False, True])
)
weathers = st.fixed_dictionaries(
    {
        "shards": st.lists(shards, min_size=2 * N_SHARDS, max_size=2 * N_SHARDS),
        "text_s": delays_s,
        "clip_s": delays_s,
        "text_fails": st.booleans(),
        "cache_s": delays_s,
        "cache_up": st.booleans(),
        "bus_up": st.sampled_from([True, True, True, False]),
        "passes_s": st.sampled_from([0.0, 0.5, 1.5, 400.0]),
        "question": st.sampled_from(TOPICS),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(weathers, min_size=1, max_size=12), st.sampled_from([0.0, 0.05, 1.0]))
def test_every_search_ends_in_time_and_tells_the_truth(days: list[dict[str, object]], hedge_share: float) -> None:
    async def scenario() -> None:
        search = Search(running_loop().clock(), hedge_share=hedge_share)
        for day in days:
            running_loop().advance(float(str(day["passes_s"])))
            _set(search, day)
            began_s = search.clock.monotonic_s()
            words = str(day["question"])
            try:
                response = await search.words(words, k=6)
            except TriremeError:
                response = None
            assert search.clock.monotonic_s() - began_s <= BUDGET_S
            if response is None or response.served_by != "index":
                continue
            assert ("shards" in response.degraded) == (response.coverage.answered < response.coverage.of)
            assert 0 < response.coverage.answered <= response.coverage.of == N_SHARDS
            scores = [hit.score for hit in response.hits]
            assert scores == sorted(scores, reverse=True)
            if set(response.degraded) <= {"cache"}:
                expected = search_everything(corpus(), words, 6)
                assert [hit.doc_id for hit in response.hits] == [hit.doc_id for hit in expected]
            assert len({shard_of(hit.doc_id, N_SHARDS) for hit in response.hits}) <= response.coverage.answered

    run(scenario())


def _set(search: Search, day: dict[str, object]) -> None:
    behaviours = day["shards"]
    assert isinstance(behaviours, list)
    for n, behaviour in enumerate(behaviours):
        search.bus.behaviour[divmod(n, N_SHARDS)] = behaviour
    search.encoder.delay_s = {"text": float(str(day["text_s"])), "clip_text": float(str(day["clip_s"]))}
    search.encoder.failing = {"text": DependencyDown("triton")} if day["text_fails"] else {}
    search.cache.delay_s = float(str(day["cache_s"]))
    search.cache.up = bool(day["cache_up"])
    search.bus.up = bool(day["bus_up"])
