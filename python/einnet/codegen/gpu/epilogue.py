"""Which eOperators a library call can do on the way out: a bias and an activation.

A product `P` that one eOperator alone reads, at its own position, as `relu(P + t)` or `P + t` with
t constant along the rows, is one call. What the whole program computes does not change, so nothing
is proved anew: it is the choice of an instruction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from einnet.expr.index import iterators_of, var
from einnet.expr.nodes import (
    Body,
    Call,
    Factor,
    Iterator,
    Read,
    Scope,
    Tensor,
    Term,
    factors_of,
    fresh_name,
)
from einnet.expr.program import (
    Definition,
    Product,
    Program,
    constants_of,
    names_of,
    uses_of,
)

FLOATS = ("f16", "bf16", "f32", "f64")
"""Element types that libraries multiply."""


@dataclass(frozen=True)
class LibraryWork:
    """A library operator with what follows it: `result = activation(definition + bias)`."""

    definition: Definition
    result: Tensor
    bias: Tensor | None = None
    activation: Literal["", "relu"] = ""

    @property
    def operands(self) -> tuple[Tensor, ...]:
        return (*self.definition.operands, *([self.bias] if self.bias else []))


Work = LibraryWork | Definition
"""A library call or an eOperator."""


def work_of(program: Program) -> tuple[tuple[Work, ...], tuple[Definition, ...]]:
    """What runs at inference, in order, and the definitions of constants that this needs beyond
    the program's own. The program has no opaque statements."""
    constants = constants_of(program)
    uses, taken = uses_of(program), names_of(program)
    work: list[Work] = []
    biases: list[Definition] = []
    merged: set[str] = set()
    running = [d for d in program.definitions if d.result.name not in constants]
    for definition in running:
        if definition.result.name in merged:
            continue
        if definition.library is None:
            work.append(definition)
            continue
        name = definition.result.name
        reader = _only_reader(name, running) if uses[name] == 1 else None
        call = LibraryWork(definition, definition.result)
        possible = isinstance(definition.library, Product) and definition.result.dtype in FLOATS
        if reader is not None and possible:
            fused = _fused(definition, reader, constants, taken)
            if fused is not None:
                call, bias = fused
                biases += bias
                merged.add(reader.result.name)
        work.append(call)
    return tuple(work), tuple(biases)


def _only_reader(name: str, running: list[Definition]) -> Definition | None:
    for definition in running:
        if any(t.name == name for t in definition.operands):
            return definition if definition.library is None else None
    return None


def _fused(
    definition: Definition,
    reader: Definition,
    constants: frozenset[str],
    taken: set[str],
) -> tuple[LibraryWork, list[Definition]] | None:
    """The call that computes the reader's result, and the definition of its bias."""
    scope, product = reader.scope, definition.library
    assert isinstance(product, Product)
    if scope.summation or reader.result.dtype != definition.result.dtype:
        return None
    body, activation = scope.body, ""
    if len(body) == 1 and body[0] == Term(body[0].factors[:1]):
        (only,) = body[0].factors
        if isinstance(only, Call) and only.function == "relu":
            body, activation = only.arguments[0], "relu"
    here = {d: var(i.name) for d, i in enumerate(scope.traversal)}
    at = Term((Read(definition.result, tuple(here.values())),))
    if definition.result.shape != reader.result.shape or body.count(at) != 1:
        return None
    rest = tuple(t for t in body if t != at)
    position = {i.name: d for d, i in enumerate(definition.scope.traversal)}
    columns = [scope.traversal[position[n]] for n in product.n]
    if not _is_constant(rest, constants) or not _depends(rest) <= {i.name for i in columns}:
        return None
    if not rest:
        return LibraryWork(definition, reader.result, None, activation), []
    name = fresh_name(f"{reader.result.name}_bias", taken)
    taken.add(name)
    bias = Tensor(name, tuple(i.extent for i in columns), reader.result.dtype)
    loops = tuple(Iterator(i.name, 0, i.extent) for i in columns)
    made = Definition(bias, Scope(loops, (), rest), "bias")
    return LibraryWork(definition, reader.result, bias, activation), [made]


def _is_constant(body: Body, constants: frozenset[str]) -> bool:
    return all(
        not isinstance(f, Read) or (isinstance(f.source, Tensor) and f.source.name in constants)
        for f in factors_of(body)
    )


def _depends(body: Body) -> frozenset[str]:
    found: set[str] = set()
    for term in body:
        found.update(*(iterators_of(g.index) for g in term.guards))
        for factor in term.factors:
            found |= _factor(factor)
    return frozenset(found)


def _factor(factor: Factor) -> frozenset[str]:
    if isinstance(factor, Call):
        return frozenset[str]().union(*(_depends(a) for a in factor.arguments))
    return frozenset[str]().union(*(iterators_of(e) for e in factor.index))


def with_constants(program: Program, extra: tuple[Definition, ...]) -> Program:
    """The program with definitions of more constants, which read its constants alone, in front of
    what runs."""
    constants = constants_of(program)
    fixed = [d for d in program.definitions if d.result.name in constants]
    running = [s for s in program.statements if s not in fixed]
    return replace(program, statements=(*fixed, *extra, *running))
