"""Graphs in fewer bits against the float32 graph they come from, on other inputs than the calibration's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from contracts.errors import InvalidInput
from encoding.manifests import TextManifest, read_manifest
from tests.export.conftest import Exported

pytest.importorskip("torch", reason="runs in the export environment: `make test-export`")
pytestmark = pytest.mark.export_env

from export.parity import ParityError, gate, run_graph  # noqa: E402
from export.precision import Precision, drop_repeated, write_precision  # noqa: E402
from export.quantise import LADDER, Feeds, Kept, layers_kept  # noqa: E402


def batches(exported: Exported, seed: int) -> list[Feeds]:
    """Random sequences of four lengths, padded at the right."""
    manifest = read_manifest(exported.repository, exported.text, TextManifest)
    described = json.loads((exported.repository / exported.text / "manifest.json").read_text())
    rng = np.random.default_rng(seed)
    made: list[Feeds] = []
    for length in (8, 16, 24, 48):
        ids = rng.integers(4, described["vocab_size"], (4, length))
        mask = (np.arange(length) < rng.integers(3, length + 1, (4, 1))).astype(np.int64)
        made.append({"input_ids": np.where(mask, ids, manifest.pad_token_id), "attention_mask": mask})
    return made


def types_of(path: Path) -> list[tuple[str, int]]:
    graph = onnx.load(path).graph
    return [(each.name, each.type.tensor_type.elem_type) for each in (*graph.input, *graph.output)]


@pytest.mark.parametrize("precision", ["fp16", "int8", "int8-dynamic"])
def test_fewer_bits_keep_the_vectors_and_the_types_outside(
    exported_text: Exported, tmp_path: Path, precision: Precision
) -> None:
    source, target = exported_text.graph(exported_text.text), tmp_path / "model.onnx"
    # A network this small has no spare width: int8 passes by the ladder's last rung.
    write_precision(source, target, precision, batches(exported_text, seed=1), LADDER[-1])
    comparison = batches(exported_text, seed=2)
    figures = gate("tower", run_graph(target, comparison, precision), run_graph(source, comparison), precision)
    assert figures.inputs == 16
    # It did change something: equal graphs would prove nothing.
    assert figures.max_abs_error > 1e-6
    assert types_of(target) == types_of(source)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("kept", LADDER)
def test_what_stays_in_float_is_found_in_the_graph(exported_text: Exported, kept: Kept) -> None:
    """By the weights' names: PyTorch's are the modules' names, and the tracer keeps them."""
    graph = onnx.load(exported_text.graph(exported_text.text)).graph
    layers = sum(each.op_type == "Softmax" for each in graph.node)
    names = layers_kept(graph, kept)
    assert len(names) == layers * LADDER.index(kept)
    assert set(names) <= {each.name for each in graph.node if each.op_type == "MatMul"}


def test_int8_with_layers_in_float_lies_closer(exported_text: Exported, tmp_path: Path) -> None:
    source, comparison = exported_text.graph(exported_text.text), batches(exported_text, seed=2)
    wanted, errors = run_graph(source, comparison), []
    for kept in (LADDER[0], LADDER[-1]):
        write_precision(source, tmp_path / "model.onnx", "int8", batches(exported_text, seed=1), kept)
        errors.append(float(np.abs(run_graph(tmp_path / "model.onnx", comparison, "int8") - wanted).mean()))
    assert errors[1] < errors[0]


def test_static_int8_needs_inputs_to_calibrate_with(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="calibration"):
        write_precision(tmp_path / "fp32.onnx", tmp_path / "model.onnx", "int8", [])


@pytest.mark.parametrize("spoiled", [0.2, float("nan")])
def test_the_gate_refuses_a_single_vector_that_is_off(spoiled: float) -> None:
    rng = np.random.default_rng(4)
    wanted = rng.standard_normal((8, 16)).astype(np.float32)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    found: Any = wanted.copy()
    assert gate("tower", found, wanted, "fp32").min_cosine > 0.9999
    found[5, 2] += spoiled
    with pytest.raises(ParityError, match="Nothing was written"):
        gate("tower", found, wanted, "fp32")


def test_the_gate_refuses_vectors_of_another_shape() -> None:
    with pytest.raises(ParityError, match="shape"):
        gate("tower", np.ones((2, 3), np.float32), np.ones((2, 4), np.float32), "fp32")
    with pytest.raises(ParityError, match="shape"):
        gate("tower", np.ones((0, 3), np.float32), np.ones((0, 3), np.float32), "fp32")


def test_a_cast_that_was_made_twice_stays_once(tmp_path: Path) -> None:
    helper, half, single = onnx.helper, onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    cast = helper.make_node("Cast", ["weight"], ["weight_single"], name="weight_cast", to=single)
    norms = [
        helper.make_node("LayerNormalization", ["x", "weight_single"], ["y"], name="first"),
        helper.make_node("LayerNormalization", ["y", "weight_single"], ["embedding"], name="second"),
    ]
    ports = [helper.make_tensor_value_info(name, single, ["batch", 8]) for name in ("x", "embedding")]
    weight = helper.make_tensor("weight", half, [8], np.linspace(0.5, 1.5, 8).astype(np.float16))
    graph = helper.make_graph([cast, norms[0], cast, norms[1]], "norms", ports[:1], ports[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    feeds = [{"x": np.random.default_rng(1).standard_normal((3, 8)).astype(np.float32)}]
    onnx.save(model, tmp_path / "twice.onnx")
    with pytest.raises(Exception, match=r"Duplicate|two nodes"):
        run_graph(tmp_path / "twice.onnx", feeds)
    drop_repeated(model)
    onnx.save(model, tmp_path / "once.onnx")
    assert run_graph(tmp_path / "once.onnx", feeds).shape == (3, 8)
    assert [node.name for node in model.graph.node] == ["weight_cast", "first", "second"]
