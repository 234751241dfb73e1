"""Which models the stack expects to answer, by what the server says of each."""

from __future__ import annotations

import pytest

from stack.servers.triton_control import ON_REQUEST, IndexedModel, VersionState
from stack.servers.triton_watch import ModelWatch, expected_models, missing_models


def model(*versions: tuple[int, str, str]) -> dict[str, IndexedModel]:
    return {"m": IndexedModel("m", tuple(VersionState(*each) for each in versions))}


@pytest.mark.parametrize(
    ("index", "is_expected"),
    [
        (model((1, "READY", "")), True),
        (model((1, "UNAVAILABLE", "Internal: no memory")), True),
        (model(), True),
        ({}, True),
        (model((1, "UNAVAILABLE", ON_REQUEST)), False),
        (model((1, "LOADING", "")), False),
        (model((1, "UNLOADING", "")), False),
        # A new version took over, or failed to while the old one serves on.
        (model((1, "UNAVAILABLE", ON_REQUEST), (2, "READY", "")), True),
        (model((1, "READY", ""), (2, "UNAVAILABLE", "Internal: damaged")), True),
    ],
    ids=["serves", "failed", "never loaded", "unknown", "unloaded", "coming", "going", "replaced", "not replaced"],
)
def test_a_model_that_the_server_was_started_with_is_expected_unless_it_was_taken_away(
    index: dict[str, IndexedModel], is_expected: bool
) -> None:
    assert expected_models(index, ["m"]) == (["m"] if is_expected else [])


def test_a_model_that_was_loaded_by_hand_is_expected_while_it_serves() -> None:
    assert expected_models(model((1, "READY", "")), []) == ["m"]
    assert expected_models(model((1, "UNAVAILABLE", "Internal: no memory")), []) == []


async def test_where_no_server_is_nothing_answers() -> None:
    assert not await ModelWatch("127.0.0.1:1", ["m"]).all_answer()


@pytest.mark.parametrize(
    ("index", "is_loaded"),
    [
        (model(), True),
        (model((1, "READY", "")), False),
        (model((1, "UNAVAILABLE", ON_REQUEST)), False),
        ({}, False),
    ],
    ids=["never loaded", "serves", "unloaded", "unknown"],
)
def test_a_model_that_came_while_the_server_ran_is_loaded_after_its_next_start(
    index: dict[str, IndexedModel], is_loaded: bool
) -> None:
    assert missing_models(index, ["m"]) == (["m"] if is_loaded else [])
