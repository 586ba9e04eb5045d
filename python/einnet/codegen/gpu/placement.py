"""Where each tensor is: strides that libraries can read, and no copy that a view can save.

A movement whose elements are at linear distances in its source is a view of it, where everyone who
reads it accepts those strides; the result of a library call that is only moved is written where
the movement would have put it. What libraries read or write gets rows of whole 16-byte units, and
constants the order that suits the library, the summed dimension innermost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Iterator as Iterable_
from dataclasses import dataclass, field
from itertools import product
from math import prod

from einnet.codegen.gpu.epilogue import LibraryWork, Work
from einnet.codegen.gpu.host import BYTES, Buffer, Role, dense
from einnet.codegen.gpu.matrices import (
    Placed,
    Strides,
    Unreadable,
    convolution_call,
    product_operand,
)
from einnet.codegen.gpu.residuals import residual_matrix
from einnet.expr.index import Var, constant
from einnet.expr.nodes import Read, Tensor
from einnet.expr.program import Definition, Product
from einnet.expr.transform import is_movement, stays_inside

_UNIT = 16
"""Bytes of the widest access of one thread; libraries want rows of whole units."""


@dataclass(frozen=True)
class Placement:
    """Where every tensor is, the buffers there are, and the movements that views have saved."""

    placed: dict[str, Placed]
    buffers: dict[str, Buffer]
    saved: frozenset[str]


def place(
    work: Sequence[Work],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    constants: Mapping[str, Tensor],
) -> Placement:
    """Place the inputs, the constants that are read and every result of `work`."""
    placer = _Placer(work, frozenset(t.name for t in outputs))
    for tensor in inputs:
        placer.put(tensor, dense(tensor.shape), "input")
    for tensor in constants.values():
        placer.constant(tensor)
    for item in work:
        placer.result(item)
    return Placement(placer.placed, placer.buffers, frozenset(placer.saved))


@dataclass
class _Placer:
    work: Sequence[Work]
    outputs: frozenset[str]
    placed: dict[str, Placed] = field(default_factory=dict[str, Placed])
    buffers: dict[str, Buffer] = field(default_factory=dict[str, Buffer])
    saved: set[str] = field(default_factory=set[str])

    def put(self, tensor: Tensor, strides: Strides, role: Role) -> None:
        self.placed[tensor.name] = Placed(tensor.name, strides)
        self.buffers[tensor.name] = Buffer(tensor.name, tensor.shape, strides, tensor.dtype, role)

    def constant(self, tensor: Tensor) -> None:
        strides = dense(tensor.shape)
        if tensor.name not in self.outputs:
            strides = next(filter(self._fitting(tensor), self._strides(tensor)), strides)
        self.put(tensor, strides, "constant")

    def result(self, item: Work) -> None:
        """Place what the item computes, and what moves it where that is for the same price."""
        tensor = item.result
        if tensor.name in self.placed:
            return
        if tensor.name in self.outputs:
            self.put(tensor, dense(tensor.shape), "output")
            return
        if isinstance(item, Definition) and self._view(item):
            return
        if isinstance(item, LibraryWork) and self._written_through(item):
            return
        fitting = self._fitting(tensor)
        strides = next(filter(fitting, self._strides(tensor)), dense(tensor.shape))
        self.put(tensor, strides, "temporary")

    def _view(self, item: Definition) -> bool:
        """Place a movement as a view of its source, if everyone who reads it accepts that."""
        if not is_movement(item.scope) or item.scope.term.guards:
            return False
        (read,) = item.scope.term.reads
        source = read.source
        if not isinstance(source, Tensor) or source.dtype != item.result.dtype:
            return False
        if not stays_inside(read, item.scope.ranges) or not prod(item.result.shape):
            return False
        here = self.placed[source.name]
        address = constant(here.offset)
        for e, stride in zip(read.index, here.strides, strict=True):
            address = address + e * stride
        # Forwards only: libraries have no negative strides, buffers begin at their first element.
        if not all(isinstance(atom, Var) and step > 0 for atom, step in address.terms):
            return False
        view = Placed(
            here.buffer, tuple(address.coefficient(i.name) for i in item.scope.traversal),
            address.const,
        )  # fmt: skip
        kernels = any(isinstance(w, Definition) for w in self._readers(item.result))
        if (kernels and view.offset) or not self._accepted(item.result, view):
            return False
        self.placed[item.result.name] = view
        self.saved.add(item.result.name)
        return True

    def _written_through(self, item: LibraryWork) -> bool:
        """Place a call's result inside the result of the movement that alone reads it."""
        tensor = item.result
        readers = list(self._readers(tensor))
        mover = readers[0] if len(readers) == 1 else None
        if not isinstance(mover, Definition) or not is_movement(mover.scope):
            return False
        if mover.scope.term.guards:
            return False
        (read,) = mover.scope.term.reads
        extents = {i.name: i.extent for i in mover.scope.traversal}
        names = [e.name for e in read.index if not e.is_constant]
        whole = prod(tensor.shape) == prod(mover.result.shape) and all(
            (e == constant(0) and n == 1) or extents.get(e.name or "") == n
            for e, n in zip(read.index, tensor.shape, strict=True)
        )
        if not whole or len(set(names)) != len(names) or mover.result.dtype != tensor.dtype:
            return False
        if mover.result.name not in self.outputs and any(
            isinstance(w, LibraryWork) for w in self._readers(mover.result)
        ):
            return False
        target = dense(mover.result.shape)
        steps = {i.name: s for i, s in zip(mover.scope.traversal, target, strict=True)}
        strides = tuple(steps[e.name] if e.name else 0 for e in read.index)
        inside = Placed(mover.result.name, strides)
        if not self._accepted(tensor, inside):
            return False
        role: Role = "output" if mover.result.name in self.outputs else "temporary"
        self.put(mover.result, target, role)
        self.placed[tensor.name] = inside
        self.saved.add(mover.result.name)
        return True

    def _readers(self, tensor: Tensor) -> Iterable_[Work]:
        for item in self.work:
            if any(t.name == tensor.name for t in item.operands):
                yield item

    def _fitting(self, tensor: Tensor) -> Callable[[Strides], bool]:
        return lambda strides: self._accepted(tensor, Placed(tensor.name, strides))

    def _accepted(self, tensor: Tensor, placed: Placed) -> bool:
        """Whether the library calls that read or write the tensor can do so there."""
        try:
            for call, operand in self._calls(tensor):
                _check(call, operand, placed)
        except Unreadable:
            return False
        return True

    def _calls(self, tensor: Tensor) -> Iterable_[tuple[LibraryWork, int]]:
        """The calls that have the tensor as operand 0 or 1, as their result, 2, or residual, 3."""
        for item in self.work:
            if isinstance(item, LibraryWork):
                for number, read in enumerate(item.definition.scope.term.reads):
                    if read.source == tensor:
                        yield item, number
                if item.result.name == tensor.name:
                    yield item, 2
                if item.residual is not None and item.residual.tensor == tensor:
                    yield item, 3

    def _strides(self, tensor: Tensor) -> Iterable_[Strides]:
        """Strides worth trying, the best first; dense ones last."""
        shape = tensor.shape
        for call, operand in self._calls(tensor):
            order, inner = _order(call, operand, tensor, self._is_given(call, operand))
            if not isinstance(call.definition.library, Product):
                inner = 0  # images and kernels without gaps
            yield pitched(shape, order, inner, BYTES[tensor.dtype])
        yield from self._summed_last(tensor)
        yield dense(shape)

    def _summed_last(self, tensor: Tensor) -> Iterable_[Strides]:
        """For a constant that a kernel sums a product with: the dimension along which the other
        factor is contiguous as the last one, so that both are read in whole vectors."""
        for item in self._readers(tensor):
            if not isinstance(item, Definition) or self._computes(tensor):
                continue
            sums = {i.name for i in item.scope.summation if i.extent > 1}
            for term in item.scope.body:
                own = [r for r in term.reads if r.source == tensor]
                others = [r for r in term.reads if r.source != tensor]
                for read, other in product(own, others):
                    name = other.index[-1].name if other.index else None
                    places = [d for d, e in enumerate(read.index) if e.name == name]
                    if name in sums and places:
                        order = [d for d in range(len(tensor.shape)) if d != places[0]]
                        yield pitched(tensor.shape, [*order, places[0]], 0, 1)

    def _computes(self, tensor: Tensor) -> bool:
        """Whether an item computes the tensor: it is no constant."""
        return any(item.result == tensor for item in self.work)

    def _is_given(self, call: LibraryWork, operand: int) -> bool:
        """Whether the operand is computed before it is read, so that its order is given."""
        if operand >= 2:
            return True
        source = call.definition.scope.term.reads[operand].source
        return isinstance(source, Tensor) and self._computes(source)


