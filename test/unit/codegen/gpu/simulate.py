"""Host programs run on NumPy, step by step, in the memory that they ask for.

Library calls are computed from what their fields say, kernels from their definitions; every byte
that was not written is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from itertools import product
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from einnet.codegen.gpu import lower as lowering
from einnet.codegen.gpu.frame import Kernel
from einnet.codegen.gpu.host import (
    Buffer,
    ConvolutionCall,
    HostProgram,
    Image,
    Matrix,
    MatrixProduct,
)
from einnet.codegen.gpu.lower import DTYPES
from einnet.expr.interpreter import Float64, dense, evaluate_everywhere
from einnet.expr.program import Definition

Array = NDArray[Any]


class Memory:
    """The buffers of a host program as flat arrays of elements; temporaries share an arena."""

    def __init__(self, host: HostProgram, constants: Mapping[str, Array]) -> None:
        self.host = host
        arena = np.frombuffer(bytearray(b"\xff" * host.arena), np.uint8)
        self.flat: dict[str, Array] = {}
        for buffer in host.buffers:
            dtype = np.dtype(DTYPES[buffer.dtype])
            if buffer.role == "temporary":
                part = arena[buffer.offset : buffer.offset + buffer.bytes]
                assert len(part) == buffer.bytes, f"{buffer.name} leaves the arena"
                self.flat[buffer.name] = part.view(dtype)
            elif buffer.role == "constant":
                self.flat[buffer.name] = constants[buffer.content]
            else:
                self.flat[buffer.name] = np.full(buffer.elements, np.nan).astype(dtype)

    def strided(self, name: str, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0):
        """The elements at these strides; raises AssertionError where they leave the buffer."""
        flat = self.flat[name]
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        assert 0 <= offset <= last < len(flat), f"{name}: {offset}..{last} of {len(flat)}"
        size = flat.itemsize
        return np.lib.stride_tricks.as_strided(flat[offset:], shape, [s * size for s in strides])


class Kernels(dict[str, Any]):
    """Kernels that compute their definitions with the interpreter, by symbol."""

    def build(
        self, definition: Definition, buffers: Mapping[str, Buffer], _: object = None
    ) -> Kernel:
        names = (*(t.name for t in definition.operands), definition.result.name)

        def run(memory: Memory, arguments: tuple[str, ...]) -> None:
            arrays = {
                name: memory.strided(a, buffers[name].shape, buffers[name].strides)
                for name, a in zip(names, arguments, strict=True)
            }
            wide = {n: a.astype(np.float64) for n, a in arrays.items()}
            arrays[names[-1]][...] = evaluate_everywhere(definition.scope, dense(wide), Float64())

        symbol = f"kernel{len(self)}"
        self[symbol] = run
        return Kernel(symbol, "", (1, 1, 1), (1, 1, 1), 0, names)

    @staticmethod
    def schedules(_: Definition, __: Mapping[str, Buffer]) -> tuple[None]:
        return (None,)


@contextmanager
def kernels_by_definition() -> Generator[Kernels]:
    """Programs are lowered to these kernels instead of generated ones."""
    made = Kernels()
    lowering._choices.cache_clear()
    with (
        patch.object(lowering, "build_kernel", made.build),
        patch.object(lowering, "schedules", Kernels.schedules),
    ):
        yield made
    lowering._choices.cache_clear()


def simulate(
    host: HostProgram,
    constants: Mapping[str, Array],
    kernels: Mapping[str, Callable[[Memory, tuple[str, ...]], None]],
    inputs: Mapping[str, Array],
) -> dict[str, Array]:
    """The outputs by name. `kernels` compute a launch, by its symbol, on its arguments."""
    memory = Memory(host, constants)
    for name in host.inputs:
        memory.flat[name][...] = inputs[name].ravel()
    for step in host.steps:
        if isinstance(step, MatrixProduct):
            _product(memory, step)
        elif isinstance(step, ConvolutionCall):
            _convolution(memory, step)
        else:
            kernels[step.symbol](memory, step.arguments)
    return {n: memory.flat[n].reshape(host.buffer(n).shape).copy() for n in host.outputs}


def _matrix(memory: Memory, m: Matrix, batch: int, rows: int, columns: int) -> Array:
    across, down = (m.leading, 1) if m.transposed else (1, m.leading)
    assert m.leading >= (rows if m.transposed else columns)
    strides = (m.batch_stride, down, across)
    return memory.strided(m.buffer, (batch, rows, columns), strides, m.offset)


def _product(memory: Memory, call: MatrixProduct) -> None:
    a = _matrix(memory, call.a, call.batch, call.m, call.k).astype(np.float64)
    b = _matrix(memory, call.b, call.batch, call.k, call.n).astype(np.float64)
    d = _matrix(memory, call.d, call.batch, call.m, call.n)
    result = call.alpha * (a @ b)
    if call.c is not None:
        assert call.c.transposed == call.d.transposed, "cuBLASLt has one order for c and d"
        c = _matrix(memory, call.c, call.batch, call.m, call.n)
        result += call.beta * c.astype(np.float64)
    if call.bias:
        assert not call.d.transposed, "cuBLASLt adds a bias along the contiguous dimension"
        result += memory.flat[call.bias].astype(np.float64)
    d[...] = _activated(result, call.activation).astype(d.dtype)


def _activated(x: Array, activation: str) -> Array:
    if activation == "gelu":
        return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    assert activation in ("", "relu")
    return np.maximum(x, 0.0) if activation else x


def _image(memory: Memory, image: Image) -> Array:
    return memory.strided(image.buffer, image.extents, image.strides, image.offset)


def _convolution(memory: Memory, call: ConvolutionCall) -> None:
    """Over every tap of the kernel: what it adds to the result."""
    x, w = (_image(memory, i).astype(np.float64) for i in (call.x, call.w))
    y = _image(memory, call.y)
    result = np.zeros(y.shape)
    rank = len(call.stride)
    small, large = (y.shape[2:], x.shape[2:]) if not call.transposed else (x.shape[2:], y.shape[2:])
    for i in range(rank):
        reach = call.dilation[i] * (w.shape[2 + i] - 1) + 1
        padded = large[i] + call.low[i] + call.high[i]
        assert (padded - reach) // call.stride[i] + 1 == small[i], "extents do not fit the padding"
    groups = call.groups
    for tap in product(*(range(n) for n in w.shape[2:])):
        weights = w[(slice(None), slice(None), *tap)]
        for position in product(*(range(n) for n in small)):
            at = tuple(
                s * p + d * t - low
                for s, p, d, t, low in zip(
                    call.stride, position, call.dilation, tap, call.low, strict=True
                )
            )
            if not all(0 <= a < n for a, n in zip(at, large, strict=True)):
                continue
            here, there = (at, position) if not call.transposed else (position, at)
            read = x[(slice(None), slice(None), *here)]
            out = result[(slice(None), slice(None), *there)]
            c, f = read.shape[1] // groups, out.shape[1] // groups
            for g in range(groups):
                block = weights[g * f : (g + 1) * f].T
                if call.transposed:
                    block = weights[g * c : (g + 1) * c]
                out[:, g * f : (g + 1) * f] += read[:, g * c : (g + 1) * c] @ block
    if call.z is not None:
        assert call.z.strides == call.y.strides, "engines have one layout for z and y"
        result += _image(memory, call.z).astype(np.float64)
    if call.bias:
        bias = memory.flat[call.bias].astype(np.float64)
        assert bias.shape == (y.shape[1],)
        result += bias.reshape(-1, *(1,) * rank)
    y[...] = _activated(result, call.activation).astype(y.dtype)
