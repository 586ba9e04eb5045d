"""Fixtures: a small generator as a program of expressions, as the bridge lifts it from a model."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from einnet.expr.interpreter import Float64, dense, evaluate_everywhere
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Program
from einnet.expr.text import parse_scope

LAYERS = ((6, 2, 1, 0), (4, 4, 2, 1), (3, 4, 2, 1))
"""Filters, kernel, stride and padding of each transposed convolution."""


def generator(
    batch: int = 2,
    channels: int = 5,
    layers: tuple[tuple[int, int, int, int], ...] = LAYERS,
) -> Program:
    """Transposed convolutions with batch normalisation and ReLU between, tanh at the end."""
    builder = _Builder(Tensor("x", (batch, channels, 1, 1)))
    current, extent = "x", 1
    for number, (filters, kernel, stride, padding) in enumerate(layers):
        weight = builder.weight(f"w{number}", (channels, filters, kernel, kernel))
        out = (extent - 1) * stride - 2 * padding + kernel
        box = f"L<n:{batch},f:{filters},h:{out},w:{out}>"
        sums = f"S<c:{channels},r:{kernel},s:{kernel}>"
        y, x = f"h+{padding}-r", f"w+{padding}-s"
        product = f"{current}[n,c,({y}) div {stride},({x}) div {stride}] * {weight}[c,f,r,s]"
        guards = "" if stride == 1 else f" * [({y}) mod {stride} = 0] * [({x}) mod {stride} = 0]"
        current = builder.define(f"y{number}", f"{box} {sums} {product}{guards}")
        last = number + 1 == len(layers)
        if not last:
            current = _normalise(builder, number, filters, box, current)
        function = "tanh" if last else "relu"
        current = builder.define(f"a{number}", f"{box} {function}({current}[n,f,h,w])")
        channels, extent = filters, out
    return builder.program(current)


def _normalise(builder: _Builder, number: int, filters: int, box: str, current: str) -> str:
    mean, variance, scale, shift = (
        builder.weight(f"{name}{number}", (filters,)) for name in ("mean", "var", "scale", "shift")
    )
    wide = builder.define(f"wide{number}", f"L<f:{filters}> {variance}[f] + 1/1024")
    root = builder.define(f"root{number}", f"L<f:{filters}> rsqrt({wide}[f])")
    centred = builder.define(f"centred{number}", f"{box} {current}[n,f,h,w] - {mean}[f]")
    unit = builder.define(f"unit{number}", f"{box} {centred}[n,f,h,w] * {root}[f]")
    scaled = builder.define(f"scaled{number}", f"{box} {unit}[n,f,h,w] * {scale}[f]")
    return builder.define(f"shifted{number}", f"{box} {scaled}[n,f,h,w] + {shift}[f]")


class _Builder:
    def __init__(self, *inputs: Tensor) -> None:
        self.inputs = list(inputs)
        self.tensors = {t.name: t for t in inputs}
        self.weights: set[str] = set()
        self.statements: list[Definition] = []

    def weight(self, name: str, shape: tuple[int, ...]) -> str:
        self.tensors[name] = Tensor(name, shape)
        self.inputs.append(self.tensors[name])
        self.weights.add(name)
        return name

    def define(self, name: str, text: str) -> str:
        scope = parse_scope(text, self.tensors)
        self.tensors[name] = Tensor(name, scope.extents)
        self.statements.append(Definition(self.tensors[name], scope, name))
        return name

    def program(self, output: str) -> Program:
        outputs = (self.tensors[output],)
        return Program(
            "main", tuple(self.inputs), tuple(self.statements), outputs, frozenset(self.weights)
        )


@pytest.fixture
def gan() -> Program:
    return generator()


@pytest.fixture
def evaluate() -> Callable[[Program], NDArray[np.float64]]:
    """The interpreter on a program's first output, see `_evaluate`."""
    return _evaluate


def _evaluate(program: Program) -> NDArray[np.float64]:
    """The first output in double precision, on data that depends on the inputs' names alone."""
    arrays: dict[str, NDArray[np.float64]] = {}
    for tensor in program.inputs:
        random = np.random.default_rng(zlib.crc32(tensor.name.encode()))
        arrays[tensor.name] = random.uniform(0.1, 1.0, tensor.shape)
    for definition in program.definitions:
        value = evaluate_everywhere(definition.scope, dense(arrays), Float64())
        arrays[definition.result.name] = value
    return arrays[program.outputs[0].name]
