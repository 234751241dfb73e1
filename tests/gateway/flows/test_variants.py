"""Full and distilled: who gets which picture tower, and what happens when the small one fails."""

import pytest

from contracts.errors import DependencyFailed
from gateway.core.query import SearchQuery
from tests.gateway.fakes import TRACE
from tests.gateway.searching import Search, picture
from tests.gateway.virtual_time import run, running_loop

BOTH = ("full", "distilled")


@pytest.mark.parametrize(
    ("tier", "variant", "tower"),
    [
        ("high-value", "full", "clip_image"),
        ("standard", "distilled", "clip_image_distilled"),
        (None, "distilled", "clip_image_distilled"),
    ],
)
def test_the_tier_decides_the_picture_tower_and_the_answer_says_which(
    tier: str | None, variant: str, tower: str
) -> None:
    async def scenario() -> None:
        search = Search(running_loop().clock(), variants=BOTH)
        response = await search.flow.search(SearchQuery(words=None, pictures=(picture(),), tier=tier), trace=TRACE)
        assert response.variant == variant
        assert search.encoder.calls == [tower]

    run(scenario())


def test_without_a_distilled_tower_everyone_gets_the_full_one() -> None:
    async def scenario() -> None:
        search = Search(running_loop().clock())
        response = await search.flow.search(SearchQuery(words=None, pictures=(picture(),)), trace=TRACE)
        assert (response.variant, search.encoder.calls) == ("full", ["clip_image"])

    run(scenario())


def test_the_full_tower_stands_in_for_a_distilled_one_that_fails() -> None:
    async def scenario() -> None:
        search = Search(running_loop().clock(), variants=BOTH)
        search.encoder.failing["clip_image_distilled"] = DependencyFailed("triton", "broken")
        response = await search.flow.search(SearchQuery(words=None, pictures=(picture(),)), trace=TRACE)
        assert search.encoder.calls == ["clip_image_distilled", "clip_image"]
        assert response.degraded == []
        assert response.hits

    run(scenario())


def test_words_go_to_the_same_towers_in_both_variants() -> None:
    async def scenario() -> None:
        full, distilled = (Search(running_loop().clock(), variants=each) for each in (("full",), BOTH))
        await full.words("violin strings")
        await distilled.words("violin strings")
        assert full.encoder.calls == distilled.encoder.calls

    run(scenario())