def _check(call: LibraryWork, operand: int, placed: Placed) -> None:
    """Raise Unreadable unless a library can have the operand (2: the result, 3: the residual)
    there."""
    definition = call.written
    library = definition.library
    if isinstance(library, Product):
        if operand == 3:
            residual_matrix(call, placed)
        else:
            product_operand(definition, library, operand, placed)
        return
    assert library is not None
    if operand == 3:
        return  # it has to be as the result is, wherever that will be
    shapes = [_shape(r) for r in definition.scope.term.reads] + [definition.result.shape]
    others = [Placed(str(n), dense(shape)) for n, shape in enumerate(shapes)]
    others[operand] = placed
    types = definition.operands[0].dtype, call.result.dtype
    convolution_call(definition, library, (others[0], others[1], others[2]), types, "fp32")


def _shape(read: Read) -> tuple[int, ...]:
    assert isinstance(read.source, Tensor)
    return read.source.shape


def _order(
    call: LibraryWork, operand: int, tensor: Tensor, fixed: bool
) -> tuple[tuple[int, ...], int]:
    """An order of the tensor's dimensions, outermost first, and how many of the last of them are
    one row of a matrix."""
    definition = call.definition
    library = definition.library
    assert library is not None
    rank = len(tensor.shape)
    if operand >= 2:
        names = _result_names(call, operand)
        loops = [i.name for i in definition.scope.traversal]
        own = sorted(range(rank), key=lambda d: loops.index(names[d]) if names[d] else -1)
        inner = 0
        while inner < rank and names[own[rank - 1 - inner]] in library.n:
            inner += 1
        return tuple(own), inner
    names = [e.name or "" for e in definition.scope.term.reads[operand].index]
    columns = library.k if operand == 0 or not fixed else library.n
    if not isinstance(library, Product) and library.windows[0].transposed and operand == 1:
        columns = library.n
    if fixed:
        inner = 0
        while inner < rank and names[rank - 1 - inner] in columns:
            inner += 1
        return tuple(range(rank)), inner
    last = [d for d in range(rank) if names[d] in columns]
    windows = [] if isinstance(library, Product) else [v.y for v in library.windows]
    middle = [d for d in range(rank) if names[d] in windows and d not in last]
    first = [d for d in range(rank) if d not in last and d not in middle]
    return (*first, *middle, *last), len(last)


def _result_names(call: LibraryWork, operand: int) -> list[str]:
    """The iterator of the operator along each dimension of its result (2) or residual (3)."""
    if operand == 2:
        return list(call.loops)
    assert call.residual is not None
    return [e.name or "" for e in call.residual.read.index]


def pitched(shape: tuple[int, ...], order: Sequence[int], inner: int, size: int) -> Strides:
    """Strides with the dimensions in `order`, outermost first; the `inner` last ones are a row of
    whole 16-byte units. `size` counts bytes of an element."""
    strides = [0] * len(shape)
    reached = 1
    for position, d in enumerate(reversed(order)):
        if position == inner and 0 < inner < len(order):
            unit = max(1, _UNIT // size)
            reached = -(-reached // unit) * unit
        strides[d] = reached
        reached *= shape[d]
    return tuple(strides)
