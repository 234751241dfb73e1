from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InvalidInput
from contracts.experiments import Changes, Experiment, RankingWeights, Variant
from gateway.core.assignment import assigned_variant, members, unit_hash
from gateway.core.query import SearchQuery
from gateway.core.route import Route
from tests.gateway.experimenting import SCORE_OR_SPREAD, draft, query, reweighted, running

ROUTE = Route(variant="distilled")
USERS = [f"user-{n}" for n in range(4000)]


def shown(experiments: list[Experiment], asked: SearchQuery, route: Route = ROUTE) -> list[str]:
    return [member.variant_name for member in members(experiments, asked, route, "request")]


@given(st.text(max_size=20))
def test_a_unit_keeps_its_variant(user: str) -> None:
    experiment = running()
    assert len({assigned_variant(experiment, user) for _ in range(3)}) == 1


@pytest.mark.parametrize("weights", [(1.0, 1.0), (9.0, 1.0), (1.0, 0.0)])
def test_variants_get_units_by_their_weights(weights: tuple[float, float]) -> None:
    experiment = reweighted(running(), *weights)
    treated = sum(assigned_variant(experiment, user) for user in USERS)
    expected = len(USERS) * weights[1] / sum(weights)
    # Five standard deviations of a binomial.
    assert abs(treated - expected) <= 5 * (len(USERS) * 0.25) ** 0.5 * bool(expected)


def test_units_move_only_to_the_variant_that_gained() -> None:
    before = running()
    after = reweighted(before, 1.0, 3.0)
    moves = Counter((assigned_variant(before, user), assigned_variant(after, user)) for user in USERS)
    assert moves[(1, 0)] == 0
    assert moves[(0, 1)] > 0


def test_experiments_divide_units_independently() -> None:
    one, other = running("one"), running("other")
    both = Counter((assigned_variant(one, user), assigned_variant(other, user)) for user in USERS)
    assert all(abs(count - len(USERS) / 4) < 5 * (len(USERS) * 3 / 16) ** 0.5 for count in both.values())
    assert unit_hash(one, "ann") != unit_hash(other, "ann")


def test_only_the_share_that_takes_part_takes_part() -> None:
    experiment = running(traffic=0.25)
    part = sum(bool(shown([experiment], query(user=user))) for user in USERS)
    assert abs(part - 1000) < 5 * (4000 * 0.25 * 0.75) ** 0.5


def test_who_has_no_id_takes_no_part() -> None:
    assert shown([running()], query(user=None)) == []
    assert len(shown([running(unit="request")], query(user=None))) == 1


def test_a_draft_is_given_to_nobody_but_those_who_ask_for_it() -> None:
    assert shown([draft()], query()) == []
    assert shown([draft()], query(forced={"towers": "distilled"})) == ["distilled"]


def test_who_asks_for_a_variant_gets_it_and_does_not_count() -> None:
    for wanted in ("full", "distilled"):
        [member] = members([running()], query(forced={"towers": wanted}), ROUTE, "request")
        assert (member.variant_name, member.forced) == (wanted, True)


@pytest.mark.parametrize("forced", [{"towers": "huge"}, {"elsewhere": "full"}])
def test_who_asks_for_what_does_not_exist_is_told(forced: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        members([running()], query(forced=forced), ROUTE, "request")


def test_requests_that_variants_answer_alike_take_no_part() -> None:
    assert shown([running()], query(picture=False)) == []
    assert shown([running()], query(tier="high-value")) == []
    assert shown([running(audience="high-value")], query(tier="high-value")) != []
    assert shown([running()], query(), Route(variant="distilled", shed=True)) == []
    other = Changes(weights=RankingWeights(text_text=1, text_image=2, image_image=1, lexical=0))
    weights = running("weights", variants=(Variant(name="now"), Variant(name="then", changes=other)))
    assert shown([weights], query(own_weights=True)) == []
    assert shown([weights], query()) != []


def test_of_two_that_change_the_same_the_earlier_counts() -> None:
    later = running("a-later-one")
    assert len(shown([later, running("b-first")], query())) == 1


def test_an_interleaved_list_names_both_variants() -> None:
    experiment = running(kind="interleave", variants=SCORE_OR_SPREAD, metric="clicks")
    assert shown([experiment], query()) == ["score+spread"]
