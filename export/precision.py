"""ONNX graphs in fewer bits: fp16 for GPUs, bf16 and int8 for CPUs. Knows nothing of checkpoints; no PyTorch.

Inputs and outputs keep their types in every precision, so that one config.pbtxt serves all of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import onnx
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from contracts.errors import InvalidInput
from export.processor import sums_whole_bytes
from export.quantise import Feeds, Kept, quantise

Precision = Literal["fp32", "fp16", "bf16", "int8", "int8-dynamic"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16", "int8", "int8-dynamic")

BY_OPENVINO: frozenset[Precision] = frozenset({"bf16", "int8"})
"""What OpenVINO serves on a CPU."""

UNCONVERTED: frozenset[Precision] = frozenset({"fp32", "bf16"})
"""The float32 graph itself. Of "bf16", OpenVINO computes in 16 bits where the CPU can."""

_KEPT_IN_FP32 = ["ArgMax", "CumSum", "Range", "LayerNormalization", "ReduceL2", "Softmax"]
"""Sums over many terms overflow or lose small terms in 16 bits, and positions beyond 2048 are not exact."""


def write_precision(
    source: Path, target: Path, precision: Precision, calibration: Sequence[Feeds], kept: Kept = "nothing"
) -> None:
    """Write the float32 graph `source` as `target` in another precision.

    Args:
        calibration: real inputs, each a batch; "int8" alone reads them, and fixes activations' ranges by them.
        kept: layers that "int8" leaves in float.

    Raises:
        InvalidInput: "int8" without calibration inputs.
    """
    if precision == "fp16":
        model = convert_float_to_float16(
            onnx.load(source), keep_io_types=True, op_block_list=_KEPT_IN_FP32, disable_shape_infer=False
        )
        drop_repeated(model)
        onnx.save(model, target)
    elif precision == "int8-dynamic":
        with _preprocessed(source) as prepared:
            quantize_dynamic(
                prepared,
                target,
                op_types_to_quantize=["MatMul", "Gemm"],
                per_channel=True,
                reduce_range=not sums_whole_bytes(),
            )
    elif precision == "int8":
        quantise(source, target, calibration, kept)
    else:
        raise InvalidInput(f"A float32 graph is not converted to '{precision}'.")


def drop_repeated(model: onnx.ModelProto) -> None:
    """Drop nodes that write what an earlier one has written: of such, the first will do.

    The converter casts a weight for each node that is left in float32, and gives all these casts one name where
    PyTorch 2.11 traced the graph. Runtimes refuse that.
    """
    made: set[str] = set()
    kept = []
    for node in model.graph.node:
        outputs = set(filter(None, node.output))
        if made.isdisjoint(outputs):
            kept.append(node)
        made |= outputs
    del model.graph.node[:]
    model.graph.node.extend(kept)


@contextmanager
def _preprocessed(source: Path) -> Iterator[Path]:
    """The graph with its shapes inferred, as the quantiser wants it, in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="quantise-", dir=source.parent) as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        yield prepared
