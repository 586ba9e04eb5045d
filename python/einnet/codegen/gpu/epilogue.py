"""Which eOperators a library call can do on the way out: a bias, a residual and an activation.

A product or convolution `P` that one eOperator alone reads, at its own position, as

    activation(alpha*P + beta*Z + t)

can be one call: t a constant of the columns or filters, Z a tensor of P's shape or, in a product,
the same for the whole batch; each of them may be missing. If the activation is, the next eOperator
may follow in the same call. What the whole program computes does not change, so nothing is proved
anew: it is the choice of an instruction. Only GELU is another function in the library than in some
models, within what `gelu.py` says.

The call stands where the last of these eOperators did, when every residual is complete. cuBLASLt
ends any product so. cuDNN neither scales nor has GELU here, and for convolutions it has other
engines with such an end than without, which may be faster, slower or none: whoever lowers a program
says which stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Literal

from einnet.codegen.gpu.gelu import gelu_argument
from einnet.expr.index import constant, iterators_of
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
    Windowed,
    constants_of,
    names_of,
    uses_of,
)
from einnet.expr.transform import is_movement, rename

FLOATS = ("f16", "bf16", "f32", "f64")
"""Element types that libraries multiply."""


Activation = Literal["", "relu", "gelu"]


@dataclass(frozen=True)
class Residual:
    """A tensor that a call adds, times a number; `read` is over the iterators of the definition."""

    read: Read
    scale: Fraction

    @property
    def tensor(self) -> Tensor:
        assert isinstance(self.read.source, Tensor)
        return self.read.source


@dataclass(frozen=True)
class LibraryWork:
    """A library operator with what follows it:
    `result = activation(alpha*definition + residual + bias)`.

    `loops` are the definition's iterators in the order of the result's dimensions, which may be
    another than that of its own. `merged` counts the eOperators that the call takes in.
    """

    definition: Definition
    result: Tensor
    loops: tuple[str, ...]
    bias: Tensor | None = None
    activation: Activation = ""
    alpha: Fraction = Fraction(1)
    residual: Residual | None = None
    merged: int = 0

    @property
    def operands(self) -> tuple[Tensor, ...]:
        added = [self.residual.tensor] if self.residual else []
        return (*self.definition.operands, *added, *([self.bias] if self.bias else []))

    @cached_property
    def written(self) -> Definition:
        """The operator with the result that the call writes, its traversal in that order."""
        iterators = {i.name: i for i in self.definition.scope.traversal}
        loops = tuple(iterators[n] for n in self.loops)
        scope = replace(self.definition.scope, traversal=loops)
        return replace(self.definition, result=self.result, scope=scope)


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
    program: Program,
    precision: str,
    most: Mapping[str, int] | None = None,
    simple: frozenset[str] = frozenset(),
) -> tuple[tuple[Work, ...], tuple[Definition, ...]]:
    """What runs at inference, in order, and the definitions of constants that this needs beyond
    the program's own. A library operator takes in the eOperators that follow it: at most as many as
    `most` says for its result, if it does; no residual and no GELU if its result is in `simple`.
    The program has no opaque statements."""
    constants = constants_of(program)
    running = [d for d in program.definitions if d.result.name not in constants]
    matching = _Matching(running, uses_of(program), constants, precision, simple)
    ends: dict[str, LibraryWork] = {}
    merged: set[str] = set()
    biases: list[Definition] = []
    taken = names_of(program)
    for definition in running:
        if definition.library is None:
            continue
        name = definition.result.name
        end = _End(definition, definition.result, _names(definition.scope))
        if is_multiplied(definition):
            end = matching.followed(end, (most or {}).get(name, len(running)), merged)
        call = LibraryWork(
            definition, end.result, end.loops, None, end.activation, end.alpha, end.residual,
            len(end.merged),
        )  # fmt: skip
        if end.bias:
            made = _bias(end, taken)
            biases.append(made)
            call = replace(call, bias=made.result)
        ends[end.result.name] = call
        merged.update((name, *end.merged))
    work = [ends.get(d.result.name, d) for d in running]
    skipped = merged - ends.keys()
    return tuple(w for w in work if w.result.name not in skipped), tuple(biases)


@dataclass(frozen=True)
class _End:
    """A call as far as it is known; `bias` is over the definition's iterators, `merged` are the
    results of the eOperators that it takes in."""

    definition: Definition
    result: Tensor
    loops: tuple[str, ...]
    bias: Body = ()
    activation: Activation = ""
    alpha: Fraction = Fraction(1)
    residual: Residual | None = None
    merged: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The iterators that a bias may depend on."""
        library = self.definition.library
        assert library is not None
        # A product's batch has no bias of its own; that of a convolution are groups of filters.
        return library.n if isinstance(library, Product) else (*library.batch, *library.n)


