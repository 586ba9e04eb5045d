"""Sums of products of tensors as structured operations over slices of their operands.

Each operand is cut to what the sum visits of it, and padded with zeros where the sum goes beyond
it. What is left is a convolution that linalg names, where it has one of these layouts, and
otherwise a `linalg.generic` whose indexing maps are linear: no guard remains. Loops over that run
an order of magnitude faster than loops that ask at each step where they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, cast

from mlir import ir

from einnet.bridge.emit_generic import emit_conversion, emit_generic, emit_zeros
from einnet.bridge.emit_windowed import NAMED, UNSTRIDED, result_dimensions
from einnet.bridge.phases import phases_of
from einnet.bridge.reshape import emit_reshape
from einnet.bridge.slices import Stretch, emit_stretches, stretch
from einnet.bridge.unroll import from_zero
from einnet.expr.index import Index, Ranges, Var, bounds, constant, var
from einnet.expr.nodes import Iterator, Read, Scope, Tensor
from einnet.expr.program import Definition

_ACCUMULATORS = {"f64": "f64", "f32": "f32", "f16": "f32", "bf16": "f32"}
"""What sums of an element type are accumulated in; they are rounded at the end."""

_UNROLLED = 16
"""A sum of at most this many points is faster as one expression, guards and all: LLVM keeps it in
registers, and the copy of a padded operand costs as much as the rest."""

_WORK = 8
"""Padding an operand copies it. It pays where each element copied is used this many times."""

_GROWTH = 16
"""Padded operands hold at most this many times what the definition reads and writes."""


@dataclass(frozen=True)
class _Operand:
    """A read and what it visits of each dimension of its tensor."""

    tensor: Tensor
    stretches: tuple[Stretch, ...]

    @property
    def index(self) -> tuple[Index, ...]:
        return tuple(s.index for s in self.stretches)

    @property
    def is_padded(self) -> bool:
        return any(s.low or s.high for s in self.stretches)


@dataclass(frozen=True)
class _Named:
    """The convolution `NAMED[dimensions]`: whether the kernel is the first operand, strides and
    dilations, and where a batch of one is missing in the result and in the image, if it is."""

    dimensions: str
    swapped: bool
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    batch: int | None


def emit_sum_of_products(
    definition: Definition, values: Mapping[str, ir.Value]
) -> tuple[ir.Value, list[ir.OpView], list[ir.OpView]] | None:
    """The result, the operations that cut and pad the operands, and those that compute, the main
    one last. None for anything but a sum of products of reads at linear indices."""
    scope = from_zero(definition.scope)
    operands = _operands(scope)
    if operands is None:
        return None
    before: list[ir.OpView] = []
    parts: list[ir.Value] = []
    for operand in operands:
        part, made = emit_stretches(values[operand.tensor.name], operand.stretches)
        parts.append(part)
        before += made
    named = _named(scope, operands, definition.result)
    if named is not None:
        value, operations = _emit_named(named, scope, parts, definition.result)
        return value, before, operations
    tensors = [
        replace(o.tensor, name=f"part{n}", shape=tuple(s.extent for s in o.stretches))
        for n, o in enumerate(operands)
    ]
    reads = tuple(Read(t, o.index) for t, o in zip(tensors, operands, strict=True))
    # Reads leave out iterators of one element, which need no loop.
    summation = tuple(i for i in scope.summation if i.extent > 1)
    plain = Scope(scope.traversal, summation, (replace(scope.term, factors=reads),))
    known = {t.name: part for t, part in zip(tensors, parts, strict=True)}
    value, operations = emit_generic(replace(definition, scope=plain), known, keep_sums=True)
    return value, before, operations


def is_structured(scope: Scope) -> bool:
    """Whether a sum is better off as a tensor of its own than inside what reads it."""
    scope = from_zero(scope)
    phases = phases_of(scope)
    return pays(scope if phases is None else phases.scope)


def pays(scope: Scope) -> bool:
    """Whether `emit_sum_of_products` of a definition with this scope is worth its copies."""
    scope = from_zero(scope)
    operands = _operands(scope)
    steps = prod(i.extent for i in scope.summation)
    if operands is None or steps <= _UNROLLED:
        return False
    padded = sum(prod(s.extent for s in o.stretches) for o in operands if o.is_padded)
    elements = prod(scope.extents) + sum(prod(o.tensor.shape) for o in operands)
    return padded * _WORK <= prod(scope.extents) * steps and padded <= _GROWTH * elements


def _operands(scope: Scope) -> tuple[_Operand, ...] | None:
    if not scope.summation or len(scope.body) != 1:
        return None
    term = scope.term
    if term.guards or not term.reads or len(term.factors) != len(term.reads):
        return None
    found = [_operand(read, scope.ranges) for read in term.reads]
    operands = tuple(o for o in found if o is not None)
    return operands if len(operands) == len(found) else None


def _operand(read: Read, ranges: Ranges) -> _Operand | None:
    source = read.source
    if isinstance(source, Scope):
        return None
    found = [_stretch(e, n, ranges) for e, n in zip(read.index, source.shape, strict=True)]
    stretches = tuple(s for s in found if s is not None)
    return _Operand(source, stretches) if len(stretches) == len(found) else None


def _stretch(index: Index, extent: int, ranges: Ranges) -> Stretch | None:
    """As `stretch`, but an index may run backwards: then every position counts, step 1."""
    if all(c > 0 for _, c in index.terms) or any(not isinstance(a, Var) for a, _ in index.terms):
        return stretch(index, extent, ranges)
    least, most = bounds(index, ranges)
    offset, end = max(0, least), min(extent, most + 1)
    if end <= offset:
        return None
    terms = tuple(
        (a, c) for a, c in index.terms if isinstance(a, Var) and ranges[a.name].extent > 1
    )
    moved = Index(0, terms)
    moved = moved - bounds(moved, ranges)[0]
    return Stretch(offset, end - offset, 1, offset - least, most + 1 - end, moved)


# Named operations ---------------------------------------------------------------------------


def _named(scope: Scope, operands: Sequence[_Operand], result: Tensor) -> _Named | None:
    """The convolution that the sum is, of two tensors of one floating-point type."""
    if len(operands) != 2 or scope.term.coefficient != 1 or result.dtype not in _ACCUMULATORS:
        return None
    if any(o.tensor.dtype != result.dtype for o in operands):
        return None
    for dimensions in NAMED:
        for swapped in (False, True):
            image, kernel = reversed(operands) if swapped else operands
            found = _matched(dimensions, scope, image.index, kernel.index)
            if found is not None:
                return replace(found, swapped=swapped)
    return None


def _matched(
    dimensions: str, scope: Scope, image: Sequence[Index], kernel: Sequence[Index]
) -> _Named | None:
    images, kernels = dimensions.split("_")
    results = result_dimensions(images, kernels)
    batch = None
    if "n" in images and len(scope.traversal) == len(results) - 1 and len(image) < len(images):
        # A batch of one may have been left out; it comes first.
        batch = images.index("n")
        results, images = results.replace("n", ""), images.replace("n", "")
    ranks = len(scope.traversal), len(image), len(kernel)
    if ranks != (len(results), len(images), len(kernels)):
        return None
    of_image = dict(zip(images, image, strict=True))
    of_kernel = dict(zip(kernels, kernel, strict=True))
    taps: list[Index] = []
    if "c" in images:
        if of_image["c"] != of_kernel["c"]:
            return None
        taps.append(of_image["c"])
    strides: list[int] = []
    dilations: list[int] = []
    for letter, x in zip(results, scope.traversal, strict=True):
        if letter not in images or letter not in kernels or letter == "g":
            if any(of.get(letter, _own(x)) != _own(x) for of in (of_image, of_kernel)):
                return None
            continue
        window, y = of_image[letter], of_kernel[letter]
        stride = window.coefficient(x.name)
        dilation = window.coefficient(y.name) if y.name else 0
        if window != _own(x) * stride + y * dilation or bool(stride) != (x.extent > 1):
            return None
        taps.append(y)
        strides.append(stride or 1)
        dilations.append(dilation or 1)
    sums = sorted(i.name for i in scope.summation if i.extent > 1)
    if sorted(e.name or "" for e in taps if e.terms) != sums:
        return None
    if dimensions in UNSTRIDED and set(strides + dilations) != {1}:
        return None
    return _Named(dimensions, False, tuple(strides), tuple(dilations), batch)


def _own(iterator: Iterator) -> Index:
    """The iterator as an index, which an iterator of one element is left out of."""
    return var(iterator.name) if iterator.extent > 1 else constant(0)


def _emit_named(
    named: _Named, scope: Scope, parts: Sequence[ir.Value], result: Tensor
) -> tuple[ir.Value, list[ir.OpView]]:
    image, kernel = reversed(parts) if named.swapped else parts
    shape = list(scope.extents)
    if named.batch is not None:
        shape.insert(named.batch, 1)
        extents = list(ir.RankedTensorType(image.type).shape)
        image = emit_reshape(image, [*extents[: named.batch], 1, *extents[named.batch :]])
    init = emit_zeros(shape, ir.Type.parse(_ACCUMULATORS[result.dtype]))
    given: dict[str, Any] = {}
    if named.dimensions not in UNSTRIDED:
        given = {"strides": list(named.strides), "dilations": list(named.dilations)}
    out = cast(ir.Value, NAMED[named.dimensions](image, kernel, outs=[init], **given))
    if _ACCUMULATORS[result.dtype] == result.dtype:
        return emit_reshape(out, result.shape), [init.owner, out.owner]
    rounded = emit_conversion(out, ir.Type.parse(result.dtype))
    return emit_reshape(rounded, result.shape), [init.owner, rounded.owner, out.owner]
