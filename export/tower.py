"""One tower into its folder: trace, convert, compare with PyTorch, configuration and manifest."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from export.checkpoints import Checkpoint
from export.model_config import max_batch_size, write_configs
from export.parity import ParityFigures, Vectors, gate, run_graph
from export.precision import BY_OPENVINO, UNCONVERTED, Precision, write_precision
from export.publish import VERSION, write_manifest
from export.quantise import LADDER, Feeds, Kept
from export.request import ExportRequest, Progress
from export.shapes import TowerShapes
from export.tensorrt import polygraphy_command, trtexec_command
from export.text_encoder.parity import ParityError
from export.tracing import OPSET, trace

GRAPH = "model.onnx"


@dataclass(frozen=True, slots=True)
class Tower:
    """A tower that is ready to be exported.

    Args:
        label: what people call it, such as "image tower".
        calibration: inputs for static quantisation; other ones than `comparison`.
        comparison: inputs of the parity gate, in batches of different shape.
        wanted: PyTorch's vectors for the rows of `comparison`.
        facts: what its manifest says beyond what every tower's says.
    """

    label: str
    module: nn.Module
    shapes: TowerShapes
    calibration: Sequence[Feeds]
    comparison: Sequence[Feeds]
    wanted: Vectors
    facts: Mapping[str, Any]


def write_tower(
    folder: Path, tower: Tower, checkpoint: Checkpoint, request: ExportRequest, progress: Progress
) -> ParityFigures:
    """Write the model's folder: `1/model.onnx`, `config.pbtxt`, `configs/`, `manifest.json`.

    Raises:
        ParityError: the graph is not what PyTorch computes.
    """
    progress(f"Tracing the {tower.label}")
    graph = folder / VERSION / GRAPH
    example = {name: torch.from_numpy(values[:2]) for name, values in tower.comparison[0].items()}
    limit = tower.shapes.length if tower.shapes.kind == "text" else None
    trace(tower.module, example, graph, max_length=limit)
    kept = None
    if request.precision in UNCONVERTED:
        progress(f"Comparing the {tower.label} with PyTorch")
        found = run_graph(graph, tower.comparison, request.precision)
        figures = gate(tower.label, found, tower.wanted, request.precision)
    else:
        traced = graph.with_name("fp32.onnx")
        _rename(graph, traced)
        figures, kept = _convert(traced, graph, tower, request.precision, progress)
        for path in graph.parent.glob("fp32.*"):
            path.unlink()
    _describe(folder, tower, checkpoint, request, figures, kept)
    return figures


def _convert(
    traced: Path, graph: Path, tower: Tower, precision: Precision, progress: Progress
) -> tuple[ParityFigures, Kept | None]:
    """Write the graph in fewer bits and pass it through the gate; int8 leaves more in float until it does.

    Raises:
        ParityError: the gate was failed, of int8 by every rung of the ladder.
    """
    rungs = LADDER if precision == "int8" else ("nothing",)
    for kept in rungs:
        progress(
            f"Converting the {tower.label} to {precision}" + (f", {kept} in float" if kept != "nothing" else "")
        )
        write_precision(traced, graph, precision, tower.calibration, kept)
        progress(f"Comparing the {tower.label} with PyTorch")
        try:
            found = run_graph(graph, tower.comparison, precision)
            return gate(tower.label, found, tower.wanted, precision), kept if len(rungs) > 1 else None
        except ParityError as error:
            if kept == rungs[-1]:
                raise
            progress(f"{error}".removesuffix(" Nothing was written."))
    raise AssertionError("the ladder has at least one rung")


def _describe(
    folder: Path,
    tower: Tower,
    checkpoint: Checkpoint,
    request: ExportRequest,
    figures: ParityFigures,
    kept: Kept | None,
) -> None:
    fp16 = request.precision == "fp16"
    accelerator = "openvino" if request.precision in BY_OPENVINO else None
    write_configs(folder, tower.shapes, fp16=fp16, cpu_accelerator=accelerator)
    batch = max_batch_size("plan")
    manifest = {
        "model": folder.name,
        "source": checkpoint.source,
        "revision": checkpoint.revision,
        "licence": checkpoint.licence,
        "architecture": checkpoint.model_type,
        "precision": request.precision,
        **({"kept_in_float": kept} if kept else {}),
        "opset": OPSET,
        "dim": tower.shapes.dim,
        "normalised": True,
        **tower.facts,
        "sha256": sha256_of_version(folder / VERSION),
        "parity": dataclasses.asdict(figures),
        "build_a_plan": {
            "trtexec": trtexec_command(folder.name, tower.shapes, max_batch=batch, fp16=fp16),
            "polygraphy": polygraphy_command(tower.shapes, max_batch=batch, fp16=fp16),
        },
    }
    write_manifest(folder, manifest)


def sha256_of_version(version: Path) -> str:
    """SHA-256 over the graph and, where they lie beside it, its weights."""
    digest = hashlib.sha256()
    for path in sorted(version.glob("model.*")):
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _rename(graph: Path, target: Path) -> None:
    """Move a graph whose weights may lie in a file of their own, which it names."""
    if (weights := graph.with_suffix(".weights")).exists():
        import onnx

        model = onnx.load(graph)
        onnx.save(model, target, save_as_external_data=True, location="fp32.weights")
        weights.unlink()
        graph.unlink()
    else:
        graph.rename(target)
