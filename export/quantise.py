"""Static 8-bit graphs for CPUs: NNCF's SmoothQuant and calibration, and which layers stay out of it. No PyTorch.

The result is an ONNX graph with QuantizeLinear/DequantizeLinear pairs. OpenVINO runs it fastest and is what the
configuration asks for; ONNX Runtime runs it too.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from contracts.errors import InvalidInput
from export.processor import sums_whole_bytes

Kept = Literal["nothing", "attention outputs", "attention and feed-forward outputs"]
LADDER: tuple[Kept, ...] = ("nothing", "attention outputs", "attention and feed-forward outputs")
"""What stays in float, tried in this order until the parity gate passes.

The layers that write into the residual stream lose most by 8 bits: all-MiniLM-L6-v2's smallest cosine over 210
texts was 0.980 with all layers in int8, 0.990 without the attention outputs (a twelfth of the multiplications),
0.997 without both; leaving out any other kind of layer, or any whole block, won less than 0.009.
"""

SMOOTHING = 0.7
"""How much of the activations' outliers SmoothQuant moves into the weights; NNCF's default is 0.95.

Smallest cosine at 0.95 and at 0.7: all-MiniLM-L6-v2 without its attention outputs 0.989 and 0.994 (66 texts), the
picture tower of a seeded ViT-B/32 0.994 and 0.998 (32 crops).
"""

# Layouts that pass a value on without computing with it.
_PASSING = frozenset({"Reshape", "Transpose", "Identity", "Cast"})

Feeds = Mapping[str, NDArray[Any]]


def quantise(source: Path, target: Path, calibration: Sequence[Feeds], kept: Kept) -> None:
    """Write the float32 graph `source` as `target` with 8-bit weights and activations.

    Weights have 7 bits where the processor at hand would overflow (`export.processor`).

    Args:
        calibration: real inputs in batches; ranges are fixed by their single rows.
        kept: layers that stay in float.

    Raises:
        InvalidInput: nothing to calibrate with.
    """
    rows = [row for feeds in calibration for row in _single_rows(feeds)]
    if not rows:
        raise InvalidInput("int8 needs calibration inputs, and there are none.")
    # NNCF reports its use to its makers unless it runs in a CI; it reads this once, when it is imported.
    os.environ.setdefault("NNCF_CI", "1")
    import nncf
    from nncf.quantization.advanced_parameters import (
        AdvancedQuantizationParameters,
        AdvancedSmoothQuantParameters,
        OverflowFix,
    )

    nncf.set_log_level(logging.ERROR)
    model = onnx.load(source)
    names = layers_kept(model.graph, kept)
    with redirect_stdout(io.StringIO()):  # It draws progress bars over what the command prints.
        quantised = nncf.quantize(
            model,
            nncf.Dataset(rows),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(rows),
            ignored_scope=nncf.IgnoredScope(names=names) if names else None,
            advanced_parameters=AdvancedQuantizationParameters(
                smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=SMOOTHING),
                overflow_fix=OverflowFix.DISABLE if sums_whole_bytes() else OverflowFix.ENABLE,
            ),
        )
    onnx.save(quantised, target)


def layers_kept(graph: onnx.GraphProto, kept: Kept) -> list[str]:
    """Names of the MatMul nodes that stay in float."""
    if kept == "nothing":
        return []
    weights = {each.name: tuple(each.dims) for each in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    names = []
    for node in graph.node:
        if node.op_type != "MatMul" or (shape := _weight_shape(node, weights, makers)) is None:
            continue
        narrows = len(shape) == 2 and shape[0] > shape[1]
        if _follows_attention(node, weights, makers) or (narrows and kept != "attention outputs"):
            names.append(node.name)
    return names


def _weight_shape(
    node: onnx.NodeProto, weights: Mapping[str, tuple[int, ...]], makers: Mapping[str, onnx.NodeProto]
) -> tuple[int, ...] | None:
    """Shape [in, out] of a MatMul's constant operand; None where it multiplies two activations."""
    name = node.input[1]
    maker = makers.get(name)
    if maker is not None and maker.op_type == "Transpose" and maker.input[0] in weights:
        return tuple(reversed(weights[maker.input[0]]))
    return weights.get(name)


def _follows_attention(
    node: onnx.NodeProto, weights: Mapping[str, tuple[int, ...]], makers: Mapping[str, onnx.NodeProto]
) -> bool:
    """Whether what comes in is the product of two activations: attention's scores and values."""
    maker = makers.get(node.input[0])
    while maker is not None and maker.op_type in _PASSING:
        maker = makers.get(maker.input[0])
    return maker is not None and maker.op_type == "MatMul" and _weight_shape(maker, weights, makers) is None


def _single_rows(feeds: Feeds) -> list[dict[str, NDArray[Any]]]:
    """The rows of a batch, texts without their padding: padded positions would widen the ranges for nothing."""
    mask = feeds.get("attention_mask")
    count = len(next(iter(feeds.values())))
    ends = [None] * count if mask is None else [int(np.flatnonzero(row)[-1]) + 1 for row in mask]
    return [
        {
            name: np.ascontiguousarray(values[row : row + 1] if end is None else values[row : row + 1, :end])
            for name, values in feeds.items()
        }
        for row, end in enumerate(ends)
    ]
