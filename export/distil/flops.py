"""How much a model computes, counted on its ONNX graph."""

from math import prod

import onnx
from onnx import shape_inference

from contracts.errors import ConfigurationError


def count_flops(model: onnx.ModelProto) -> int:
    """Floating-point operations of one run with a batch of 1: two for every multiply-add.

    Counts convolutions and matrix products. The rest (scaling, pooling, ReLU) is below a percent in these towers.

    Raises:
        ConfigurationError: the graph has another open length than that of the batch.
    """
    single = onnx.ModelProto()
    single.CopyFrom(model)
    for given in single.graph.input:
        given.type.tensor_type.shape.dim[0].dim_value = 1
    # Shapes that were written for an open batch would contradict those that follow from a batch of 1.
    for made in single.graph.output:
        made.type.tensor_type.ClearField("shape")
    del single.graph.value_info[:]
    inferred = shape_inference.infer_shapes(single, strict_mode=True, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        shapes[value.name] = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    return sum(_node_flops(node, shapes) for node in inferred.node)


def _node_flops(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    if node.op_type not in {"Conv", "Gemm", "MatMul"}:
        return 0
    first, second, out = (shapes.get(name, ()) for name in (node.input[0], node.input[1], node.output[0]))
    if not out or not all((*first, *second, *out)):
        raise ConfigurationError(
            f"The graph leaves a length open at {node.name}: its operations cannot be counted."
        )
    if node.op_type == "Conv":
        # Weights are [out, in / groups, ...]: each output is one sum over all but the first.
        return 2 * prod(out) * prod(second[1:])
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return 2 * prod(out) * (first[0] if transposed else first[-1])
