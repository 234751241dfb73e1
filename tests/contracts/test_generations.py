"""Lives of index generations: which state follows which, and who serves after each record of a cut-over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.codec import decode, encode
from contracts.errors import Conflict, NotFound, TriremeError
from contracts.generations import (
    Generation,
    GenerationParameters,
    cut_over,
    generation_name,
    moved,
    oldest_first,
    planned,
    previous_of,
    retired,
    serving_of,
)

Known = dict[str, Generation]


def generation(name: str, state: str = "ready", turn: int = 0, created_ms: int = 1) -> Generation:
    return Generation(
        tenant="t",
        name=name,
        space_id="s",
        n_shards=3,
        state=state,  # type: ignore[arg-type]
        created_ms=created_ms,
        turn=turn,
    )


def known(*generations: Generation) -> Known:
    return {each.name: each for each in generations}


def written(found: Known, *records: Generation) -> Known:
    return {**found, **{record.name: record for record in records}}


def test_a_life_goes_forward_and_a_serving_generation_steps_back_to_ready() -> None:
    one = generation("a", "building")
    for state in ("ready", "serving", "ready", "retired"):
        one = moved(one, state)
        assert one.state == state


@pytest.mark.parametrize(
    ("state", "unlawful"),
    [
        ("building", "serving"),
        ("ready", "building"),
        ("serving", "building"),
        ("serving", "retired"),
        ("retired", "ready"),
        ("retired", "serving"),
        ("retired", "building"),
    ],
)
def test_other_steps_are_refused(state: str, unlawful: str) -> None:
    with pytest.raises(Conflict, match=state):
        moved(generation("a", state), unlawful)  # type: ignore[arg-type]


def test_searches_go_to_the_generation_that_was_made_to_serve_last_whoever_is_younger() -> None:
    found = [generation("young", "serving", turn=1, created_ms=9), generation("old", "serving", turn=2)]
    serving = serving_of(found)
    assert serving is not None
    assert serving.name == "old"
    assert serving_of([generation("a"), generation("b", "building")]) is None


def test_a_cut_over_is_decided_by_its_first_record() -> None:
    found = known(generation("old", "serving", turn=1), generation("new", created_ms=2))
    first, *others = cut_over(found.values(), "new")
    half_way = written(found, first)
    assert serving_of(half_way.values()) == first
    assert first.name == "new"
    done = written(half_way, *others)
    assert {g.name: g.state for g in done.values()} == {"old": "ready", "new": "serving"}
    assert previous_of(done.values()) == done["old"]


def test_a_cut_over_that_was_broken_off_is_put_right_by_the_next_one() -> None:
    found = known(generation("old", "serving", turn=1), generation("new", "serving", turn=2, created_ms=2))
    (record,) = cut_over(found.values(), "new")
    assert (record.name, record.state) == ("old", "ready")
    assert cut_over(written(found, record).values(), "new") == ()


def test_going_back_is_a_cut_over_to_the_one_before() -> None:
    found = known(
        generation("first", "ready", turn=1),
        generation("second", "ready", turn=2, created_ms=2),
        generation("third", "serving", turn=3, created_ms=3),
        generation("trial", "ready", created_ms=4),
    )
    before = previous_of(found.values())
    assert before is not None
    assert before.name == "second"
    back = written(found, *cut_over(found.values(), before.name))
    serving = serving_of(back.values())
    assert serving is not None
    assert serving.name == "second"
    # And forward again.
    again = previous_of(back.values())
    assert again is not None
    assert again.name == "third"


def test_only_a_generation_that_is_ready_can_be_switched_to() -> None:
    found = known(
        generation("old", "serving", turn=1), generation("new", "building"), generation("gone", "retired")
    )
    for name in ("new", "gone"):
        with pytest.raises(Conflict):
            cut_over(found.values(), name)
    with pytest.raises(NotFound):
        cut_over(found.values(), "absent")


def test_the_serving_generation_cannot_be_retired_and_any_other_can_even_twice() -> None:
    found = known(
        generation("old", "serving", turn=1),
        generation("serves", "serving", turn=2, created_ms=2),
        generation("built", "building"),
    )
    with pytest.raises(Conflict, match="switch"):
        retired(found.values(), "serves")
    for name in ("old", "built"):
        ended = retired(found.values(), name)
        assert ended.state == "retired"
        assert retired(written(found, ended).values(), name) == ended
    with pytest.raises(NotFound):
        retired(found.values(), "absent")


def test_a_name_is_never_given_twice() -> None:
    names: list[str] = []
    for _ in range(4):
        names.append(generation_name("0123456789abcdef", 5, names))
    assert names == ["0123456789ab-5", "0123456789ab-5-2", "0123456789ab-5-3", "0123456789ab-5-4"]


def test_a_new_generation_is_younger_than_all_whatever_the_clock_says() -> None:
    found = [generation("old", "serving", turn=1, created_ms=5_000)]
    new = planned(
        found,
        tenant="t",
        space_id="s",
        n_shards=5,
        parameters=GenerationParameters(segment_kind="flat"),
        source="old",
        now_ms=17,
    )
    assert [g.name for g in oldest_first([new, *found])] == ["old", new.name]
    assert (new.state, new.turn, new.source, new.n_shards) == ("building", 0, "old", 5)


def test_a_record_from_before_parameters_and_turns_is_still_read() -> None:
    record = b'{"tenant":"t","name":"a","space_id":"s","n_shards":3,"state":"serving","created_ms":1}'
    old = decode(Generation, record)
    assert (old.turn, old.source, old.parameters) == (0, None, GenerationParameters())
    assert decode(Generation, encode(old)) == old


@given(st.lists(st.tuples(st.sampled_from(["build", "ready", "switch", "back", "retire"]), st.integers(0, 4))))
def test_whatever_is_asked_there_is_one_to_search_from_the_first_cut_over_on(asked: list[tuple[str, int]]) -> None:
    found = known(generation("g0", "serving", turn=1))
    for what, number in asked:
        name = f"g{number}"
        try:
            records: tuple[Generation, ...]
            if what == "build" and name not in found:
                records = (generation(name, "building", created_ms=number + 1),)
            elif what == "ready" and name in found:
                records = (moved(found[name], "ready"),) if found[name].state == "building" else ()
            elif what == "switch":
                records = cut_over(found.values(), name)
            elif what == "back" and (before := previous_of(found.values())) is not None:
                records = cut_over(found.values(), before.name)
            elif what == "retire":
                records = (retired(found.values(), name),)
            else:
                records = ()
        except TriremeError:
            continue
        for record in records:
            found[record.name] = record
            # After every single record, not only at the end.
            assert serving_of(found.values()) is not None
    assert sum(g.state == "serving" for g in found.values()) == 1
