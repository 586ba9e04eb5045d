"""Generators of the GAN family as ONNX models: a chain of transposed convolutions.

A generator is a table of layers. Every layer but the last is ConvTranspose, BatchNormalization,
Relu; the last is ConvTranspose, Tanh. Weights are seeded random numbers scaled so that activations
keep a variance near one through all the layers, hence errors of one layer show at the output.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
"""The newest operator set whose attributes torch-mlir honours throughout."""


@dataclass(frozen=True)
class Layer:
    """One transposed convolution with square kernel, without output padding or dilation."""

    channels_in: int
    channels_out: int
    kernel: int
    stride: int
    pad: int

    def size_out(self, size: int) -> int:
        """Height (= width) of the output for an input of height `size`."""
        return (size - 1) * self.stride - 2 * self.pad + self.kernel


def build(name: str, layers: Sequence[Layer], batch: int | None, seed: int) -> onnx.ModelProto:
    """The generator `name`: `latent` [batch, C, 1, 1] -> `image` [batch, C', S, S], f32.

    `batch` None gives the symbolic dimension `N`. The same arguments give the same bytes.
    """
    for before, after in itertools.pairwise(layers):
        if before.channels_out != after.channels_in:
            raise ValueError(f"{after} does not take the channels of {before}")
    random = np.random.default_rng(seed)
    first, last = layers[0], layers[-1]
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def weight(label: str, values: NDArray[np.floating]) -> str:
        weights.append(numpy_helper.from_array(values.astype(np.float32), label))
        return label

    value, size = "latent", 1
    for position, layer in enumerate(layers):
        prefix = f"layer{position}"
        convolved = "features" if layer is last else f"{prefix}.convolved"
        kernel = weight(f"{prefix}.weight", _kernel(random, layer, size))
        nodes.append(
            helper.make_node(
                "ConvTranspose",
                [value, kernel],
                [convolved],
                name=f"{prefix}.conv",
                kernel_shape=[layer.kernel] * 2,
                strides=[layer.stride] * 2,
                pads=[layer.pad] * 4,
            )
        )
        size = layer.size_out(size)
        if layer is last:
            nodes.append(helper.make_node("Tanh", [convolved], ["image"], name="tanh"))
            break
        channels = layer.channels_out
        # sqrt(2) restores the second moment that Relu halves.
        parameters = [
            weight(f"{prefix}.norm.scale", np.sqrt(2) * random.uniform(0.8, 1.2, channels)),
            weight(f"{prefix}.norm.bias", random.normal(0, 0.1, channels)),
            weight(f"{prefix}.norm.mean", random.normal(0, 0.1, channels)),
            weight(f"{prefix}.norm.var", random.uniform(0.8, 1.2, channels)),
        ]
        normalized, value = f"{prefix}.normalized", f"{prefix}.activated"
        nodes.append(
            helper.make_node(
                "BatchNormalization",
                [convolved, *parameters],
                [normalized],
                name=f"{prefix}.norm",
                epsilon=1e-5,
            )
        )
        nodes.append(helper.make_node("Relu", [normalized], [value], name=f"{prefix}.relu"))

    extent = "N" if batch is None else batch
    graph = helper.make_graph(
        nodes,
        name,
        [_port("latent", [extent, first.channels_in, 1, 1])],
        [_port("image", [extent, last.channels_out, size, size])],
        initializer=weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="einnet-examples"
    )
    model.ir_version = 8  # the version that belongs to opset 17; readers refuse newer ones
    onnx.checker.check_model(model)
    return model


def _port(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _kernel(random: np.random.Generator, layer: Layer, size: int) -> NDArray[np.float64]:
    """A kernel [C, F, K, K] that keeps the variance: an output position sums C * taps terms."""
    taps = size * layer.kernel / layer.size_out(size)
    deviation = 1 / np.sqrt(layer.channels_in * taps**2)
    return random.normal(
        0, deviation, (layer.channels_in, layer.channels_out, layer.kernel, layer.kernel)
    )


def write(name: str, layers: Sequence[Layer], arguments: Sequence[str] | None = None) -> None:
    """The command line of one generator: parse `--batch`, `--seed` and `-o`, write the model."""
    parser = argparse.ArgumentParser(description=f"Write the {name} generator as an ONNX model.")
    parser.add_argument("--batch", type=int, help="images a run; default: a symbolic dimension")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random weights")
    parser.add_argument("-o", "--output", type=Path, default=Path(f"{name}.onnx"))
    options = parser.parse_args(arguments)
    onnx.save(build(name, layers, options.batch, options.seed), options.output)
    print(options.output)
