"""Searches in experiments: who gets which answer, what is told, and what never touches an answer."""

from dataclasses import dataclass, field, replace

import pytest

from contracts.api import SearchResponse
from contracts.errors import DeadlineExceeded, DependencyFailed, InvalidInput
from contracts.experiment_events import Exposure, Mirrored
from contracts.experiments import Changes, Variant
from gateway.core.impressions import ImpressionSigner
from gateway.core.query import Caller, SearchQuery
from gateway.flows.experiment_search import ExperimentSearch
from gateway.flows.shadow import Shadow
from tests.gateway.experimenting import SCORE_OR_SPREAD, CountingExperimentMeter, MemoryLog
from tests.gateway.fakes import GENERATION, TRACE, ShardBehaviour
from tests.gateway.searching import Search, picture
from tests.gateway.virtual_time import run, running_loop

BOTH = ("full", "distilled")
SIGNER = ImpressionSigner(b"sixteen bytes or more", ttl_s=3600)
OTHER_INDEX = (Variant(name="now"), Variant(name="next", changes=Changes(generation="next")))
SHADOW = (Variant(name="now"), Variant(name="full", changes=Changes(encoder="full")))


@dataclass
class Trial:
    """A search in experiments over fakes, and a shadow with a search of its own."""

    log: MemoryLog = field(default_factory=MemoryLog)
    meter: CountingExperimentMeter = field(default_factory=CountingExperimentMeter)

    def __post_init__(self) -> None:
        clock = running_loop().clock()
        self.search = Search(clock, variants=BOTH)
        self.behind = Search(clock, variants=BOTH)
        self.shadow = Shadow(self.behind.flow, self.log, self.meter, clock)
        self._names = iter(range(1_000_000))
        self.flow = ExperimentSearch(
            self.search.flow,
            self.shadow,
            self.log,
            SIGNER,
            self.meter,
            clock,
            new_id=lambda: f"impression-{next(self._names)}",
        )

    async def ask(self, user: str | None, **changes: object) -> SearchResponse:
        query = SearchQuery(words="pumps need oil", pictures=(picture(),), k=4, caller=Caller(user=user))
        return await self.flow.search(replace(query, **changes), trace=TRACE)  # type: ignore[arg-type]


def test_each_user_is_answered_by_one_variant_which_the_answer_names() -> None:
    async def scenario() -> None:
        trial = Trial()
        trial.log.run()
        variants: dict[str, set[str]] = {}
        for n in range(40):
            user = f"user-{n % 10}"
            response = await trial.ask(user)
            [part] = response.experiments
            assert (part.experiment, part.variant) == ("towers", response.variant)
            variants.setdefault(user, set()).add(part.variant)
        assert all(len(seen) == 1 for seen in variants.values())
        assert set.union(*variants.values()) == set(BOTH)
        assert len(trial.log.told(Exposure)) == 40

    run(scenario())


def test_without_an_experiment_a_search_is_what_it_was() -> None:
    async def scenario() -> None:
        trial = Trial()
        response = await trial.ask("ann")
        assert (response.variant, response.experiments) == ("distilled", [])
        assert SIGNER.read(response.impression_id or "", 0).members == ()
        assert trial.log.events == []

    run(scenario())


def test_a_forced_variant_answers_and_tells_nothing() -> None:
    async def scenario() -> None:
        trial = Trial()
        trial.log.run()
        for wanted in BOTH:
            response = await trial.ask("ann", caller=Caller(user="ann", forced={"towers": wanted}))
            assert (response.variant, response.experiments[0].forced) == (wanted, True)
        assert trial.log.events == []
        with pytest.raises(InvalidInput):
            await trial.ask("ann", caller=Caller(forced={"towers": "huge"}))

    run(scenario())


def test_a_failure_counts_against_the_variant_and_still_is_the_callers_error() -> None:
    async def scenario() -> None:
        trial = Trial()
        trial.log.run()
        trial.search.bus.behaviour = {place: ShardBehaviour(silent=True) for place in trial.search.bus.behaviour}
        with pytest.raises(DeadlineExceeded):
            await trial.ask("ann")
        assert [told.failed for told in trial.log.told(Exposure)] == [True]

    run(scenario())


