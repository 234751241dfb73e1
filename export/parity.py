"""The gate that every exported tower passes: its vectors against PyTorch's, on real-shaped inputs. No PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from contracts.tensors import EMBEDDING
from export.precision import BY_OPENVINO, Precision
from export.quantise import Feeds
from export.text_encoder.parity import ParityError

Vectors = NDArray[np.float32]

MIN_COSINE: Mapping[Precision, float] = MappingProxyType(
    {"fp32": 0.9999, "fp16": 0.999, "bf16": 0.999, "int8": 0.99, "int8-dynamic": 0.99}
)
"""Smallest cosine of any one input, by precision.

fp32: the same weights; only the order of additions differs (seen: 1 - 1e-6). fp16: 11 bits a number, a relative
error of 5e-4 a step, which a residual network of some dozen layers averages out rather than adds up. bf16: 8 bits
a number, sums and norms in 32 (seen: 0.99996). int8: at 0.99 a vector moves by 8 degrees, less than paraphrases
lie apart; what falls below was quantised with ranges that do not fit it.
"""


@dataclass(frozen=True, slots=True)
class ParityFigures:
    """What the gate measured, over `inputs` rows."""

    inputs: int
    min_cosine: float
    mean_cosine: float
    max_abs_error: float
    threshold: float


def session(path: Path, threads: int = 2) -> onnxruntime.InferenceSession:
    """A session on the CPU, which is where the gate compares."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_graph(path: Path, batches: Sequence[Feeds], precision: Precision = "fp32") -> Vectors:
    """Vectors of all rows of all batches, [rows, dim], in order, by the engine that serves this precision."""
    run = _openvino(path) if precision in BY_OPENVINO else _onnxruntime(path)
    return np.concatenate([run(feeds) for feeds in batches]).astype(np.float32)


def _onnxruntime(path: Path) -> Callable[[Feeds], Any]:
    runner = session(path)
    return lambda feeds: runner.run([EMBEDDING], dict(feeds))[0]


def _openvino(path: Path) -> Callable[[Feeds], Any]:
    import openvino

    core = openvino.Core()
    request = core.compile_model(core.read_model(str(path)), "CPU").create_infer_request()
    return lambda feeds: request.infer(dict(feeds))[EMBEDDING]


def gate(tower: str, found: Vectors, wanted: Vectors, precision: Precision) -> ParityFigures:
    """Compare unit vectors row by row, [rows, dim] both.

    Raises:
        ParityError: a cosine is below the precision's threshold, a value is not finite, or the shapes differ.
    """
    if found.shape != wanted.shape or not len(found):
        raise ParityError(f"The {tower} gives vectors of shape {found.shape}, PyTorch {wanted.shape}.")
    cosines = (found.astype(np.float64) * wanted).sum(axis=1) / np.linalg.norm(found.astype(np.float64), axis=1)
    threshold = MIN_COSINE[precision]
    figures = ParityFigures(
        inputs=len(found),
        min_cosine=round(float(cosines.min()), 7),
        mean_cosine=round(float(cosines.mean()), 7),
        max_abs_error=round(float(np.abs(found - wanted).max()), 8),
        threshold=threshold,
    )
    # Written so that a cosine that is no number fails.
    if not figures.min_cosine >= threshold:
        raise ParityError(
            f"The {tower} in {precision} is no longer PyTorch's: smallest cosine {figures.min_cosine:.6f} over "
            f"{figures.inputs} inputs, wanted at least {threshold}. Nothing was written."
        )
    return figures