@dataclass(frozen=True)
class _Matching:
    """What it takes to find the eOperators that follow a library operator."""

    running: list[Definition]
    uses: Mapping[str, int]
    constants: frozenset[str]
    precision: str
    simple: frozenset[str]

    def followed(self, end: _End, most: int, merged: set[str]) -> _End:
        """The call with at most so many of the eOperators after it, none that is `merged`."""
        while len(end.merged) < most and not end.activation:
            reader = self._only_reader(end.result)
            if reader is None or reader.result.name in merged:
                break
            following = self._with(end, reader)
            if following is None:
                break
            end = following
        return end

    def _only_reader(self, tensor: Tensor) -> Definition | None:
        """The eOperator that alone uses the tensor."""
        if self.uses[tensor.name] != 1:
            return None
        for definition in self.running:
            if any(t.name == tensor.name for t in definition.operands):
                return definition if definition.library is None else None
        return None

    def _with(self, end: _End, reader: Definition) -> _End | None:
        """The call that computes the reader's result; None if there is none."""
        scope = reader.scope
        if scope.summation or reader.result.dtype != end.result.dtype:
            return None
        loops = _matched(end, reader)
        if loops is None:
            return None
        scope = rename(scope, dict(zip(_names(scope), loops, strict=True)))
        activation, body = self._activated(scope.body, end)
        here = [t for t in body if _is_here(t, end)]
        rest = tuple(t for t in body if t not in here)
        if len(here) != 1 or len(rest) != len(body) - 1:
            return None
        (scale,) = (t.coefficient for t in here)
        following = replace(
            end,
            result=reader.result,
            loops=loops,
            bias=tuple(replace(t, coefficient=t.coefficient * scale) for t in end.bias),
            activation=activation,
            alpha=end.alpha * scale,
            residual=end.residual and replace(end.residual, scale=end.residual.scale * scale),
            merged=(*end.merged, reader.result.name),
        )
        for term in rest:
            added = self._added(following, term)
            if added is None:
                return None
            following = added
        if loops != end.loops and is_movement(scope):
            return None  # placement saves what only moves
        if end.definition.result.name in self.simple and not _is_simple(following):
            return None
        return following if _is_possible(following) else None

    def _activated(self, body: Body, end: _End) -> tuple[Activation, Body]:
        """An activation, and what it is of."""
        if len(body) == 1 and body[0] == Term(body[0].factors[:1]):
            (only,) = body[0].factors
            if isinstance(only, Call) and only.function == "relu":
                return "relu", only.arguments[0]
        argument = gelu_argument(body, end.result, self.precision)
        return ("", body) if argument is None else ("gelu", argument)

    def _added(self, end: _End, term: Term) -> _End | None:
        """The call with a term more, as a part of its bias or as its residual."""
        if _is_constant((term,), self.constants) and _depends((term,)) <= {*end.columns}:
            return replace(end, bias=(*end.bias, term))
        if end.residual is not None or not _is_whole(term, end):
            return None
        return replace(end, residual=Residual(term.reads[0], term.coefficient))


def _is_simple(end: _End) -> bool:
    """Whether every algorithm of a library has such a call."""
    return end.residual is None and end.activation != "gelu"


def _is_possible(end: _End) -> bool:
    """Whether a library has such a call at all."""
    if isinstance(end.definition.library, Windowed):
        scale = Fraction(1) if end.residual is None else end.residual.scale
        return end.alpha == scale == 1 and end.activation != "gelu"
    types = {t.dtype for t in (*end.definition.operands, end.result)}
    return end.activation != "gelu" or (len(types) == 1 and types != {"f64"})


def _matched(end: _End, reader: Definition) -> tuple[str, ...] | None:
    """The definition's iterators in the order of the reader's, if it reads the call's result once
    as a whole, at one position. A loop of one element is as good as its 0."""
    reads = {
        f.index
        for f in factors_of(reader.scope.body)
        if isinstance(f, Read) and f.source == end.result
    }
    if len(reads) != 1 or len(reader.result.shape) != len(end.loops):
        return None
    (index,) = reads
    extents = _extents(end.definition)
    own = {i.name: i.extent for i in reader.scope.traversal}
    found: dict[str, str] = {}
    for e, loop in zip(index, end.loops, strict=True):
        if e.name is not None and own[e.name] == extents[loop] and e.name not in found:
            found[e.name] = loop
        elif not (e == constant(0) and extents[loop] == 1):
            return None
    single = [loop for loop in end.loops if loop not in found.values()]
    if any(extent != 1 for name, extent in own.items() if name not in found):
        return None
    return tuple(found[n] if n in found else single.pop(0) for n in own)


def _is_here(term: Term, end: _End) -> bool:
    """Whether the term is a number times the call's result so far, which only one position has."""
    match term.factors:
        case (Read(source),):
            return source == end.result and not term.guards
        case _:
            return False


def _is_whole(term: Term, end: _End) -> bool:
    """Whether the term is a number times elements of a tensor in some order of its dimensions."""
    match term.factors:
        case (Read(Tensor() as source, index),) if not term.guards:
            extents = _extents(end.definition)
            own = (end.definition.result.name, *end.merged)
            return (
                source.dtype == end.result.dtype
                and source.name not in own
                and all(
                    e == constant(0) or (e.name is not None and extents[e.name] == extent)
                    for e, extent in zip(index, source.shape, strict=True)
                )
            )
        case _:
            return False


def _bias(end: _End, taken: set[str]) -> Definition:
    """The definition of the bias; its name is new, and added to `taken`."""
    extents = _extents(end.definition)
    name = fresh_name(f"{end.result.name}_bias", taken)
    taken.add(name)
    loops = tuple(Iterator(n, 0, extents[n]) for n in end.columns)
    bias = Tensor(name, tuple(i.extent for i in loops), end.result.dtype)
    return Definition(bias, Scope(loops, (), end.bias), "bias")


def _names(scope: Scope) -> tuple[str, ...]:
    return tuple(i.name for i in scope.traversal)


def _extents(definition: Definition) -> dict[str, int]:
    return {i.name: i.extent for i in definition.scope.traversal}


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
