"""Transposed convolutions as dense sums, one for each phase of the result.

    L<x:n> S<y:m> X[(x+c-y) div k] * W[y] * [(x+c-y) mod k = 0]
  = P[(x+c) mod k, (x+c) div k]   with   P = L<p:k,x:..> S<y:..> X[x-y] * W[k*y+p]

The guard holds where x+c and y leave the same remainder p, so that one position in k of the sum is
left, and it lies at linear indices. Several guards on different iterators are split one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlir import ir
from mlir.dialects import linalg, tensor

from einnet.bridge.reshape import emit_reshape
from einnet.bridge.slices import emit_slice
from einnet.expr.index import Index, Var, var
from einnet.expr.nodes import Iterator, Residue, Scope, Tensor, Term, box_of, fresh_name
from einnet.expr.transform import guard_truth, substitute_term


@dataclass(frozen=True)
class Phase:
    """`x + shift = modulus*x' + p`, and the sum over `y`, split at the same p, over y'."""

    x: str
    p: str
    y: str
    modulus: int
    shift: int
    value: Index
    count: int

    @property
    def of_result(self) -> Index:
        return var(self.x) * self.modulus + var(self.p) - self.shift


@dataclass(frozen=True)
class Phases:
    """A scope over the phases, these first, then the iterators of the result; and that result."""

    scope: Scope
    phases: tuple[Phase, ...]
    result: Scope


def phases_of(scope: Scope) -> Phases | None:
    """The phases of a sum whose guards are remainders, each of an iterator of the result and one
    of the sum; None for any other scope. All ranges start at 0."""
    if len(scope.body) != 1 or not scope.term.guards:
        return None
    taken = set(scope.names)
    phases: list[Phase] = []
    for guard in scope.term.guards:
        phase = _phase(guard, scope, taken) if isinstance(guard, Residue) else None
        if phase is None or any({p.x, p.y} & {phase.x, phase.y} for p in phases):
            return None
        taken.add(phase.p)
        phases.append(phase)
    of_x = {p.x: p for p in phases}
    counts = {p.y: p.count for p in phases}
    traversal = (
        *(Iterator(p.p, 0, p.modulus) for p in phases),
        *(Iterator(i.name, 0, _blocks(i, of_x.get(i.name))) for i in scope.traversal),
    )
    summation = tuple(Iterator(i.name, 0, counts.get(i.name, i.hi)) for i in scope.summation)
    split = Scope(traversal, summation, ())
    values = {p.x: p.of_result for p in phases} | {p.y: p.value for p in phases}
    term = substitute_term(scope.term, values, split.ranges)
    if any(guard_truth(g, split.ranges) is not True for g in term.guards):
        return None
    dense = Scope(traversal, summation, (Term(term.factors, (), term.coefficient),))
    return Phases(dense, tuple(phases), scope)


def _phase(guard: Residue, scope: Scope, taken: set[str]) -> Phase | None:
    k = guard.modulus
    ones = {1: 1, k - 1: -1}
    signs = {a.name: ones.get(c % k) for a, c in guard.index.terms if isinstance(a, Var)}
    xs = [i for i in scope.traversal if i.name in signs]
    ys = [i for i in scope.summation if i.name in signs]
    if len(xs) != 1 or len(ys) != 1 or len(guard.index.terms) != 2:
        return None
    (x,), (y,) = xs, ys
    sign, other = signs[x.name], signs[y.name]
    if sign is None or other is None:
        return None
    p = fresh_name(f"{x.name}_phase", taken)
    shift = sign * guard.index.const % k
    if k == 2:
        # Of two phases the one or the other is the right one: nothing needs to be shifted.
        value = var(y.name) * 2 + (-var(p) + 1 if shift else var(p))
        count, overruns, shift = -(-y.hi // 2), y.hi % 2 != 0, 0
    elif sign != other:
        value, count = var(y.name) * k + var(p), -(-y.hi // k)
        overruns = y.hi % k != 0
    else:
        value, count = var(y.name) * k - var(p), (y.hi + k - 2) // k + 1
        overruns = True
    if overruns and not _bounded(y, scope.term):
        return None
    return Phase(x.name, p, y.name, k, shift, value, count)


def _bounded(y: Iterator, term: Term) -> bool:
    """Whether a read gives 0 just where `y` leaves its range."""
    return any(
        e == var(y.name) and box.hi == y.hi
        for read in term.reads
        for e, box in zip(read.index, box_of(read.source), strict=True)
    )


def _blocks(x: Iterator, phase: Phase | None) -> int:
    return x.hi if phase is None else (x.hi - 1 + phase.shift) // phase.modulus + 1


def emit_joined(found: Phases, value: ir.Value, result: Tensor) -> tuple[ir.Value, list[ir.OpView]]:
    """The tensor over the phases with these in their places, the result, and the operations that
    put them there."""
    order: list[int] = []
    merged: list[int] = []
    offsets: list[int] = []
    extents = found.scope.extents
    number = {p.x: n for n, p in enumerate(found.phases)}
    for place, iterator in enumerate(found.result.traversal, len(found.phases)):
        n = number.get(iterator.name)
        order += [place] if n is None else [place, n]
        merged.append(extents[place] * (1 if n is None else extents[n]))
        offsets.append(0 if n is None else found.phases[n].shift)
    type_ = ir.RankedTensorType(value.type)
    empty = tensor.empty([extents[d] for d in order], type_.element_type)
    moved = linalg.transpose(value, outs=[empty], permutation=order)
    joined = emit_reshape(moved.results[0], merged)
    part, cut = emit_slice(joined, offsets, result.shape, [1] * len(merged))
    return part, [moved, joined.owner, *cut]
