"""The generators of examples/ as data: layers read back from the ONNX file that ours compiles.

Peers are built from the weights in the file, and so is the double-precision reference: one source
for all sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.cases import Case, Zeros, reference


@dataclass(frozen=True)
class Norm:
    """A BatchNormalization at inference: `(x - mean) / sqrt(var + epsilon) * scale + bias`."""

    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    mean: NDArray[np.float32]
    var: NDArray[np.float32]
    epsilon: float


@dataclass(frozen=True)
class Layer:
    """A transposed convolution `weight[c, f, k, k]`, a normalization or none, relu or tanh."""

    weight: NDArray[np.float32]
    stride: int
    padding: int
    norm: Norm | None
    activation: str

    def case(self, batch: int, size: int) -> Case:
        """The transposed convolution on `batch` images of size x size."""
        c, f, r, s = self.weight.shape
        padding = (self.padding, self.padding)
        return Case("layer", "", True, batch, c, (size, size), f, (r, s), self.stride, padding)


@dataclass(frozen=True)
class Generator:
    """A chain of layers from `[batch, channels, 1, 1]`."""

    batch: int
    channels: int
    layers: tuple[Layer, ...]


def read_generator(path: Path) -> Generator:
    """Read a model that examples/ wrote. Raises ValueError for any other graph."""
    import onnx
    from onnx import helper, numpy_helper

    graph = onnx.load(path).graph
    weights = {w.name: numpy_helper.to_array(w).astype(np.float32) for w in graph.initializer}
    dimensions = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
    value = graph.input[0].name
    layers: list[Layer] = []
    pending: tuple[NDArray[np.float32], int, int, Norm | None] | None = None
    for node in graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.input[0] != value:
            raise ValueError(f"{path} is no chain at {node.name}")
        value = node.output[0]
        if node.op_type == "ConvTranspose" and pending is None:
            (stride, _), (padding, *_) = attributes["strides"], attributes["pads"]
            pending = weights[node.input[1]], int(stride), int(padding), None
        elif node.op_type == "BatchNormalization" and pending is not None:
            scale, bias, mean, var = (weights[name] for name in node.input[1:])
            norm = Norm(scale, bias, mean, var, float(attributes["epsilon"]))
            pending = *pending[:3], norm
        elif node.op_type in ("Relu", "Tanh") and pending is not None:
            layers.append(Layer(*pending, node.op_type.lower()))
            pending = None
        else:
            raise ValueError(f"{path} is no generator: {node.op_type} at {node.name}")
    if pending is not None or not all(dimensions):
        raise ValueError(f"{path} is no generator of a fixed batch with an activation at its end")
    return Generator(dimensions[0], dimensions[1], tuple(layers))


def evaluate(generator: Generator, latent: NDArray[Any]) -> NDArray[np.float64]:
    """The image `[batch, f, height, width]` in double precision, by NumPy alone."""
    value, size = latent.astype(np.float64).transpose(0, 2, 3, 1), 1
    zeros: Zeros = np.zeros
    for layer in generator.layers:
        case = layer.case(generator.batch, size)
        value, size = (
            reference(case, value, layer.weight.astype(np.float64), zeros),
            case.size_out[0],
        )
        if layer.norm is not None:
            n = layer.norm
            factor = n.scale.astype(np.float64) / np.sqrt(n.var.astype(np.float64) + n.epsilon)
            value = (value - n.mean) * factor + n.bias
        value = np.maximum(value, 0) if layer.activation == "relu" else np.tanh(value)
    return value.transpose(0, 3, 1, 2)


def latent_of(generator: Generator, seed: int) -> NDArray[np.float32]:
    """A random input, standard normal."""
    shape = (generator.batch, generator.channels, 1, 1)
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def flops_of(generator: Generator) -> int:
    """Multiplications and additions of the transposed convolutions."""
    total, size = 0, 1
    for layer in generator.layers:
        case = layer.case(generator.batch, size)
        total, size = total + case.flops, case.size_out[0]
    return total


def bytes_of(generator: Generator, element: int) -> int:
    """Input, weights and output once; what passes between layers may stay on the chip."""
    size = 1
    moved = generator.batch * generator.channels
    for layer in generator.layers:
        size = layer.case(generator.batch, size).size_out[0]
        moved += layer.weight.size
    return (moved + generator.batch * generator.layers[-1].weight.shape[1] * size**2) * element