def test_models_that_stand_in_count_as_a_failure_of_the_variant() -> None:
    async def scenario() -> None:
        trial = Trial()
        trial.log.run()
        trial.search.encoder.failing["clip_image_distilled"] = DependencyFailed("triton", "broken")
        for n in range(12):
            assert (await trial.ask(f"user-{n}")).hits
        failed = {told.variant: told.failed for told in trial.log.told(Exposure)}
        assert failed == {0: False, 1: True}

    run(scenario())


def test_a_generation_that_went_away_costs_nobody_an_answer() -> None:
    async def scenario() -> None:
        trial = Trial()
        trial.log.run(variants=OTHER_INDEX)
        answers = [await trial.ask(f"user-{n}", pictures=()) for n in range(12)]
        assert all(answer.hits and answer.generation == GENERATION.name for answer in answers)
        assert {told.variant: told.failed for told in trial.log.told(Exposure)} == {0: False, 1: True}

    run(scenario())


def test_a_question_that_is_wrong_says_nothing_about_a_variant() -> None:
    async def scenario() -> None:
        trial = Trial()
        trial.log.run(unit="request", variants=SCORE_OR_SPREAD)
        with pytest.raises(InvalidInput):
            await trial.ask(None, pictures=(), weights=replace(SearchQuery(words="a", pictures=()).weights,
                            text_text=0, text_image=0, lexical=0))  # fmt: skip
        assert trial.log.events == []

    run(scenario())


def test_an_interleaved_list_holds_hits_of_both_and_knows_whose_they_are() -> None:
    async def scenario() -> None:
        trial = Trial()
        trial.log.run(kind="interleave", variants=SCORE_OR_SPREAD, metric="clicks")
        response = await trial.ask("ann", pictures=())
        [member] = SIGNER.read(response.impression_id or "", 0).members
        assert member.teams is not None
        assert len(member.teams) == len(response.hits) == 4
        assert set(member.teams) == {0, 1}
        assert [hit.rank for hit in response.hits] == [1, 2, 3, 4]
        assert len({(hit.doc_id, hit.item_id) for hit in response.hits}) == 4
        assert response.experiments[0].variant == "score+spread"

    run(scenario())


def test_one_ranking_alone_is_an_answer_and_a_failure_of_the_interleaving() -> None:
    async def scenario() -> None:
        trial = Trial()
        changed = (Variant(name="small", changes=Changes(encoder="distilled")), Variant(name="now"))
        trial.log.run(kind="interleave", variants=changed, metric="clicks")
        trial.search.encoder.failing["clip_image_distilled"] = DependencyFailed("triton", "broken")
        assert (await trial.ask("ann")).hits
        assert [told.failed for told in trial.log.told(Exposure)] == [True]

    run(scenario())


def test_a_shadow_is_asked_behind_the_answer_and_compared() -> None:
    async def scenario() -> None:
        trial = Trial()
        trial.log.run(kind="shadow", variants=SHADOW)
        response = await trial.ask("ann")
        assert response.variant == "distilled"
        assert trial.behind.encoder.calls == []
        await trial.shadow.finish()
        assert "clip_image" in trial.behind.encoder.calls
        [told] = trial.log.told(Mirrored)
        # Both towers of the fake see the same in a picture.
        assert told.overlap == 1.0
        assert trial.log.told(Exposure) == []

    run(scenario())


def test_a_shadow_that_hangs_or_fails_touches_no_answer() -> None:
    async def scenario() -> None:
        trial = Trial()
        trial.log.run(kind="shadow", variants=SHADOW)
        trial.behind.bus.behaviour = {place: ShardBehaviour(silent=True) for place in trial.behind.bus.behaviour}
        for n in range(12):
            response = await trial.ask(f"user-{n}", words=f"oil {n}")
            assert (response.served_by, response.degraded) == ("index", [])
        await trial.shadow.finish()
        told = trial.log.told(Mirrored)
        assert told
        assert all(each.overlap is None for each in told)
        # More than a few at once are left out, not queued.
        assert trial.meter.counts[("shadow", "left_out")] == 12 - len(told)
        assert set(trial.search.meter.breakers.values()) == {"closed"}

    run(scenario())


def test_what_the_cache_answers_is_not_put_to_a_shadow() -> None:
    async def scenario() -> None:
        trial = Trial()
        trial.log.run(kind="shadow", variants=SHADOW)
        await trial.ask("ann")
        await trial.shadow.finish()
        assert (await trial.ask("ann")).served_by == "cache"
        await trial.shadow.finish()
        assert len(trial.log.told(Mirrored)) == 1

    run(scenario())
