"""Exports of a tiny Llama against transformers, in the export environment."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from contracts.errors import ConfigurationError, Conflict
from tests.export.llama import tiny

pytestmark = pytest.mark.export_env


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="run with the export environment's Python")
    return tiny.write_checkpoint(tmp_path_factory.mktemp("tiny-llama"))


def files_of(repository: Path) -> dict[str, bytes]:
    return {
        str(each.relative_to(repository)): each.read_bytes() for each in repository.rglob("*") if each.is_file()
    }


def test_a_float_export_answers_as_transformers_token_by_token(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime_genai", reason="run with the export environment's Python")
    from export.llama.build import export_llama
    from export.llama.checkpoint import Source
    from export.llama.runners import open_exported

    manifest = export_llama(
        tmp_path, Source(checkpoint, "tiny"), precision="fp32", device="cpu", on_progress=lambda _: None
    )
    version = tmp_path / "llama" / "1"
    exported = open_exported(version)
    for each in tiny.transformers_answers(checkpoint):
        assert exported.greedy(each["prompt"], len(each["answer"])) == each["answer"]
    assert manifest.parity.greedy_equal == manifest.parity.prompts
    assert manifest.parity.top1_agreement == 1.0
    written = json.loads((tmp_path / "llama" / "manifest.json").read_text())
    assert (written["precision"], written["licence"], written["context_length"]) == (
        "fp32",
        "apache-2.0",
        tiny.CONTEXT,
    )
    assert set(written["sha256"]) == {each.name for each in version.iterdir()}
    assert {"model.onnx", "tokenizer.json", "chat_template.jinja"} <= set(written["sha256"])


def test_a_four_bit_export_holds_four_bit_products_and_passes_its_looser_gate(
    checkpoint: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime_genai", reason="run with the export environment's Python")
    from export.llama.build import export_llama
    from export.llama.checkpoint import Source

    manifest = export_llama(
        tmp_path, Source(checkpoint, "tiny"), precision="int4", device="cpu", on_progress=lambda _: None
    )
    assert 0.95 <= manifest.parity.mean_cosine < 0.9999
    graph = onnx.load(tmp_path / "llama" / "1" / "model.onnx", load_external_data=False).graph
    bits = [
        attribute.i
        for node in graph.node
        if node.op_type == "MatMulNBits"
        for attribute in node.attribute
        if attribute.name == "bits"
    ]
    # Of each layer the fused query-key-value, the output and three of the feed-forward; and the head.
    assert bits == [4] * (2 * 5 + 1)


def test_an_export_that_fails_its_gate_leaves_the_repository_as_it_was(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime_genai", reason="run with the export environment's Python")
    from export.llama.build import export_llama
    from export.llama.checkpoint import Source
    from export.llama.parity import ParityError

    # Weights so large that attention is all or nothing: four bits a weight are too few for them.
    wild = tiny.write_checkpoint(tmp_path / "wild", spread=0.4)
    (tmp_path / "repository" / "llama" / "1").mkdir(parents=True)
    (tmp_path / "repository" / "llama" / "1" / "model.onnx").write_bytes(b"the one before")
    before = files_of(tmp_path / "repository")
    with pytest.raises(ParityError, match="cosine"):
        export_llama(
            tmp_path / "repository",
            Source(wild, "wild"),
            precision="int4",
            device="cpu",
            on_progress=lambda _: None,
            replace=True,
        )
    assert files_of(tmp_path / "repository") == before


def test_an_export_for_continuous_batching_passes_the_same_gate(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime_genai", reason="run with the export environment's Python")
    from export.llama.parity import check_parity
    from export.llama.runners import open_exported

    # What `--device cuda` writes, its one CUDA-only operator written out for the CPU.
    version = tiny.write_paged(tmp_path / "1", checkpoint, blocks=64)
    figures = check_parity(version, checkpoint, "fp16")
    assert (figures.greedy_equal, figures.top1_agreement) == (figures.prompts, 1.0)
    assert figures.mean_cosine > 0.9999
    exported = open_exported(version)
    for each in tiny.transformers_answers(checkpoint):
        assert exported.greedy(each["prompt"], len(each["answer"])) == each["answer"]


def test_a_model_that_is_there_is_replaced_only_when_that_is_asked_for(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime_genai", reason="run with the export environment's Python")
    from export.llama.build import export_llama
    from export.llama.checkpoint import Source

    (tmp_path / "llama" / "1").mkdir(parents=True)
    (tmp_path / "llama" / "1" / "model.onnx").write_bytes(b"the one before")
    before = files_of(tmp_path)
    with pytest.raises(Conflict, match="--replace"):
        export_llama(
            tmp_path, Source(checkpoint, "tiny"), precision="fp32", device="cpu", on_progress=lambda _: None
        )
    assert files_of(tmp_path) == before
    source = Source(checkpoint, "tiny")
    export_llama(tmp_path, source, precision="fp32", device="cpu", on_progress=lambda _: None, replace=True)
    assert (tmp_path / "llama" / "1" / "model.onnx").read_bytes() != b"the one before"
    assert sorted(each.name for each in (tmp_path / "llama").iterdir()) == ["1", "manifest.json"]


def test_a_precision_that_the_device_has_not_is_refused_before_any_work(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime_genai", reason="run with the export environment's Python")
    from export.llama.build import export_llama
    from export.llama.checkpoint import Source

    with pytest.raises(ConfigurationError, match="int4, fp32"):
        export_llama(
            tmp_path, Source(checkpoint, "tiny"), precision="fp16", device="cpu", on_progress=lambda _: None
        )
    assert files_of(tmp_path) == {}
