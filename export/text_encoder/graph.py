"""The ONNX graph of a BERT sentence encoder, written by hand: no torch, no weights.

Every initializer keeps its checkpoint name and layout and points at its bytes inside `model.safetensors`, so the
graph is a few hundred kilobytes and nothing is copied. Dense layers are `Gemm` with transB because checkpoints
store them as [out, in].

Contract (B = batch, S = sequence): input_ids, attention_mask INT64 [B, S] -> embedding FP32 [B, hidden], the
mean of the unmasked token vectors, scaled to length 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.text_encoder.checkpoint import WEIGHTS_FILE, BertConfig, CheckpointError, StoredTensor

OPSET = 17
"""LayerNormalization is an operator of its own from 17 on."""
IR_VERSION = 8
"""The IR of opset 17; older servers refuse newer ones."""

# Added to the scores of masked positions; the softmax then gives them exactly 0 in float32.
MASKED_SCORE = float(np.finfo(np.float32).min)
# The floor of the norm and of the token count, as torch.nn.functional.normalize and sentence-transformers have it.
NORM_FLOOR = 1e-12
COUNT_FLOOR = 1e-9


def build_graph(config: BertConfig, tensors: Mapping[str, StoredTensor]) -> onnx.ModelProto:
    """Build the encoder's graph; `tensors` says where each weight lies in the weights file beside it.

    Raises:
        CheckpointError: a weight is missing or has another shape than the configuration says.
    """
    writer = _GraphWriter(tensors)
    hidden = _embeddings(writer, config)
    bias = _attention_bias(writer)
    for layer in range(config.num_hidden_layers):
        hidden = _layer(writer, config, hidden, bias, f"encoder.layer.{layer}")
    _pool_and_normalise(writer, config, hidden)
    return helper.make_model(
        writer.graph(config.hidden_size),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="trireme",
    )


def _embeddings(writer: _GraphWriter, config: BertConfig) -> str:
    """Sum of word, position and first token type, normalised; flattened to [B * S, hidden]."""
    width = config.hidden_size
    words = writer.weight("embeddings.word_embeddings.weight", (config.vocab_size, width))
    positions = writer.weight("embeddings.position_embeddings.weight", (config.max_position_embeddings, width))
    types = writer.weight("embeddings.token_type_embeddings.weight", (2, width))
    length = writer.node("Shape", "input_ids", start=1, end=2)
    here = writer.node("Slice", positions, writer.ints([0]), length, writer.ints([0]))
    first_type = writer.node("Slice", types, writer.ints([0]), writer.ints([1]), writer.ints([0]))
    summed = writer.node("Add", writer.node("Gather", words, "input_ids"), writer.node("Add", here, first_type))
    flat = writer.node("Reshape", summed, writer.ints([-1, width]))
    return _layer_norm(writer, config, flat, "embeddings.LayerNorm")


def _attention_bias(writer: _GraphWriter) -> str:
    """0 for tokens and `MASKED_SCORE` for padding, [B, 1, 1, S]."""
    mask = writer.node("Cast", "attention_mask", to=TensorProto.FLOAT)
    padding = writer.node("Sub", writer.floats(1.0), mask)
    bias = writer.node("Mul", padding, writer.floats(MASKED_SCORE))
    return writer.node("Unsqueeze", bias, writer.ints([1, 2]))


def _layer(writer: _GraphWriter, config: BertConfig, hidden: str, bias: str, prefix: str) -> str:
    """One encoder layer over [B * S, hidden]: attention, then the feed-forward part, each with its residual."""
    width, inner = config.hidden_size, config.intermediate_size
    attended = _attention(writer, config, hidden, bias, f"{prefix}.attention")
    hidden = _layer_norm(
        writer, config, writer.node("Add", attended, hidden), f"{prefix}.attention.output.LayerNorm"
    )
    widened = writer.dense(hidden, f"{prefix}.intermediate.dense", width, inner)
    narrowed = writer.dense(_gelu(writer, widened), f"{prefix}.output.dense", inner, width)
    return _layer_norm(writer, config, writer.node("Add", narrowed, hidden), f"{prefix}.output.LayerNorm")


def _attention(writer: _GraphWriter, config: BertConfig, hidden: str, bias: str, prefix: str) -> str:
    """Multi-head attention over [B * S, hidden], with its output projection."""
    width, heads = config.hidden_size, config.num_attention_heads
    by_head = writer.node(
        "Concat", writer.node("Shape", "input_ids"), writer.ints([heads, width // heads]), axis=0
    )

    def project(name: str, order: list[int]) -> str:
        projected = writer.dense(hidden, f"{prefix}.self.{name}", width, width)
        return writer.node("Transpose", writer.node("Reshape", projected, by_head), perm=order)

    queries, keys, values = (
        project("query", [0, 2, 1, 3]),
        project("key", [0, 2, 3, 1]),
        project("value", [0, 2, 1, 3]),
    )
    scale = writer.floats(float((width // heads) ** -0.5))
    scores = writer.node("Mul", writer.node("MatMul", queries, keys), scale)
    weights = writer.node("Softmax", writer.node("Add", scores, bias), axis=-1)
    mixed = writer.node("Transpose", writer.node("MatMul", weights, values), perm=[0, 2, 1, 3])
    flat = writer.node("Reshape", mixed, writer.ints([-1, width]))
    return writer.dense(flat, f"{prefix}.output.dense", width, width)


def _gelu(writer: _GraphWriter, value: str) -> str:
    """Exact GELU, in the shape that ONNX Runtime fuses into one kernel: x * (1 + erf(x / sqrt 2)) * 0.5."""
    inner = writer.node("Erf", writer.node("Div", value, writer.floats(2.0**0.5)))
    risen = writer.node("Mul", value, writer.node("Add", inner, writer.floats(1.0)))
    return writer.node("Mul", risen, writer.floats(0.5))


def _layer_norm(writer: _GraphWriter, config: BertConfig, value: str, prefix: str) -> str:
    shape = (config.hidden_size,)
    scale, shift = writer.weight(f"{prefix}.weight", shape), writer.weight(f"{prefix}.bias", shape)
    return writer.node("LayerNormalization", value, scale, shift, axis=-1, epsilon=config.layer_norm_eps)


def _pool_and_normalise(writer: _GraphWriter, config: BertConfig, hidden: str) -> None:
    """Mean of the unmasked token vectors, scaled to length 1, as the output `embedding`."""
    shape = writer.node("Concat", writer.node("Shape", "input_ids"), writer.ints([config.hidden_size]), axis=0)
    tokens = writer.node("Reshape", hidden, shape)
    mask = writer.node("Cast", "attention_mask", to=TensorProto.FLOAT)
    kept = writer.node("Unsqueeze", mask, writer.ints([2]))
    summed = writer.node("ReduceSum", writer.node("Mul", tokens, kept), writer.ints([1]), keepdims=0)
    count = writer.node("ReduceSum", mask, writer.ints([1]), keepdims=1)
    mean = writer.node("Div", summed, writer.node("Max", count, writer.floats(COUNT_FLOOR)))
    norm = writer.node("ReduceL2", mean, axes=[1], keepdims=1)
    writer.node("Div", mean, writer.node("Max", norm, writer.floats(NORM_FLOOR)), output="embedding")


class _GraphWriter:
    """Collects nodes and initializers; every method returns the name of the value it made."""

    def __init__(self, tensors: Mapping[str, StoredTensor]) -> None:
        self._tensors = tensors
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    def node(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"{op.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def dense(self, value: str, prefix: str, n_in: int, n_out: int) -> str:
        """value [N, n_in] -> [N, n_out], the checkpoint's linear layer called `prefix`."""
        weight = self.weight(f"{prefix}.weight", (n_out, n_in))
        return self.node("Gemm", value, weight, self.weight(f"{prefix}.bias", (n_out,)), transB=1)

    def weight(self, name: str, shape: tuple[int, ...]) -> str:
        """The checkpoint's tensor `name`, linked and not copied."""
        stored = self._tensors.get(name)
        if stored is None or stored.shape != shape:
            raise CheckpointError(
                f"weight {name}: wanted float32 of shape {shape}, found {stored and stored.shape}"
            )
        tensor = TensorProto(
            name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL
        )
        entries = {
            "location": WEIGHTS_FILE,
            "offset": str(stored.offset),
            "length": str(stored.size_bytes),
        }
        for key, text in entries.items():
            tensor.external_data.add(key=key, value=text)
        self._initializers[name] = tensor
        return name

    def ints(self, values: list[int]) -> str:
        return self._constant(np.asarray(values, dtype=np.int64))

    def floats(self, value: float) -> str:
        return self._constant(np.asarray(value, dtype=np.float32))

    def _constant(self, value: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
        name = f"{value.dtype.name}_{'_'.join(str(each) for each in value.ravel())}"
        self._initializers[name] = numpy_helper.from_array(value, name)
        return name

    def graph(self, width: int) -> onnx.GraphProto:
        ids = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
            for name in ("input_ids", "attention_mask")
        ]
        embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", width])
        return helper.make_graph(
            self._nodes, "sentence_encoder", ids, [embedding], initializer=list(self._initializers.values())
        )
