"""The oracle's own process, really started, on a graph whose answers can be computed here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from benchmarks.models.in_process import WORKER


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    """A graph that gives twice what it takes."""
    taken = helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 3])
    given = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [None, 3])
    graph = helper.make_graph([helper.make_node("Add", ["image", "image"], ["embedding"])], "g", [taken], [given])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def ask(graph: Path, inputs: Path, *questions: dict[str, Any]) -> list[dict[str, Any]]:
    """Every line that the worker says, the one about itself first."""
    command = [sys.executable, str(WORKER), str(graph), str(inputs), "--engine", "onnxruntime", "--threads", "1"]
    text = "".join(json.dumps(each) + "\n" for each in questions)
    ended = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_vectors_come_in_the_order_of_the_rows_however_many_there_are(doubling: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(5).normal(size=(12, 1, 3)).astype(np.float32)
    np.savez(tmp_path / "inputs.npz", **{f"1:{number}:image": row for number, row in enumerate(rows)})
    file = tmp_path / "vectors.npy"
    ask(doubling, tmp_path / "inputs.npz", {"vectors": str(file)})
    np.testing.assert_array_equal(np.load(file), 2 * rows[:, 0])


def test_it_measures_each_way_of_batching_by_rows_and_says_what_it_is(doubling: Path, tmp_path: Path) -> None:
    one, eight = np.ones((1, 3), np.float32), np.ones((8, 3), np.float32)
    np.savez(tmp_path / "inputs.npz", **{"1:0:image": one, "1:1:image": one, "8:0:image": eight})
    asked = [{"way": way, "seconds": 0.1} for way in ("1", "8")]
    about, single, batched = ask(doubling, tmp_path / "inputs.npz", *asked)
    assert about["engine"].startswith("onnxruntime ")
    # Of so small a graph a run costs the call alone, so that eight rows a run are many more rows a second.
    assert batched["items_per_s"] > 2 * single["items_per_s"]
    assert single["median_ms"] > 0
