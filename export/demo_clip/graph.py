"""The picture tower as an ONNX graph, built from its checked-in weights without PyTorch.

The same network as `model.PictureTower`, with each batch norm folded into the convolution before it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from export.demo_clip.config import IMAGE_SIZE, MEAN, STD, WEIGHTS

OPSET = 17
IR_VERSION = 8  # What ONNX Runtime 1.14 and later read.
NORM_EPSILON = 1e-5  # PyTorch's default for batch norm.

Weights = dict[str, NDArray[np.float32]]


def read_weights(path: Path = WEIGHTS) -> Weights:
    """The tower's parameters by PyTorch's names, as float32."""
    return {name: np.asarray(tensor, np.float32) for name, tensor in load_file(path).items()}


class _Builder:
    """Collects nodes and initializers; every method returns the name of its output."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, values: NDArray[np.float32]) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(self, x: str, prefix: str, stride: int) -> str:
        """A convolution with the batch norm after it folded in."""
        part = {
            key: self._weights[f"{prefix}.norm.{key}"] for key in ("weight", "bias", "running_mean", "running_var")
        }
        factor = part["weight"] / np.sqrt(part["running_var"] + NORM_EPSILON)
        kernel = self._weights[f"{prefix}.conv.weight"] * factor[:, None, None, None]
        bias = part["bias"] - part["running_mean"] * factor
        inputs = [x, self.constant(f"{prefix}.weight", kernel), self.constant(f"{prefix}.bias", bias)]
        margin = kernel.shape[-1] // 2
        return self.node("Conv", inputs, f"{prefix}.out", strides=[stride, stride], pads=[margin] * 4)

    def layer(self, x: str, index: int) -> str:
        """Layer `index` of the body: a shrinking convolution, or a residual block around two."""
        prefix = f"body.{index}"
        kernel = self._weights.get(f"{prefix}.conv.weight")
        if kernel is not None:
            # A kernel of 2 * stride - 1 pixels, as `model.Conv` has it: 3 halves, 5 keeps a third.
            return self.node("Relu", [self.conv(x, prefix, (kernel.shape[-1] + 1) // 2)], f"{prefix}.relu")
        inner = self.node("Relu", [self.conv(x, f"{prefix}.first", 1)], f"{prefix}.inner")
        branch = self.conv(inner, f"{prefix}.second", 1)
        return self.node("Relu", [self.node("Add", [x, branch], f"{prefix}.sum")], f"{prefix}.relu")


def build_graph(weights: Weights, name: str = "clip_image", image_size: int = IMAGE_SIZE) -> onnx.ModelProto:
    """`image` UINT8 [B, 96, 96, 3] -> `embedding` FP32 [B, 384], unit length; scaling and normalising inside.

    How many layers there are, how wide they are and how far each shrinks the picture is told by the weights.

    Raises:
        KeyError: a tensor is missing.
    """
    build = _Builder(weights)
    channel = (1, 3, 1, 1)
    mean = build.constant("mean", np.array(MEAN, np.float32).reshape(channel) * 255)
    std = build.constant("std", np.array(STD, np.float32).reshape(channel) * 255)
    x = build.node("Cast", ["image"], "as_float", to=TensorProto.FLOAT)
    x = build.node("Transpose", [x], "channels_first", perm=[0, 3, 1, 2])
    x = build.node("Div", [build.node("Sub", [x, mean], "shifted"), std], "normalised")
    layers = {int(name.split(".")[1]) for name in weights if name.startswith("body.")}
    for index in sorted(layers):
        x = build.layer(x, index)
    pooled = [build.node("GlobalAveragePool", [x], "average"), build.node("GlobalMaxPool", [x], "largest")]
    flat = build.node("Flatten", [build.node("Concat", pooled, "pooled", axis=1)], "flat", axis=1)
    head = [
        build.constant("head.weight", weights["head.weight"]),
        build.constant("head.bias", weights["head.bias"]),
    ]
    x = build.node("Gemm", [flat, *head], "projected", transB=1)
    build.node("LpNormalization", [x], "embedding", axis=-1, p=2)
    graph = helper.make_graph(
        build.nodes,
        name,
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", image_size, image_size, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", len(weights["head.bias"])])],
        build.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="trireme")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model
