"""Operations counted on graphs, against sums by hand."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from contracts.errors import ConfigurationError
from export.demo_clip.graph import build_graph, read_weights
from export.distil.flops import count_flops


def graph(
    nodes: list[onnx.NodeProto], taken: list[object], weights: dict[str, tuple[int, ...]]
) -> onnx.ModelProto:
    constants = [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, taken)
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    return helper.make_model(
        helper.make_graph(nodes, "test", [given], [made], constants), opset_imports=[helper.make_opsetid("", 17)]
    )


def test_a_convolution_costs_its_kernel_for_every_output() -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1])
    model = graph([node], ["batch", 3, 8, 8], {"w": (5, 3, 3, 3)})
    assert count_flops(model) == 2 * (5 * 4 * 4) * (3 * 3 * 3)


def test_a_grouped_convolution_costs_its_own_channels_only() -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=4, pads=[1, 1, 1, 1])
    model = graph([node], ["batch", 4, 8, 8], {"w": (4, 1, 3, 3)})
    assert count_flops(model) == 2 * (4 * 8 * 8) * (3 * 3)


def test_matrix_products_cost_their_inner_length() -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["h"], transB=1),
        helper.make_node("MatMul", ["h", "v"], ["y"]),
    ]
    model = graph(nodes, ["batch", 10], {"w": (7, 10), "v": (7, 3)})
    assert count_flops(model) == 2 * 7 * 10 + 2 * 3 * 7


def test_an_open_length_beside_the_batch_is_an_error() -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    with pytest.raises(ConfigurationError, match="open"):
        count_flops(graph([node], ["batch", 3, "height", 8], {"w": (5, 3, 3, 3)}))


def test_the_demo_teacher_costs_what_its_layers_sum_to() -> None:
    convolutions = [(3, 32, 48, 1), (32, 64, 24, 1), (64, 64, 24, 2), (64, 128, 12, 1), (128, 128, 12, 4)]
    convolutions += [(128, 192, 6, 1), (192, 192, 6, 2)]
    adds = sum(n_in * n_out * 9 * side * side * times for n_in, n_out, side, times in convolutions)
    assert count_flops(build_graph(read_weights())) == 2 * (adds + 2 * 192 * 384)
