"""The ONNX backend without Triton: what it reads out of a configuration and refuses, and how it joins requests."""

from __future__ import annotations

import importlib.util
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


settings, batches = loaded("settings"), loaded("batches")


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


def test_requests_of_unequal_width_are_not_joined() -> None:
    with pytest.raises(ValueError, match="shape"):
        batches.BatchMemory().join([{"a": np.zeros((1, 3))}, {"a": np.zeros((1, 4))}])
