"""Operators as expressions, for the search benchmark: what a model holds, before any derivation.

All are written channels first, as importers deliver them: inputs `X[n,c,h..]`, weights `W[f,c,r..]`
(transposed convolutions `W[c,f,r..]`). Sizes are EinNet's and PET's where they published one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from einnet.expr.nodes import Scope, Tensor
from einnet.expr.text import parse_scope


@dataclass(frozen=True)
class Start:
    """An expression and the tensors that it reads; `weights` are constants of the model."""

    scope: Scope
    tensors: tuple[Tensor, ...]
    weights: frozenset[str] = frozenset({"W"})


def start(text: str, **shapes: tuple[int, ...]) -> Start:
    tensors = {name: Tensor(name, shape) for name, shape in shapes.items()}
    return Start(parse_scope(text, tensors), tuple(tensors.values()))


_AXES = (("h", "r"), ("w", "s"), ("d", "t"))


@dataclass(frozen=True)
class Axis:
    """One spatial dimension of a convolution."""

    extent: int
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    output_padding: int = 0


def convolution(n: int, c: int, f: int, axes: Sequence[Axis], groups: int = 1) -> Start:
    """A convolution; with groups, c and f are channels of one group."""
    names = _AXES[: len(axes)]
    out = [
        (a.extent + 2 * a.padding - a.dilation * (a.kernel - 1) - 1) // a.stride + 1 for a in axes
    ]
    group = f"g:{groups}," if groups > 1 else ""
    box = ",".join(f"{x}:{size}" for (x, _), size in zip(names, out, strict=True))
    sums = ",".join(f"{y}:{a.kernel}" for (_, y), a in zip(names, axes, strict=True))
    index = ",".join(
        f"{a.stride}*{x}+{a.dilation}*{y}-{a.padding}"
        for (x, y), a in zip(names, axes, strict=True)
    )
    taps = ",".join(y for _, y in names)
    g = "g," if groups > 1 else ""
    text = f"L<n:{n},{group}f:{f},{box}> S<c:{c},{sums}> X[n,{g}c,{index}] * W[{g}f,c,{taps}]"
    many = (groups,) if groups > 1 else ()
    spatial, kernel = tuple(a.extent for a in axes), tuple(a.kernel for a in axes)
    return start(text, X=(n, *many, c, *spatial), W=(*many, f, c, *kernel))


def depthwise(n: int, c: int, axes: Sequence[Axis]) -> Start:
    """One filter for each channel."""
    names = _AXES[: len(axes)]
    out = [(a.extent + 2 * a.padding - a.kernel) // a.stride + 1 for a in axes]
    box = ",".join(f"{x}:{size}" for (x, _), size in zip(names, out, strict=True))
    sums = ",".join(f"{y}:{a.kernel}" for (_, y), a in zip(names, axes, strict=True))
    index = ",".join(
        f"{a.stride}*{x}+{y}-{a.padding}" for (x, y), a in zip(names, axes, strict=True)
    )
    taps = ",".join(y for _, y in names)
    text = f"L<n:{n},c:{c},{box}> S<{sums}> X[n,c,{index}] * W[c,{taps}]"
    spatial, kernel = tuple(a.extent for a in axes), tuple(a.kernel for a in axes)
    return start(text, X=(n, c, *spatial), W=(c, *kernel))


def transposed(n: int, c: int, f: int, axes: Sequence[Axis]) -> Start:
    """A transposed convolution."""
    names = _AXES[: len(axes)]
    out = [(a.extent - 1) * a.stride - 2 * a.padding + a.kernel + a.output_padding for a in axes]
    box = ",".join(f"{x}:{size}" for (x, _), size in zip(names, out, strict=True))
    sums = ",".join(f"{y}:{a.kernel}" for (_, y), a in zip(names, axes, strict=True))
    offsets = [f"{x}+{a.padding}-{y}" for (x, y), a in zip(names, axes, strict=True)]
    index = ",".join(f"({e}) div {a.stride}" for e, a in zip(offsets, axes, strict=True))
    guards = "".join(
        f" * [({e}) mod {a.stride} = 0]" for e, a in zip(offsets, axes, strict=True) if a.stride > 1
    )
    taps = ",".join(y for _, y in names)
    text = f"L<n:{n},f:{f},{box}> S<c:{c},{sums}> X[n,c,{index}] * W[c,f,{taps}]{guards}"
    spatial, kernel = tuple(a.extent for a in axes), tuple(a.kernel for a in axes)
    return start(text, X=(n, c, *spatial), W=(c, f, *kernel))


def g2bmm(b: int, m: int, k: int, width: int, dilation: int) -> Start:
    """General by general to band, `2*width+1` diagonals."""
    text = (
        f"L<b:{b},m:{m},w:{2 * width + 1}> S<k:{k}>"
        f" A[b,m,k] * B[b,m+{dilation}*w-{dilation * width},k]"
    )
    return start(text, A=(b, m, k), B=(b, m, k))


def gbmm(b: int, m: int, n: int, width: int, dilation: int) -> Start:
    """Band by general."""
    band = 2 * width + 1
    text = f"L<b:{b},m:{m},n:{n}> S<w:{band}> A[b,m,w] * B[b,m+{dilation}*w-{dilation * width},n]"
    return start(text, A=(b, m, band), B=(b, m, n))


def square(extent: int, kernel: int, **options: int) -> tuple[Axis, Axis]:
    """Two equal axes."""
    axis = Axis(extent, kernel, **options)
    return axis, axis
