"""PyTorch modules to ONNX files with a free batch and sequence length."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from contracts.errors import DependencyFailed
from contracts.tensors import EMBEDDING

OPSET = 18
IR_VERSION = 9
"""What servers of 2024 and later read; newer files say nothing more."""

INLINE_BYTES = 1_500_000_000
"""Beyond this the weights go into a file of their own: protobuf ends at 2 GiB."""
# A name no operator has: "embedding" is also what the tracer calls the result of a table look-up.
_OUTPUT = "trireme_unit_vector"


def trace(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    path: Path,
    *,
    max_length: int | None = None,
    inline_bytes: int = INLINE_BYTES,
) -> None:
    """Write the module as ONNX; its output is called `embedding`.

    Args:
        inputs: an example, [batch, ...] each; dimension 0 is free, and with `max_length` dimension 1 too.
        inline_bytes: weights that are larger lie in a file beside the graph, called after it.

    Raises:
        DependencyFailed: PyTorch cannot trace it.
    """
    batch = torch.export.Dim("batch", min=1, max=4096)
    free = {0: batch}
    if max_length is not None:
        free[1] = torch.export.Dim("sequence", min=2, max=max_length)
    model = _exported(module, inputs, [_OUTPUT], [dict(free) for _ in inputs])
    _name_output(model)
    _save(model, module, path, inline_bytes)


def trace_graph(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    free: Mapping[str, Mapping[int, Any]],
    path: Path,
) -> None:
    """Write a module of any inputs and outputs as ONNX.

    Args:
        outputs: names, none of which the tracer uses for something else.
        free: by input, the dimensions that may vary (`torch.export.Dim`).

    Raises:
        DependencyFailed: PyTorch cannot trace it.
    """
    model = _exported(module, inputs, outputs, [dict(free.get(name, {})) for name in inputs])
    _forget_notes(model)
    _save(model, module, path)


def _exported(
    module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], shapes: Sequence[dict[int, Any]]
) -> onnx.ModelProto:
    module.eval()
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module,
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=list(shapes),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except (torch.onnx.errors.OnnxExporterError, torch._dynamo.exc.TorchDynamoException) as exc:
        raise DependencyFailed("torch", f"PyTorch cannot trace this model: {str(exc).splitlines()[0]}") from exc
    model: onnx.ModelProto = program.model_proto
    return model


def _save(model: onnx.ModelProto, module: nn.Module, path: Path, inline_bytes: int = INLINE_BYTES) -> None:
    model.ir_version = min(model.ir_version, IR_VERSION)
    weights_bytes = sum(parameter.numel() * 4 for parameter in module.parameters())
    weights = path.with_suffix(".weights")
    onnx.save(model, path, save_as_external_data=weights_bytes > inline_bytes, location=weights.name)
    if weights.exists():
        # onnx makes this file readable by its owner alone; a server under another user reads it.
        weights.chmod(path.stat().st_mode)


def _name_output(model: onnx.ModelProto) -> None:
    """Rename the output to the contract's name, and whatever has that name to another."""
    renamed = {EMBEDDING: f"{EMBEDDING}_inner", _OUTPUT: EMBEDDING}
    graph = model.graph
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = renamed.get(name, name)
    for each in (*graph.output, *graph.value_info, *graph.initializer):
        each.name = renamed.get(each.name, each.name)
    _forget_notes(model)


def _forget_notes(model: onnx.ModelProto) -> None:
    graph = model.graph
    # The tracer's notes (source lines, module paths) are as large as a small model and name the machine's files.
    for each in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        del each.metadata_props[:]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the tracer's progress and deprecation notes; errors come as exceptions."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
