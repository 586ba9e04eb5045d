"""Convolutions as ResNet-18 stacks them: eight of 3x3, of three shapes, each with bias and relu."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS = (*[(64, 64, 1)] * 3, (64, 128, 2), *[(128, 128, 1)] * 4)
"""Channels read, channels written and stride of each layer."""

_SIZE = 56


def build(
    batch: int, seed: int = 0, layers: Sequence[tuple[int, int, int]] = LAYERS
) -> onnx.ModelProto:
    """`image` [batch, 64, 56, 56] -> `features` [batch, 128, 28, 28], or what other layers make."""
    generator = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    name, size = "image", _SIZE
    for number, (read, written, stride) in enumerate(layers):
        layer = f"layer{number}"
        kernel = generator.standard_normal((written, read, 3, 3)) / np.sqrt(9 * read)
        bias = generator.standard_normal(written)
        for part, values in (("weight", kernel), ("bias", bias)):
            weights.append(numpy_helper.from_array(values.astype(np.float32), f"{layer}.{part}"))
        last = "features" if number + 1 == len(layers) else layer
        operands = [name, f"{layer}.weight", f"{layer}.bias"]
        convolution = helper.make_node(
            "Conv",
            operands,
            [f"{layer}.sum"],
            kernel_shape=[3, 3],
            pads=[1] * 4,
            strides=[stride] * 2,
        )
        nodes.append(convolution)
        nodes.append(helper.make_node("Relu", [f"{layer}.sum"], [last]))
        name, size = last, size // stride
    first, last = layers[0][0], layers[-1][1]
    graph = helper.make_graph(
        nodes,
        "stack",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, first, _SIZE, _SIZE])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, last, size, size])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
