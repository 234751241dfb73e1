"""Lets a paged export run without a GPU: its one CUDA-only operator, written out in standard ones.

`trireme export llama --device cuda` writes a graph for onnxruntime-genai's continuous batching: all answers'
tokens in one row, keys and values in blocks, attention by the operator PagedAttention, which exists for CUDA
only. Here that operator becomes a function of the graph with the same inputs, outputs and arithmetic, and float16
becomes float32; tables, batches and scheduling stay the Engine's own. Slow, and exact.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

DOMAIN = "trireme.tests"
# Inputs that a plain Llama's PagedAttention has, by their place in the operator's schema.
PLACES = {
    "packed": 0,
    "key_cache": 3,
    "value_cache": 4,
    "starts": 5,
    "past": 6,
    "table": 7,
    "cos": 8,
    "sin": 9,
}
# What no token has been written to is not looked at: memory may hold anything there, and zero times that.
# T tokens in a row, B answers, H query heads, K key heads, G = H / K, D a head's size, L longest sequence in
# slots.
ATTENTION = """
<ir_version: 10, opset_import: ["": 21]>
attention (packed, key_cache, value_cache, starts, past, table, cos, sin) => (mixed, new_keys, new_values) {
    zero = Constant <value = int64[1] {0}> ()
    one = Constant <value = int64[1] {1}> ()
    first = Constant <value = int64 {0}> ()
    step = Constant <value = int64 {1}> ()
    rows = Shape <start = 0, end = 1> (packed)
    answers = Shape <start = 0, end = 1> (table)
    block_size = Shape <start = 1, end = 2> (key_cache)
    starts64 = Cast <to = 7> (starts)
    past64 = Cast <to = 7> (past)
    raw_table = Cast <to = 7> (table)
    table64 = Max (raw_table, zero)
    row_count = Squeeze (rows)
    row = Range (first, row_count, step)
    rest = Constant <value = int64[1] {2147483647}> ()
    ends = Slice (starts64, one, rest)
    row_column = Unsqueeze (row, one)
    ends_line = Unsqueeze (ends, zero)
    passed = GreaterOrEqual (row_column, ends_line)
    passed64 = Cast <to = 7> (passed)
    owner = ReduceSum <keepdims = 0> (passed64, one)
    start = Gather (starts64, owner)
    before = Gather (past64, owner)
    in_piece = Sub (row, start)
    position = Add (in_piece, before)
    sizes = Constant <value = int64[3] {QUERY, KEY, KEY}> ()
    queries, keys, values = Split <axis = 1> (packed, sizes)
    query_shape = Constant <value = int64[3] {0, HEADS, SIZE}> ()
    key_shape = Constant <value = int64[3] {0, KEY_HEADS, SIZE}> ()
    query_heads = Reshape (queries, query_shape)
    key_heads = Reshape (keys, key_shape)
    value_heads = Reshape (values, key_shape)
    cos_rows = Gather (cos, position)
    sin_rows = Gather (sin, position)
    cos_row = Unsqueeze (cos_rows, one)
    sin_row = Unsqueeze (sin_rows, one)
    q1, q2 = Split <axis = 2, num_outputs = 2> (query_heads)
    q1c = Mul (q1, cos_row)
    q2s = Mul (q2, sin_row)
    q2c = Mul (q2, cos_row)
    q1s = Mul (q1, sin_row)
    qa = Sub (q1c, q2s)
    qb = Add (q2c, q1s)
    q = Concat <axis = 2> (qa, qb)
    k1, k2 = Split <axis = 2, num_outputs = 2> (key_heads)
    k1c = Mul (k1, cos_row)
    k2s = Mul (k2, sin_row)
    k2c = Mul (k2, cos_row)
    k1s = Mul (k1, sin_row)
    ka = Sub (k1c, k2s)
    kb = Add (k2c, k1s)
    k = Concat <axis = 2> (ka, kb)
    column = Div (position, block_size)
    slot = Mod (position, block_size)
    owner_column = Unsqueeze (owner, one)
    column_column = Unsqueeze (column, one)
    cell = Concat <axis = 1> (owner_column, column_column)
    block = GatherND (table64, cell)
    block_column = Unsqueeze (block, one)
    slot_column = Unsqueeze (slot, one)
    place = Concat <axis = 1> (block_column, slot_column)
    new_keys = ScatterND (key_cache, place, k)
    new_values = ScatterND (value_cache, place, value_heads)
    own_blocks = Gather (table64, owner)
    seen_keys = Gather (new_keys, own_blocks)
    seen_values = Gather (new_values, own_blocks)
    long_shape = Constant <value = int64[4] {0, -1, KEY_HEADS, SIZE}> ()
    long_keys = Reshape (seen_keys, long_shape)
    long_values = Reshape (seen_values, long_shape)
    grouped_shape = Constant <value = int64[4] {0, KEY_HEADS, GROUP, SIZE}> ()
    grouped = Reshape (q, grouped_shape)
    across = Transpose <perm = [0, 2, 3, 1]> (long_keys)
    products = MatMul (grouped, across)
    scale = Constant <value = float {SCALE}> ()
    scaled = Mul (products, scale)
    length = Shape <start = 3, end = 4> (across)
    length_count = Squeeze (length)
    place_line = Range (first, length_count, step)
    position_column = Unsqueeze (position, one)
    visible = LessOrEqual (place_line, position_column)
    middle = Constant <value = int64[2] {1, 2}> ()
    visible_all = Unsqueeze (visible, middle)
    lowest = Constant <value = float {-1e9}> ()
    masked = Where (visible_all, scaled, lowest)
    weights = Softmax <axis = -1> (masked)
    last_two = Constant <value = int64[2] {2, 3}> ()
    visible_values = Unsqueeze (visible, last_two)
    nothing = Constant <value = float {0}> ()
    written_values = Where (visible_values, long_values, nothing)
    down = Transpose <perm = [0, 2, 1, 3]> (written_values)
    summed = MatMul (weights, down)
    mixed_shape = Constant <value = int64[2] {0, QUERY}> ()
    mixed = Reshape (summed, mixed_shape)
}
"""


def onto_cpu(exported: Path, *, blocks: int, block_size: int) -> None:
    """Rewrite a paged export in place, for the CPU and a cache of `blocks` blocks of `block_size` tokens."""
    file = exported / "model.onnx"
    model = onnx.load(file)
    _to_float32(model)
    for node in model.graph.node:
        if node.op_type == "PagedAttention":
            _replace(model, node)
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    for data in exported.glob("model.onnx*"):
        data.unlink()
    onnx.save_model(model, file)
    described = json.loads((exported / "genai_config.json").read_text())
    described["model"]["decoder"]["session_options"]["provider_options"] = []
    # Without a GPU's memory to share out, the cache has a size of its own.
    described["engine"]["dynamic_batching"] |= {"block_size": block_size, "num_blocks": blocks}
    del described["engine"]["dynamic_batching"]["gpu_utilization_factor"]
    (exported / "genai_config.json").write_text(json.dumps(described, indent=4))


def _replace(model: onnx.ModelProto, node: onnx.NodeProto) -> None:
    attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    heads, key_heads = attributes["num_heads"], attributes["kv_num_heads"]
    cache = next(each for each in model.graph.input if each.name == node.input[PLACES["key_cache"]])
    size = cache.type.tensor_type.shape.dim[3].dim_value
    text = ATTENTION
    # Longest names first: QUERY is no part of another, KEY is one of KEY_HEADS.
    for name, value in (
        ("KEY_HEADS", key_heads),
        ("HEADS", heads),
        ("QUERY", heads * size),
        ("GROUP", heads // key_heads),
        ("SIZE", size),
        ("SCALE", attributes["scale"]),
        ("KEY", key_heads * size),
    ):
        text = text.replace(name, str(value))
    if not any(each.domain == DOMAIN for each in model.functions):
        model.functions.append(_function(text))
    inputs = [node.input[place] for place in PLACES.values()]
    node.op_type, node.domain = "attention", DOMAIN
    del node.input[:], node.attribute[:]
    node.input.extend(inputs)


def _function(text: str) -> onnx.FunctionProto:
    body = text[text.index(">") + 1 :]
    return onnx.parser.parse_function(f'<domain: "{DOMAIN}", opset_import: ["": 21]>{body}')


def _to_float32(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            whole = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(whole, tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
    del model.graph.value_info[:]
