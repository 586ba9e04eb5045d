"""The operators of the GPU benchmark: single layers where libraries leave time on the table.

Sizes come from the models named beside them, as EinNet and PET published them. A case knows its
arithmetic, its expression in any layout, a double-precision reference, and what the best library
took on one H100 (`Baseline`): a peer that is slower than that here was not given its due.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.roofline import ELEMENT, ELEMENT_BYTES
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Program
from einnet.expr.text import parse_scope

Layout = Literal["nchw", "nhwc"]
LAYOUTS: tuple[Layout, ...] = ("nchw", "nhwc")


@dataclass(frozen=True)
class Baseline:
    """Microseconds of the library operator, by memory format of its tensors."""

    nchw: float
    nhwc: float

    @property
    def best(self) -> float:
        return min(self.nchw, self.nhwc)


@dataclass(frozen=True)
class Case:
    """A convolution, or a transposed one, of two spatial dimensions: c channels to f.

    `decides` says that the case is one of those whose geometric mean is checked; `baselines` are by
    precision.
    """

    name: str
    model: str
    transposed: bool
    n: int
    c: int
    size: tuple[int, int]
    f: int
    kernel: tuple[int, int]
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    dilation: int = 1
    output_padding: int = 0
    decides: bool = False
    baselines: dict[str, Baseline] = field(default_factory=dict[str, Baseline], compare=False)

    @property
    def size_out(self) -> tuple[int, int]:
        """Height and width of the output."""
        (h, w), (r, s), (p, q) = self.size, self.kernel, self.padding
        return self._extent_out(h, r, p), self._extent_out(w, s, q)

    def _extent_out(self, size: int, kernel: int, padding: int) -> int:
        reach = self.dilation * (kernel - 1)
        if self.transposed:
            return (size - 1) * self.stride - 2 * padding + reach + 1 + self.output_padding
        return (size + 2 * padding - reach - 1) // self.stride + 1

    @property
    def x_shape(self) -> tuple[int, ...]:
        return (self.n, self.c, *self.size)

    @property
    def w_shape(self) -> tuple[int, ...]:
        """`[f, c, kernel]`, or `[c, f, kernel]` of a transposed convolution."""
        channels = (self.c, self.f) if self.transposed else (self.f, self.c)
        return (*channels, *self.kernel)

    @property
    def y_shape(self) -> tuple[int, ...]:
        return (self.n, self.f, *self.size_out)

    @property
    def flops(self) -> int:
        """Two for each tap, channel, filter and position that the taps are applied at: those of the
        output, of a transposed convolution those of the input (padding is not deducted)."""
        positions = prod(self.size if self.transposed else self.size_out)
        return 2 * self.n * self.c * self.f * prod(self.kernel) * positions

    def bytes(self, precision: str) -> int:
        """Each operand read once, the output written once."""
        elements = prod(self.x_shape) + prod(self.w_shape) + prod(self.y_shape)
        return elements * ELEMENT_BYTES[precision]

    def program(self, x: Layout, y: Layout, precision: str) -> Program:
        """The operator on an input X in layout x with a result Y in layout y; W is a weight."""
        dtype = ELEMENT[precision]
        tensors = {
            "X": Tensor("X", in_layout(self.x_shape, x), dtype),
            "W": Tensor("W", self.w_shape, dtype),
        }
        scope = parse_scope(self.expression(x, y), tensors)
        result = Tensor("Y", scope.extents, dtype)
        definition = Definition(result, scope, "conv_transpose" if self.transposed else "conv")
        inputs = tuple(tensors.values())
        return Program(self.name, inputs, (definition,), (result,), frozenset({"W"}))

    def expression(self, x: Layout, y: Layout) -> str:
        """The operator in the textual form of expressions."""
        (p, q), s, d = self.padding, self.stride, self.dilation
        guards = ""
        if self.transposed:
            at = [f"h+{p}-{d}*r", f"w+{q}-{d}*s"]
            if s > 1:
                guards = "".join(f" * [({e}) mod {s} = 0]" for e in at)
                at = [f"({e}) div {s}" for e in at]
        else:
            at = [f"{s}*h+{d}*r-{p}", f"{s}*w+{d}*s-{q}"]
        height, width = self.size_out
        box = _ordered([f"n:{self.n}", f"f:{self.f}", f"h:{height}", f"w:{width}"], y)
        index = _ordered(["n", "c", *at], x)
        weight = "W[c,f,r,s]" if self.transposed else "W[f,c,r,s]"
        sums = f"c:{self.c},r:{self.kernel[0]},s:{self.kernel[1]}"
        return f"L<{','.join(box)}> S<{sums}> X[{','.join(index)}] * {weight}{guards}"

    def operands(self, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Random X (n, c, height, width) and W such that outputs are of order one."""
        random = np.random.default_rng(seed)
        x = random.standard_normal(self.x_shape, np.float32)
        terms = self.c * prod(self.kernel)
        if self.transposed:
            terms = max(1, terms // self.stride**2)
        return x, random.standard_normal(self.w_shape, np.float32) / np.float32(sqrt(terms))


def in_layout(shape: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    """A shape (n, c, h, w) as the layout orders it."""
    n, c, h, w = shape
    return (n, c, h, w) if layout == "nchw" else (n, h, w, c)


def to_layout(array: Any, layout: Layout) -> Any:
    """An array (n, c, h, w) with the axes of the layout; a view."""
    return array if layout == "nchw" else array.transpose(0, 2, 3, 1)


def to_nchw(array: Any, layout: Layout) -> Any:
    """The inverse of `to_layout`."""
    return array if layout == "nchw" else array.transpose(0, 3, 1, 2)


def _ordered(items: list[str], layout: Layout) -> list[str]:
    n, c, h, w = items
    return items if layout == "nchw" else [n, h, w, c]


Zeros = Callable[[tuple[int, ...]], Any]


def reference(case: Case, x: Any, w: Any, zeros: Zeros = np.zeros) -> Any:
    """The operator in the arithmetic of x and w, tap by tap: (n, height, width, f) from x as
    (n, height, width, c) and w as in `Case.w_shape`.

    `x` and `w` are arrays or PyTorch tensors, double precision for a reference; `zeros` makes a
    zero array of their kind from a shape. It calls no convolution of any library.
    """
    (height, width), (out_h, out_w) = case.size, case.size_out
    (p, q), s, d = case.padding, case.stride, case.dilation
    if case.transposed:
        # Every input element adds to the outputs that it reaches; the padding is cut off last.
        full_h = max((height - 1) * s + d * (case.kernel[0] - 1) + 1, p + out_h)
        full_w = max((width - 1) * s + d * (case.kernel[1] - 1) + 1, q + out_w)
        y = zeros((case.n, full_h, full_w, case.f))
        for i in range(case.kernel[0]):
            for j in range(case.kernel[1]):
                rows, columns = _steps(i * d, s, height), _steps(j * d, s, width)
                y[:, rows, columns, :] += x @ w[:, :, i, j]
        return y[:, p : p + out_h, q : q + out_w, :]
    padded = zeros((case.n, height + 2 * p, width + 2 * q, case.c))
    padded[:, p : p + height, q : q + width, :] = x
    y = zeros((case.n, out_h, out_w, case.f))
    for i in range(case.kernel[0]):
        for j in range(case.kernel[1]):
            rows, columns = _steps(i * d, s, out_h), _steps(j * d, s, out_w)
            y += padded[:, rows, columns, :] @ w[:, :, i, j].T
    return y


def _steps(start: int, step: int, count: int) -> slice:
    return slice(start, start + step * (count - 1) + 1, step)


def _measured(
    tf32: tuple[float, float], fp16: tuple[float, float], fp32: float
) -> dict[str, Baseline]:
    return {"tf32": Baseline(*tf32), "fp16": Baseline(*fp16), "fp32": Baseline(fp32, fp32)}


def _conv3x3(n: int, *figures: Any, decides: bool = False) -> Case:
    return Case(
        f"conv3x3 n{n} c512 7x7 f512",
        "ResNet-18",
        False,
        n,
        512,
        (7, 7),
        512,
        (3, 3),
        padding=(1, 1),
        decides=decides,
        baselines=_measured(*figures),
    )


def _dilated(n: int, size: int, *figures: Any, decides: bool = False) -> Case:
    return Case(
        f"dilated2 3x3 n{n} c512 {size}x{size} f512",
        "CSRNet",
        False,
        n,
        512,
        (size, size),
        512,
        (3, 3),
        padding=(2, 2),
        dilation=2,
        decides=decides,
        baselines=_measured(*figures),
    )


def _doubling(n: int, c: int, size: int, f: int, model: str, *figures: Any) -> Case:
    """A generator's layer: 4x4, stride 2, padding 1, twice the height and width."""
    return Case(
        f"convT4x4s2 n{n} {c}@{size}x{size} f{f}",
        model,
        True,
        n,
        c,
        (size, size),
        f,
        (4, 4),
        stride=2,
        padding=(1, 1),
        decides=True,
        baselines=_measured(*figures),
    )


# The figures are microseconds on an NVIDIA H100 80GB HBM3 with PyTorch 2.11, cuDNN 9, CUDA 13.0:
# (nchw, nhwc) in tf32, the same in fp16, the best in fp32; cudnn.benchmark, CUDA graphs, L2 hot.
CASES: tuple[Case, ...] = (
    _conv3x3(1, (33.5, 16.9), (27.1, 12.0), 103.6, decides=True),
    _conv3x3(16, (40.7, 24.0), (31.8, 15.4), 183.4),
    _doubling(16, 448, 2, 256, "InfoGAN", (37.0, 21.5), (23.2, 13.0), 61.1),
    _doubling(1, 448, 2, 256, "InfoGAN", (21.9, 21.6), (23.1, 12.6), 22.0),
    _doubling(1, 512, 4, 256, "DCGAN", (23.3, 23.3), (24.9, 13.4), 23.7),
    _doubling(16, 256, 8, 128, "DCGAN", (23.5, 15.9), (17.5, 10.3), 42.3),
    _doubling(16, 64, 32, 3, "DCGAN", (18.0, 26.8), (26.3, 21.6), 23.1),
    # 32x32 -> 128x128: four times the size, as super-resolution by four wants it.
    Case(
        "convT9x9s4 n16 56@32x32 f1",
        "FSRCNN",
        True,
        16,
        56,
        (32, 32),
        1,
        (9, 9),
        stride=4,
        padding=(3, 3),
        output_padding=1,
        decides=True,
        baselines=_measured((24.0, 25.7), (41.3, 19.9), 22.2),
    ),
    Case(
        "conv5x5 n16 c32 224x224 f1",
        "SRCNN",
        False,
        16,
        32,
        (224, 224),
        1,
        (5, 5),
        padding=(2, 2),
        baselines=_measured((368.3, 428.6), (296.6, 231.2), 418.0),
    ),
    Case(
        "conv9x9 n16 c1 224x224 f64",
        "SRCNN",
        False,
        16,
        1,
        (224, 224),
        64,
        (9, 9),
        padding=(4, 4),
        baselines=_measured((399.7, 261.3), (330.4, 227.6), 437.2),
    ),
    Case(
        "conv3x3 n16 c12 224x224 f12",
        "FSRCNN",
        False,
        16,
        12,
        (224, 224),
        12,
        (3, 3),
        padding=(1, 1),
        baselines=_measured((146.9, 95.9), (121.9, 184.5), 236.9),
    ),
    _dilated(1, 14, (33.0, 18.5), (26.6, 11.2), 107.4, decides=True),
    _dilated(16, 14, (73.2, 47.5), (47.3, 29.8), 479.9),
    _dilated(16, 28, (208.4, 160.9), (119.8, 82.2), 1373.6),
    Case(
        "conv7x1 n1 c2048 7x7 f21",
        "GCN",
        False,
        1,
        2048,
        (7, 7),
        21,
        (7, 1),
        padding=(3, 0),
        decides=True,
        baselines=_measured((37.6, 24.8), (35.3, 32.9), 77.7),
    ),
    Case(
        "conv1x7 n16 c256 56x56 f21",
        "GCN",
        False,
        16,
        256,
        (56, 56),
        21,
        (1, 7),
        padding=(0, 3),
        decides=True,
        baselines=_measured((152.2, 72.6), (81.6, 42.5), 236.9),
    ),
    Case(
        "conv5x5 n1 c48 38x38 f64",
        "PET",
        False,
        1,
        48,
        (38, 38),
        64,
        (5, 5),
        padding=(2, 2),
        decides=True,
        baselines=_measured((16.4, 10.2), (14.6, 9.5), 30.6),
    ),
)
