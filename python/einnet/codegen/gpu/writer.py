"""What a thread makes of its bodies: sums over iterators that stay loops, and stores of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from mlir import ir
from mlir.dialects import memref, scf, vector

from einnet.bridge.scalar import convert
from einnet.codegen.gpu.frame import Memories
from einnet.codegen.gpu.functions import Arithmetic, arithmetic_of
from einnet.codegen.gpu.host import BYTES, Buffer
from einnet.codegen.gpu.values import Access, Elements, Indices, at, runs
from einnet.expr.index import Index, Range, Ranges, constant, var
from einnet.expr.nodes import Body, Iterator


class Writer:
    """Sums and stores of the points of one thread. `result` names the tensor that is written."""

    def __init__(
        self,
        arithmetic: Arithmetic,
        memories: Memories,
        buffers: Mapping[str, Buffer],
        result: str,
    ) -> None:
        self.arithmetic = arithmetic
        self.memories = memories
        self.buffers = buffers
        self.result = result

    def totals(
        self, indices: Indices, sums: tuple[Iterator, ...], bodies: Sequence[Body], unroll: int
    ) -> list[ir.Value]:
        """Each body, summed over the iterators, outermost first."""
        if not sums:
            # Its constants are made here, and may not be used outside of the loop that this is in.
            arithmetic = arithmetic_of(str(self.arithmetic.type))
            elements = Elements(arithmetic, indices, self.memories, self.buffers)
            elements.load(bodies)
            return [elements.body(b) for b in bodies]
        outer, *inner = sums
        group = 1 if inner else min(unroll, outer.extent)
        rounds, rest = divmod(outer.extent, group)
        name, rest_of = outer.name, tuple(inner)
        parts: list[list[ir.Value]] = []
        if rounds > 1:
            range_ = Range(0, rounds)
            ranges = {**indices.ranges, name: range_}
            steps = [var(name) * group + n for n in range(group)]
            together = [_together(b, name, steps, ranges) for b in bodies]
            zero = self.arithmetic.constant(Fraction(0))
            low, high, step = (indices.number(n) for n in (0, rounds, 1))
            loop = scf.ForOp(low, high, step, [zero] * len(bodies))
            with ir.InsertionPoint(loop.body):
                inside = indices.inside({name: (range_, loop.induction_variable)})
                found = self.totals(inside, rest_of, together, unroll)
                pairs = zip(loop.inner_iter_args, found, strict=True)
                scf.yield_([self.arithmetic.add(a, b) for a, b in pairs])
            parts.append(list(loop.results))
        else:
            rest += rounds * group
        if rest:
            steps = [constant(outer.extent - rest + n) for n in range(rest)]
            together = [_together(b, name, steps, indices.ranges) for b in bodies]
            parts.append(self.totals(indices, rest_of, together, unroll))
        if len(parts) == 1:
            return parts[0]
        return [self.arithmetic.add(a, b) for a, b in zip(*parts, strict=True)]

    def store(self, indices: Indices, places: Sequence[Index], values: Sequence[ir.Value]) -> None:
        """Each value to its place, those side by side at once."""
        memory, buffer = self.memories[self.result], self.buffers[self.result]
        type_ = ir.Type.parse(buffer.dtype)
        elements = {p: convert(v, type_) for p, v in zip(places, values, strict=True)}
        for first, width in runs([Access(self.result, p, ()) for p in places], self.buffers):
            address = indices.address(first)
            if width == 1:
                memref.store(elements[first.offset], memory, [address])
                continue
            lanes = [elements[first.offset + lane] for lane in range(width)]
            run = vector.from_elements(ir.VectorType.get([width], type_), lanes)
            vector.store(run, memory, [address], alignment=width * BYTES[buffer.dtype])


def _together(body: Body, name: str, steps: Sequence[Index], ranges: Ranges) -> Body:
    """The sum of the body at several values of an iterator."""
    return tuple(t for step in steps for t in at(body, {name: step}, ranges))
