"""The ONNX backend without Triton: what it reads out of a configuration and refuses, and how it joins requests."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

BACKEND = Path(__file__).parents[3] / "deploy" / "triton" / "backends" / "onnxruntime"


def loaded(name: str) -> ModuleType:
    """A module of the backend; the server, too, finds them in a folder and not in a package."""
    spec = importlib.util.spec_from_file_location(f"onnx_backend_{name}", BACKEND / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


settings, batches, grouping = loaded("settings"), loaded("batches"), loaded("grouping")


def config(accelerators: dict[str, Any] | None = None, **parameters: str) -> dict[str, Any]:
    return {
        "name": "model",
        "parameters": {name: {"string_value": value} for name, value in parameters.items()},
        "optimization": {"execution_accelerators": accelerators} if accelerators else {},
    }


def test_threads_and_session_entries_come_from_the_parameters() -> None:
    read = settings.read_settings(
        config(intra_op_thread_count="3", **{"session.intra_op.allow_spinning": "1"}), "CPU"
    )
    assert (read.intra_op_threads, read.inter_op_threads, read.openvino) == (3, 1, False)
    assert read.session_entries == {"session.intra_op.allow_spinning": "1"}


def test_openvino_is_taken_where_the_cpu_accelerator_asks_for_it() -> None:
    asked = {"cpu_execution_accelerator": [{"name": "openvino"}]}
    assert settings.read_settings(config(asked), "CPU").openvino


@pytest.mark.parametrize(
    ("asked", "kind", "parameters", "named"),
    [
        (None, "GPU", {}, "kind GPU"),
        ({"gpu_execution_accelerator": [{"name": "tensorrt"}]}, "CPU", {}, "GPU accelerator tensorrt"),
        ({"cpu_execution_accelerator": [{"name": "dnnl"}]}, "CPU", {}, "CPU accelerator dnnl"),
        ({"cpu_execution_accelerator": [{"name": "openvino", "parameters": {"x": "1"}}]}, "CPU", {}, "x is set"),
        (None, "CPU", {"intra_op_thread_count": "two"}, "intra_op_thread_count is 'two'"),
        (None, "CPU", {"inter_op_thread_count": "0"}, "inter_op_thread_count is '0'"),
    ],
)
def test_what_only_the_cpp_backend_has_is_refused_by_name(
    asked: dict[str, Any] | None, kind: str, parameters: dict[str, str], named: str
) -> None:
    with pytest.raises(settings.Unsupported, match=named):
        settings.read_settings(config(asked, **parameters), kind)


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=5), min_size=1, max_size=6), st.integers(1, 7))
def test_requests_joined_and_taken_apart_are_the_requests(rounds: list[list[int]], width: int) -> None:
    """Over many batches in the same memory, growing and shrinking."""
    memory, counter = batches.BatchMemory(), 0
    for sizes in rounds:
        parts = []
        for size in sizes:
            counter += 1
            parts.append({"a": np.full((size, width), counter), "b": np.full((size, 2), -counter)})
        joined = memory.join(parts)
        apart = batches.take_apart([joined["a"], joined["b"]], sizes)
        for part, share in zip(parts, apart, strict=True):
            np.testing.assert_array_equal(share[0], part["a"])
            np.testing.assert_array_equal(share[1], part["b"])


def test_a_single_request_is_not_copied_and_the_memory_is_used_again() -> None:
    memory = batches.BatchMemory()
    alone = {"a": np.zeros((2, 3))}
    assert memory.join([alone])["a"] is alone["a"]
    first = memory.join([{"a": np.zeros((4, 3))}, {"a": np.ones((4, 3))}])["a"]
    again = memory.join([{"a": np.ones((1, 3))}, {"a": np.ones((2, 3))}])["a"]
    assert np.shares_memory(first, again)


def test_shorter_rows_are_filled_up_with_zeros_whatever_the_memory_held_before() -> None:
    memory = batches.BatchMemory()
    memory.join([{"a": np.full((4, 4), 9)}, {"a": np.full((4, 4), 9)}])
    joined = memory.join([{"a": np.ones((1, 2))}, {"a": np.full((2, 3), 2)}])["a"]
    np.testing.assert_array_equal(joined, [[1, 1, 0], [2, 2, 2], [2, 2, 2]])


def test_pictures_of_unequal_size_are_not_joined() -> None:
    with pytest.raises(ValueError, match="shape"):
        batches.BatchMemory().join([{"a": np.zeros((1, 3, 3))}, {"a": np.zeros((1, 3, 4))}])


def text(rows: int, length: int) -> dict[str, Any]:
    return {name: np.ones((rows, length), np.int64) for name in ("input_ids", "attention_mask")}


def cost(runs: list[list[int]], sizes: list[tuple[int, int]], run_cost: int) -> int:
    """Of every run and of its tokens with padding."""
    return sum(
        run_cost + sum(sizes[place][0] for place in run) * max(sizes[place][1] for place in run) for run in runs
    )


def all_partitions(places: list[int]) -> list[list[list[int]]]:
    """Every way to part them."""
    if not places:
        return [[]]
    first, found = places[0], []
    for rest in all_partitions(places[1:]):
        found.append([[first], *rest])
        found += [[*rest[:at], [first, *rest[at]], *rest[at + 1 :]] for at in range(len(rest))]
    return found


SIZES = st.lists(st.tuples(st.integers(1, 3), st.sampled_from([8, 16, 24, 64, 256])), min_size=1, max_size=6)


@given(SIZES, st.sampled_from([0, 24, 48, 1000]))
def test_texts_are_cut_into_the_runs_that_cost_least_of_all_ways_there_are(
    sizes: list[tuple[int, int]], run_cost: int
) -> None:
    runs = grouping.plan_runs([text(*size) for size in sizes], 1, run_cost, 1.0).runs
    assert sorted(place for run in runs for place in run) == list(range(len(sizes)))
    least = min(cost(way, sizes, run_cost) for way in all_partitions(list(range(len(sizes)))))
    assert cost(runs, sizes, run_cost) == least


def least_makespan(costs: list[float], lanes: int) -> float:
    """Of all ways to give the runs to the lanes."""
    return min(
        max(sum(each for each, lane in zip(costs, way, strict=True) if lane == mine) for mine in range(lanes))
        for way in itertools.product(range(lanes), repeat=len(costs))
    )


@given(SIZES, st.integers(2, 3), st.sampled_from([1.2, 1.8, 3.0]))
def test_runs_go_side_by_side_only_where_that_can_be_done_sooner(
    sizes: list[tuple[int, int]], lanes: int, gain: float
) -> None:
    parts, run_cost = [text(*size) for size in sizes], 24
    plan = grouping.plan_runs(parts, lanes, run_cost, gain)
    assert sorted(place for run in plan.runs for place in run) == list(range(len(sizes)))
    in_turn = cost(grouping.plan_runs(parts, 1, run_cost, gain).runs, sizes, run_cost)
    if plan.side_by_side:
        beside = [run_cost + gain * (cost([run], sizes, 0)) for run in plan.runs]
        assert least_makespan(beside, lanes) < in_turn
    else:
        assert cost(plan.runs, sizes, run_cost) == in_turn


def test_a_long_text_does_not_lengthen_the_short_ones() -> None:
    runs = grouping.plan_runs([text(1, 8), text(1, 256), text(1, 8), text(1, 16)], 1, 24, 1.0).runs
    assert [sorted(run) for run in runs] == [[1], [0, 2, 3]]


def test_a_lone_text_gets_all_threads() -> None:
    assert not grouping.plan_runs([text(1, 64)], 2, 48, 1.8).side_by_side


def test_a_long_text_beside_a_short_one_gets_all_threads_too() -> None:
    assert not grouping.plan_runs([text(1, 8), text(1, 512)], 2, 48, 1.8).side_by_side


def test_texts_of_one_length_are_shared_out_among_the_threads() -> None:
    plan = grouping.plan_runs([text(1, 48) for _ in range(6)], 2, 48, 1.8)
    assert plan.side_by_side
    assert sorted(map(len, plan.runs)) == [3, 3]


def test_pictures_are_shared_out_among_the_threads() -> None:
    plan = grouping.plan_runs([{"image": np.zeros((1, 8, 8, 3))} for _ in range(4)], 2, 16, 1.56)
    assert plan.side_by_side
    assert sorted(map(sorted, plan.runs)) == [[0, 1], [2, 3]]


def test_what_has_no_mask_is_joined_with_its_like_only() -> None:
    parts = [{"a": np.zeros((1, width))} for width in (4, 6, 4)]
    assert sorted(grouping.plan_runs(parts, 1, 1000, 1.0).runs) == [[0, 2], [1]]
