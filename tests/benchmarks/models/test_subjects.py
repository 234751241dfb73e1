"""What manifests and configurations say of the models to measure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.models.exported import MINILM, BenchRepository, Wanted
from benchmarks.models.subjects import LeftOut, subjects_of
from stack.setup_paths import SetupPaths

PICTURE = 'input [ { name: "image" data_type: TYPE_UINT8 dims: [ 8, 8, 3 ] } ]'
TOKENS = "data_type: TYPE_INT64 dims: [ -1 ]"
TEXT = f'input [ {{ name: "input_ids" {TOKENS} }}, {{ name: "attention_mask" {TOKENS} }} ]'
THREADS = 'parameters { key: "intra_op_thread_count" value { string_value: "2" } }'
OPENVINO = 'optimization { execution_accelerators { cpu_execution_accelerator [ { name: "openvino" } ] } }'
STREAMS = "model_transaction_policy { decoupled: true }"


def write_model(repository: Path, name: str, config: str, sha256: str, precision: str = "fp32") -> None:
    for version in ("1", "10", "2"):
        folder = repository / name / version
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(b"graph")
    (repository / name / "config.pbtxt").write_text(f'name: "{name}" max_batch_size: 8 {config}')
    manifest = {"model": name, "sha256": sha256, "precision": precision}
    (repository / name / "manifest.json").write_text(json.dumps(manifest))


def test_engine_threads_and_precision_are_read_from_the_model(tmp_path: Path) -> None:
    write_model(tmp_path, "full", f"{PICTURE} {THREADS}", "a", "fp32 (weights kept as fp16)")
    write_model(tmp_path, "quantised", f"{TEXT} {THREADS} {OPENVINO}", "b", "int8")
    found = {each.model: each for each in subjects_of(tmp_path)[0]}
    assert (found["full"].kind, found["full"].precision, found["full"].engine) == (
        "picture",
        "fp32",
        "onnxruntime",
    )
    assert (found["quantised"].kind, found["quantised"].precision) == ("text", "int8")
    assert (found["quantised"].engine, found["quantised"].threads) == ("openvino", 2)


def test_a_model_without_a_number_of_threads_has_one_as_in_the_server(tmp_path: Path) -> None:
    write_model(tmp_path, "plain", PICTURE, "a")
    assert subjects_of(tmp_path)[0][0].threads == 1


def test_the_newest_version_is_the_one_that_is_served(tmp_path: Path) -> None:
    write_model(tmp_path, "model", PICTURE, "a")
    assert subjects_of(tmp_path)[0][0].graph == tmp_path / "model" / "10" / "model.onnx"


def test_one_graph_under_two_names_is_measured_once_and_a_language_model_not_at_all(tmp_path: Path) -> None:
    write_model(tmp_path, "clip_text", TEXT, "same")
    write_model(tmp_path, "text_encoder", TEXT, "same")
    write_model(tmp_path, "llama", f"{TEXT} {STREAMS}", "other")
    found, left_out = subjects_of(tmp_path)
    assert [each.model for each in found] == ["text_encoder"]
    assert {each.model: each.is_failure for each in left_out} == {"clip_text": False, "llama": False}


async def test_a_model_that_cannot_be_exported_is_left_out_with_the_reason(tmp_path: Path) -> None:
    said: list[str] = []
    bench = BenchRepository(SetupPaths(checkout=tmp_path, cache=tmp_path), tmp_path / "bench")
    found = await bench.subject(Wanted(MINILM, "int8"), said.append)
    assert isinstance(found, LeftOut)
    assert found.is_failure
    assert "not exported: There is no export environment: run `make export-environment`." in found.reason
    assert said


@pytest.mark.parametrize(("family", "model"), [("vit_b_32", "vit_b_32_int8_image"), ("minilm", "minilm_int8")])
def test_a_clips_picture_tower_is_what_is_measured(family: str, model: str) -> None:
    assert Wanted(family, "int8").model == model
