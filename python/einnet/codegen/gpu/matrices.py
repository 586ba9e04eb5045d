"""Products and convolutions as library calls: which strides of a tensor a library can read.

A library knows matrices and images, not tensors: a group of iterators must be one dimension to it.
Whether it is depends on the strides alone, so that placement can ask before it decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from einnet.codegen.gpu.host import BYTES, ConvolutionCall, Image, Matrix, MatrixProduct
from einnet.expr.index import FloorDiv, Index, iterators_of, var
from einnet.expr.nodes import Read, box_of
from einnet.expr.program import Definition, Product, Window, Windowed

_ALIGNMENT = 16
"""Bytes that cuDNN wants every image to start at a multiple of."""

Strides = tuple[int, ...]


class Unreadable(Exception):  # noqa: N818 - what a tensor is to a library, no error of ours
    """No library reads, or writes, a tensor where it is. Its text says why."""


@dataclass(frozen=True)
class Placed:
    """Where the elements of a tensor are: strides in elements, from `offset` on in a buffer."""

    buffer: str
    strides: Strides
    offset: int = 0


def extents_of(definition: Definition) -> dict[str, int]:
    scope = definition.scope
    return {i.name: i.extent for i in scope.traversal + scope.summation}


def collapsed(names: Sequence[str], extents: Mapping[str, int], steps: Mapping[str, int]) -> int:
    """The stride of a group of iterators as one dimension: 0 if it has one element.

    Raises Unreadable if the group is not one dimension in memory, or is not there.
    """
    stride, size = 0, 1
    for name in reversed(names):
        extent = extents[name]
        if extent == 1:
            continue
        if name not in steps:
            raise Unreadable(f"no dimension for {name}")
        if size > 1 and steps[name] != stride * size:
            raise Unreadable(f"{name} does not continue the group {names}")
        if size == 1:
            stride = steps[name]
        size *= extent
    return stride


def steps_of(
    index: Sequence[Index], strides: Strides, extents: Mapping[str, int]
) -> dict[str, int]:
    """The distance in memory between neighbours along each iterator, for bare iterators."""
    steps: dict[str, int] = {}
    for e, stride in zip(index, strides, strict=True):
        e = without_units(e, extents)
        if e.is_constant:
            continue
        if e.name is None or e.name in steps:
            raise Unreadable(f"{e} is not an iterator of its own")
        steps[e.name] = stride
    return steps


def without_units(e: Index, extents: Mapping[str, int]) -> Index:
    """The index without bare iterators of one element, which are 0."""
    for name in iterators_of(e):
        if extents[name] == 1:
            e = e - var(name) * e.coefficient(name)
    return e


def matrix(
    placed: Placed,
    index: Sequence[Index],
    groups: tuple[Sequence[str], Sequence[str], Sequence[str]],
    extents: Mapping[str, int],
) -> Matrix:
    """The matrix whose batch, rows and columns are the groups. Raises Unreadable if it is none."""
    batch, rows, columns = groups
    steps = steps_of(index, placed.strides, extents)
    shift = sum(e.const * s for e, s in zip(index, placed.strides, strict=True))
    batch_stride = 0
    if any(name in steps for name in batch):
        batch_stride = collapsed(batch, extents, steps)
    down, across = collapsed(rows, extents, steps), collapsed(columns, extents, steps)
    height, width = (prod(extents[n] for n in names) for names in (rows, columns))
    offset = placed.offset + shift
    if across == 1 or width == 1:
        leading = down if height > 1 else width
        if leading >= width:
            return Matrix(placed.buffer, leading, False, batch_stride, offset)
    if down == 1 or height == 1:
        leading = across if width > 1 else height
        if leading >= height:
            return Matrix(placed.buffer, leading, True, batch_stride, offset)
    raise Unreadable(f"neither rows nor columns are contiguous: strides {placed.strides}")


def product_operand(
    definition: Definition, product: Product, operand: int, placed: Placed
) -> Matrix:
    """The matrix that operand 0 or 1 of a product, or its result (2), is."""
    groups = (
        (product.batch, product.m, product.k),
        (product.batch, product.k, product.n),
        (product.batch, product.m, product.n),
    )[operand]
    index = _index(definition, operand)
    return matrix(placed, index, groups, extents_of(definition))


def _index(definition: Definition, operand: int) -> tuple[Index, ...]:
    if operand == 2:
        return tuple(var(i.name) for i in definition.scope.traversal)
    return definition.scope.term.reads[operand].index


def product_call(
    definition: Definition,
    product: Product,
    placed: tuple[Placed, Placed, Placed],
    types: tuple[str, str],
    precision: str,
) -> MatrixProduct:
    """The call that computes a product; `placed` are its operands and its result, `types` the
    element types of the operands and of the result. Raises Unreadable as `matrix` does."""
    term = definition.scope.term
    if term.guards:
        raise Unreadable(f"a library computes no guarded product: {definition.scope}")
    extents = extents_of(definition)
    batch, m, n, k = (
        prod(extents[name] for name in group)
        for group in (product.batch, product.m, product.n, product.k)
    )
    a, b, d = (product_operand(definition, product, i, placed[i]) for i in range(3))
    return MatrixProduct(
        batch, m, n, k, a, b, d, *types, precision, alpha=float(term.coefficient),
        label=definition.label,
    )  # fmt: skip


@dataclass(frozen=True)
class _Spatial:
    """One spatial dimension of a convolution: extents and steps in memory of input, kernel and
    result; where the input starts and the padding of the (forward) convolution."""

    x: int
    w: int
    y: int
    x_step: int
    w_step: int
    y_step: int
    start: int = 0
    low: int = 0
    high: int = 0
    stride: int = 1
    dilation: int = 1


def convolution_call(
    definition: Definition,
    windowed: Windowed,
    placed: tuple[Placed, Placed, Placed],
    types: tuple[str, str],
    precision: str,
) -> ConvolutionCall:
    """The call that computes a (transposed) convolution; as `product_call`.

    Raises Unreadable for windows that no convolution has: of the second operand, of a reversed
    kernel, transposed and dilated, or more dimensions than three; and for images that do not start
    where cuDNN reads them.
    """
    scope, extents = definition.scope, extents_of(definition)
    term = scope.term
    windows = windowed.windows
    transposed = windows[0].transposed
    if any(w.operand != 0 or w.transposed != transposed for w in windows):
        raise Unreadable(f"no library convolution has these windows: {windows}")
    if term.coefficient != 1 or (term.guards and not transposed):
        raise Unreadable(f"a library computes no scaled or guarded convolution: {scope}")
    x, w, y = placed
    x_steps, opened, start = _input_steps(term.reads[0], windowed, x, extents)
    w_steps = steps_of(term.reads[1].index, w.strides, extents)
    y_steps = steps_of(_index(definition, 2), y.strides, extents)
    spatial = [
        replace(
            opened[v.x], w=extents[v.y], y=extents[v.x],
            w_step=w_steps.get(v.y, 0), y_step=y_steps.get(v.x, 0),
        )
        for v in windows
    ]  # fmt: skip
    images, extra = _images(windowed.m, extents, x_steps, y_steps)
    spatial = sorted([*spatial, *extra], key=lambda s: -s.y_step)
    if len(spatial) == 1:
        spatial.append(_Spatial(1, 1, 1, 0, 0, 0))
    if len(spatial) > 3:
        raise Unreadable(f"a convolution over {len(spatial)} dimensions")
    groups = (*windowed.batch,)
    c, f = (*groups, *windowed.k), (*groups, *windowed.n)
    rows, columns = (c, windowed.n) if transposed else (f, windowed.k)
    call = ConvolutionCall(
        transposed,
        _image(x, (images, c), extents, x_steps, [(s.x, s.x_step) for s in spatial], start),
        _image(w, (rows, columns), extents, w_steps, [(s.w, s.w_step) for s in spatial]),
        _image(y, (images, f), extents, y_steps, [(s.y, s.y_step) for s in spatial]),
        tuple(s.stride for s in spatial),
        tuple(s.dilation for s in spatial),
        tuple(s.low for s in spatial),
        tuple(s.high for s in spatial),
        prod(extents[n] for n in groups),
        *types,
        precision,
        label=definition.label,
    )
    for image, dtype in ((call.x, call.dtype), (call.w, call.dtype), (call.y, call.result)):
        require_aligned(image, dtype)
    return call


def require_aligned(image: Image, dtype: str) -> None:
    """Raise Unreadable for an image that does not start at a multiple of 16 bytes."""
    if image.offset * BYTES[dtype] % _ALIGNMENT:
        raise Unreadable(f"{image.buffer} does not start at a multiple of {_ALIGNMENT} bytes")


def _images(
    names: Sequence[str],
    extents: Mapping[str, int],
    x_steps: Mapping[str, int],
    y_steps: Mapping[str, int],
) -> tuple[tuple[str, ...], list[_Spatial]]:
    """The iterators that number images, and the others as spatial dimensions without a window."""
    for count in range(len(names), -1, -1):
        first, rest = tuple(names[:count]), tuple(names[count:])
        try:
            collapsed(first, extents, x_steps)
            collapsed(first, extents, y_steps)
        except Unreadable:
            continue
        loops = [n for n in rest if extents[n] > 1]
        return first, [
            _Spatial(extents[n], 1, extents[n], x_steps[n], 0, y_steps[n]) for n in loops
        ]
    raise AssertionError("no iterators at all are always one dimension")


def _image(
    placed: Placed,
    groups: tuple[Sequence[str], Sequence[str]],
    extents: Mapping[str, int],
    steps: Mapping[str, int],
    spatial: Sequence[tuple[int, int]],
    start: int = 0,
) -> Image:
    """The image of two groups and the spatial dimensions. Dimensions of one element, which have no
    stride of their own, get one as if they were dense: libraries tell layouts by strides."""
    sizes = [*(prod(extents[n] for n in g) for g in groups), *(size for size, _ in spatial)]
    strides = [*(collapsed(g, extents, steps) for g in groups), *(step for _, step in spatial)]
    strides[1] = strides[1] if sizes[1] > 1 else 1
    inside = sizes[1] if strides[1] == 1 else 1
    for d in range(len(sizes) - 1, 1, -1):
        strides[d] = strides[d] if sizes[d] > 1 else inside
        inside = strides[d] * sizes[d]
    if sizes[0] == 1:
        strides[0] = max(n * s for n, s in zip(sizes[1:], strides[1:], strict=True))
    return Image(placed.buffer, tuple(sizes), tuple(strides), placed.offset + start)


def _input_steps(
    read: Read, windowed: Windowed, x: Placed, extents: Mapping[str, int]
) -> tuple[dict[str, int], dict[str, _Spatial], int]:
    """The steps of the iterators that have a dimension of the input to themselves, the windows by
    their x, and the element at which reading starts."""
    shape = tuple(r.extent for r in box_of(read.source))
    windows = {frozenset((v.x, v.y)): v for v in windowed.windows}
    steps: dict[str, int] = {}
    found: dict[str, _Spatial] = {}
    start = 0
    for e, stride, extent in zip(read.index, x.strides, shape, strict=True):
        window = windows.get(iterators_of(e))
        if window is None:
            e = without_units(e, extents)
        if window is not None:
            found[window.x] = opened = _opened(e, window, extent, stride, extents)
            start += opened.start * stride
        elif e.is_constant:
            start += e.const * stride
        else:
            if e.name is None or extents[e.name] != extent:
                raise Unreadable(f"a library reads whole images, not {e}")
            steps[e.name] = stride
    return steps, found, start


def _opened(
    e: Index, window: Window, extent: int, stride: int, extents: Mapping[str, int]
) -> _Spatial:
    outputs, taps = extents[window.x], extents[window.y]
    at = _Spatial(extent, taps, outputs, stride, 0, 0)
    if window.transposed:
        if window.dilation != 1:
            raise Unreadable("a transposed convolution with a dilation")
        # The forward convolution goes from `outputs` elements to `extent`.
        low = _transposed_low(e, window)
        high = (extent - 1) * window.stride + taps - low - outputs
        symmetric = (outputs + 2 * low - taps) // window.stride + 1 == extent
        return replace(at, low=low, high=low if symmetric else high, stride=window.stride)
    if e.coefficient(window.x) != window.stride or e.coefficient(window.y) != window.dilation:
        raise Unreadable(f"{e} is no window of a convolution")
    start = max(0, e.const)
    reach = (outputs - 1) * window.stride + (taps - 1) * window.dilation + 1 + e.const
    if min(extent, reach) <= start:
        raise Unreadable(f"{e} reads nothing but padding")
    return replace(
        at, x=min(extent, reach) - start, start=start, low=max(0, -e.const),
        high=max(0, reach - extent), stride=window.stride, dilation=window.dilation,
    )  # fmt: skip


def _transposed_low(e: Index, window: Window) -> int:
    """The constant c of `(x - y + c) div stride`. Raises Unreadable for another index."""
    inner = e
    if window.stride > 1:
        atom = e.terms[0][0] if e.const == 0 and len(e.terms) == 1 else None
        if not isinstance(atom, FloorDiv) or e.terms[0][1] != 1 or atom.divisor != window.stride:
            raise Unreadable(f"{e} is no window of a transposed convolution")
        inner = atom.operand
    if inner.coefficient(window.x) != 1 or inner.coefficient(window.y) != -1:
        raise Unreadable(f"{e} is no window of a transposed convolution")
    return inner.const
