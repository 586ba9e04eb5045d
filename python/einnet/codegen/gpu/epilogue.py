"""Which eOperators a library call can do on the way out: a bias and an activation.

A product or convolution `P` that one eOperator alone reads, at its own position, as `relu(P + t)`,
`relu(P)` or `P + t`, with t a constant of the columns or filters, can be one call. What the whole
program computes does not change, so nothing is proved anew: it is the choice of an instruction.

cuBLASLt ends any product so. For convolutions cuDNN has other engines with such an end than
without, which may be faster, slower or none: whoever lowers a program says which stay apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from einnet.expr.index import constant, iterators_of, var
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
    Library,
    Product,
    Program,
    Windowed,
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
    def has_epilogue(self) -> bool:
        return self.bias is not None or bool(self.activation)

    @property
    def operands(self) -> tuple[Tensor, ...]:
        return (*self.definition.operands, *([self.bias] if self.bias else []))


Work = LibraryWork | Definition
"""A library call or an eOperator."""


def is_multiplied(definition: Definition) -> bool:
    """Whether libraries have the element types of a library operator: one float for both operands,
    and a float for the result."""
    operands = {t.dtype for t in definition.operands}
    return len(operands) == 1 and {*operands, definition.result.dtype} <= set(FLOATS)


def convolutions_of(program: Program, *, transposed: bool | None = None) -> frozenset[str]:
    """The results of library operators with windows, by name; all, or those that are transposed
    or not."""
    return frozenset(
        d.result.name
        for d in program.definitions
        if isinstance(d.library, Windowed)
        and transposed in (None, any(w.transposed for w in d.library.windows))
    )


def work_of(
    program: Program, apart: frozenset[str] = frozenset()
) -> tuple[tuple[Work, ...], tuple[Definition, ...]]:
    """What runs at inference, in order, and the definitions of constants that this needs beyond
    the program's own. Library operators whose result is in `apart` get no epilogue. The program has
    no opaque statements."""
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
        if reader is not None and name not in apart and is_multiplied(definition):
            fused = _fused(definition, definition.library, reader, constants, taken)
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
    library: Library,
    reader: Definition,
    constants: frozenset[str],
    taken: set[str],
) -> tuple[LibraryWork, list[Definition]] | None:
    """The call that computes the reader's result, and the definition of its bias."""
    scope = reader.scope
    if scope.summation or reader.result.dtype != definition.result.dtype:
        return None
    body, activation = scope.body, ""
    if len(body) == 1 and body[0] == Term(body[0].factors[:1]):
        (only,) = body[0].factors
        if isinstance(only, Call) and only.function == "relu":
            body, activation = only.arguments[0], "relu"
    if definition.result.shape != reader.result.shape:
        return None
    rest = tuple(t for t in body if not _is_here(t, definition.result, scope.traversal))
    if len(rest) != len(body) - 1:
        return None
    position = {i.name: d for d, i in enumerate(definition.scope.traversal)}
    # A product's batch has no bias of its own; that of a convolution are groups of filters.
    features = library.n if isinstance(library, Product) else (*library.batch, *library.n)
    columns = [scope.traversal[position[n]] for n in features]
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


def _is_here(term: Term, tensor: Tensor, loops: tuple[Iterator, ...]) -> bool:
    """Whether the term is the tensor's element at the position of the loops. A loop of one element
    is as good as its 0."""
    match term.factors:
        case (Read(source, index),) if source == tensor and term == Term(term.factors):
            return all(
                e == var(i.name) or (i.extent == 1 and e == constant(0))
                for e, i in zip(index, loops, strict=True)
            )
        case _:
            return False


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
