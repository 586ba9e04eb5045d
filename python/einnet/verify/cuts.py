"""Programs as flat sums over symbols: inputs, and one symbolic tensor for each nonlinear call.

A nonlinear function is uninterpreted, so a call is an unknown tensor over the iterators that its
arguments depend on. Two calls of one function are one tensor, read through an index map, once
their arguments are proved equal everywhere under the map. An opaque operation is treated likewise,
with whole operands; and so is, where sums would have too many terms if they were multiplied out,
what a definition computes, as a call of the identity. The reference's calls are named first, then
the candidate's are found among them; one that is not found stays a symbol of its own, but for the
identity, where the sum stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import count, permutations
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from einnet.expr.functions import FUNCTIONS, Function
from einnet.expr.index import Index, constant, iterators_of, var
from einnet.expr.nodes import Iterator, Tensor
from einnet.expr.program import Definition, Opaque, Program, without_dead
from einnet.verify.cells import Integers
from einnet.verify.certificate import Segment
from einnet.verify.evaluate import Work, cost, evaluate_terms
from einnet.verify.field import Randoms, Values
from einnet.verify.flatten import (
    Element,
    FlatScope,
    FlatTerm,
    Namer,
    UndecidedError,
    anonymous,
    compose,
    flatten,
    narrow,
    simplify,
)
from einnet.verify.independent import at_one_point
from einnet.verify.maps import index_maps
from einnet.verify.memo import Memo
from einnet.verify.nonlinear import read_nonlinearly
from einnet.verify.segment import Budget, Mismatch, check, random_elements
from einnet.verify.straighten import straighten
from einnet.verify.support import support_of

Flags = NDArray[np.bool_]

_SAMPLES = 4

IDENTITY = "identity"

Cutting = Literal["nothing", "known", "all"]


def _itself(x: NDArray[Any]) -> NDArray[Any]:
    return x


MEANINGS = {**FUNCTIONS, IDENTITY: Function(IDENTITY, 1, _itself, keeps_zero=True)}
"""The functions that symbols may be calls of: those of the language, and the identity."""


@dataclass(frozen=True, eq=False)
class Symbol:
    """The tensor of all values of one call.

    `differing` are positions at which the arguments are not those of a known call that is like it;
    `symmetries` are bijections of the axes, the identity among them, that change no value.
    """

    tensor: Tensor
    function: str
    arguments: tuple[FlatScope, ...]
    differing: tuple[tuple[int, ...], ...]
    symmetries: tuple[tuple[Index, ...], ...]

    @property
    def reads(self) -> frozenset[str]:
        return frozenset[str]().union(*(a.tensors for a in self.arguments))

    @cached_property
    def form(self) -> tuple[FlatScope, ...]:
        return tuple(anonymous(a) for a in self.arguments)


@dataclass(frozen=True, eq=False)
class OpaqueSymbol:
    """The results of one opaque operation; none where it stands for an effect.

    `after` counts the effects before it, on which what it reads from memory may depend, and what it
    computes if it has an effect itself.
    """

    results: tuple[Tensor, ...]
    operands: tuple[FlatScope, ...]
    operation: str
    after: int


@dataclass(eq=False)
class Session:
    """The state of one comparison of programs: random inputs, symbols, what was proved.

    Where the arguments of a call are symmetric, it corresponds to another in several ways. With
    `symmetric` the symmetries of every call are found, and a read of its symbol is the mean of what
    it reads under each: then it does not matter which way was chosen.

    With `cutting` the reference's definitions that are read nonlinearly are symbols, and so is what
    the candidate defines where it is shown equal to one of these; if it is "all", also where it is
    not but is read nonlinearly too. A flat sum has at most `terms`.
    """

    randoms: Randoms
    budget: Budget
    inputs: frozenset[str]
    terms: int
    symmetric: bool = False
    cutting: Cutting = "nothing"
    symbols: dict[str, Symbol] = field(default_factory=dict[str, Symbol])
    opaques: list[OpaqueSymbol] = field(default_factory=list[OpaqueSymbol])
    opaque_names: set[str] = field(default_factory=set[str])
    effects: tuple[list[OpaqueSymbol], list[OpaqueSymbol]] = field(default_factory=lambda: ([], []))
    segments: list[Segment] = field(default_factory=list[Segment])
    comparisons: int = 0
    unmatched: list[str] = field(default_factory=list[str])
    unmatched_names: set[str] = field(default_factory=set[str])

    def again(
        self, *, terms: int | None = None, symmetric: bool = False, cutting: Cutting = "nothing"
    ) -> Session:
        """Another session for the same programs, which counts the comparisons of this one too."""
        return Session(
            self.randoms,
            self.budget,
            self.inputs,
            self.terms if terms is None else terms,
            symmetric,
            cutting,
            comparisons=self.comparisons,
        )

    def compare(self, name: str, reference: FlatScope, candidate: FlatScope) -> Segment | Mismatch:
        self.comparisons += 1
        return check(name, reference, candidate, self.randoms, self.budget)

    # -- programs ------------------------------------------------------------------------------

    def outputs(self, program: Program, candidate: bool) -> list[FlatScope]:
        """The flat sums of the program's outputs. The candidate comes after the reference."""
        definitions: dict[str, FlatScope] = {}
        place = "candidate" if candidate else "reference"
        cutting = self.cutting != "nothing"
        cut = read_nonlinearly(program) if cutting else frozenset[str]()
        for statement in without_dead(program).statements:
            if isinstance(statement, Definition):
                name = statement.result.name
                flat = flatten(statement.scope, definitions, self.namer(name, place), self.terms)
                if cutting and len(flat.terms) > 1 and (candidate or name in cut):
                    known_only = candidate and (self.cutting == "known" or name not in cut)
                    flat = self._cut(name, flat, place, known_only=known_only)
                definitions[name] = flat
                continue
            operands = tuple(definitions.get(t.name, whole(t)) for t in statement.operands)
            if statement.results:
                self._opaque(statement, operands, definitions, place)
            if statement.may_have_effects:
                effects = self.effects[candidate]
                effects.append(OpaqueSymbol((), operands, statement.operation, len(effects)))
        return [definitions.get(t.name, whole(t)) for t in program.outputs]

    def namer(self, where: str, place: str) -> Namer:
        """What names the calls in `where`, which is in the `place` program."""

        def call(function: str, arguments: tuple[FlatScope, ...]) -> FlatScope:
            function, arguments = _by_plainest_name(function, arguments)
            named = self._named(function, arguments, symbol_of)
            assert named is not None
            return named

        def symbol_of(function: str, own: tuple[FlatScope, ...]) -> tuple[FlatTerm, ...]:
            differing: list[tuple[int, ...]] = []
            found = self._found(function, own, differing)
            if found is not None:
                return found
            name = self._fresh(f"{place}.{function}")
            if place == "candidate":
                self._miss(
                    name,
                    frozenset[str]().union(*(a.tensors for a in own)),
                    f"no {function} of the reference was shown equal to that in {where}",
                )
            return self._new(name, function, own, differing)

        return call

    def _cut(self, where: str, flat: FlatScope, place: str, *, known_only: bool) -> FlatScope:
        """What a definition computes as a symbol, or as it is, if it has to be a known one and is
        shown equal to none."""

        def symbol_of(function: str, own: tuple[FlatScope, ...]) -> tuple[FlatTerm, ...] | None:
            reads = own[0].tensors
            alike = any(s.function == function and s.reads == reads for s in self.symbols.values())
            differing: list[tuple[int, ...]] = []
            found = self._found(function, own, differing) if alike else None
            if found is not None or known_only:
                return found
            name = self._fresh(f"{place}.{function}")
            if place == "candidate":
                self._miss(name, reads, f"{where} was shown equal to nothing of the reference")
            return self._new(name, function, own, differing)

        return self._named(IDENTITY, (flat,), symbol_of) or flat

    def _named(
        self,
        function: str,
        arguments: tuple[FlatScope, ...],
        symbol_of: Callable[[str, tuple[FlatScope, ...]], tuple[FlatTerm, ...] | None],
    ) -> FlatScope | None:
        """A call by the symbol that there is for its values where these may be other than 0, over
        the axes on which they depend; None if there is none."""
        axes, own = arguments[0].axes, _independent(arguments)
        if not MEANINGS[function].keeps_zero:
            terms = symbol_of(function, own)
            return None if terms is None else FlatScope(axes, terms)
        support = support_of(own)
        if support is None:
            return FlatScope(axes, ())
        own = support.arguments
        terms = symbol_of(function, own)
        if terms is None:
            return None
        ranges = {a.name: a.range for a in axes}
        names = (f"%{n}" for n in count())
        source = FlatScope(own[0].axes, terms)
        composed = compose(source, support.index, ranges, lambda: next(names))
        guarded = (replace(t, guards=(*t.guards, *support.guards)) for t in composed)
        simple = (simplify(t, ranges) for t in guarded)
        return FlatScope(axes, tuple(t for t in simple if t is not None))

    def _new(
        self,
        name: str,
        function: str,
        own: tuple[FlatScope, ...],
        differing: Sequence[tuple[int, ...]],
    ) -> tuple[FlatTerm, ...]:
        """A new symbol, read over the call's axes."""
        tensor = Tensor(name, own[0].extents)
        symmetries = self._symmetries(name, function, own)
        symbol = Symbol(tensor, function, own, tuple(differing), symmetries)
        self.symbols[name] = symbol
        return _read_at(symbol, tuple(var(a.name) for a in own[0].axes))

    def _miss(self, name: str, reads: frozenset[str], note: str) -> None:
        """Note a symbol of the candidate alone, unless it follows from one that it reads."""
        if not reads & self.unmatched_names and note not in self.unmatched:
            self.unmatched.append(note)
        self.unmatched_names.add(name)

    def _fresh(self, stem: str) -> str:
        """A name that no input and no other symbol has, nor begins with."""
        name = f"{stem}#{len(self.symbols) + len(self.opaques)}"
        while any(i.startswith(name) for i in self.inputs):
            name += "#"
        return name

    # -- calls ---------------------------------------------------------------------------------

    def _found(
        self,
        function: str,
        arguments: tuple[FlatScope, ...],
        differing: list[tuple[int, ...]],
    ) -> tuple[FlatTerm, ...] | None:
        """The known symbol that the call equals, read over the call's axes.

        Positions at which the arguments differ from those of known calls are added to a list.
        """
        reads = frozenset[str]().union(*(a.tensors for a in arguments))
        known = [s for s in self.symbols.values() if s.function == function]
        form = tuple(anonymous(a) for a in arguments)
        for symbol in known:
            if symbol.form == form:
                return _read_at(symbol, tuple(var(a.name) for a in arguments[0].axes))
        # Tensors that only one of the calls reads cancel out, if the calls are equal at all.
        nested = [s for s in known if s.reads <= reads or reads <= s.reads]
        for symbol in sorted(nested, key=lambda s: s.reads != reads):
            for theirs in _orders(function, symbol.arguments):
                found = self._mapped(symbol, theirs, arguments, differing)
                if found is not None:
                    return found
        return None

    def _mapped(
        self,
        symbol: Symbol,
        theirs: tuple[FlatScope, ...],
        arguments: tuple[FlatScope, ...],
        differing: list[tuple[int, ...]],
    ) -> tuple[FlatTerm, ...] | None:
        rows = self._few_positions(arguments[0].axes)
        for index in index_maps(theirs, arguments, self.budget.maps):
            # At one point already here, for the samples.
            pairs = [
                at_one_point(_moved(a, index, arguments[0].axes), b)
                for a, b in zip(theirs, arguments, strict=True)
            ]
            agreeing = self._agreeing(pairs, rows)
            if not agreeing.all():
                # Under a wrong map they would agree nowhere.
                failing = rows[~agreeing] if agreeing.any() else rows[:0]
                differing.extend(tuple(map(int, row)) for row in failing)
                continue
            try:
                proofs = [self.compare(symbol.tensor.name, a, b) for a, b in pairs]
            except UndecidedError as reason:
                self.unmatched.append(f"{symbol.tensor.name}: {reason}")
                continue
            if all(isinstance(p, Segment) for p in proofs):
                self.segments.extend(p for p in proofs if isinstance(p, Segment))
                return _read_at(symbol, index)
            differing.extend(p.position for p in proofs if isinstance(p, Mismatch))
        return None

    def _symmetries(
        self, name: str, function: str, arguments: tuple[FlatScope, ...]
    ) -> tuple[tuple[Index, ...], ...]:
        """Bijections of the axes under which the arguments are equal everywhere, by index maps
        that were tried; the identity alone unless the session is for symmetries."""
        axes = arguments[0].axes
        wide = {a.name for a in axes if a.extent > 1}
        found = [tuple(var(a.name) if a.name in wide else constant(a.lo) for a in axes)]
        rows = self._few_positions(axes)
        for order in _orders(function, arguments) if self.symmetric else ():
            for index in index_maps(order, arguments, self.budget.maps):
                if index in found or {e.name for e in index if e.terms} != wide:
                    continue
                pairs = [
                    at_one_point(_moved(a, index, axes), b)
                    for a, b in zip(order, arguments, strict=True)
                ]
                if not self._agreeing(pairs, rows).all():
                    continue
                try:
                    proofs = [self.compare(name, a, b) for a, b in pairs]
                except UndecidedError:
                    continue
                if all(isinstance(p, Segment) for p in proofs):
                    self.segments.extend(p for p in proofs if isinstance(p, Segment))
                    found.append(index)
        return tuple(found)

    def _agreeing(self, pairs: list[tuple[FlatScope, FlatScope]], rows: Integers) -> Flags:
        """At which of these positions both scopes of each pair agree, where that is affordable."""
        agreeing = np.ones(len(rows), bool)
        lookup, fields = random_elements(self.randoms), self.randoms.fields
        for reference, candidate in pairs:
            # Otherwise left to the proof, which gives the reason.
            if (cost(reference.terms) + cost(candidate.terms)) * len(rows) <= self.budget.work:
                names = [a.name for a in reference.axes]
                left, right = (
                    evaluate_terms(s.terms, names, rows, lookup, fields, Work(self.budget.work))
                    for s in (reference, candidate)
                )
                agreeing &= (left == right).all(axis=0)
        return agreeing

    def _few_positions(self, axes: tuple[Iterator, ...]) -> Integers:
        generator = np.random.default_rng(self.randoms.seed)
        if not axes:
            return np.zeros((1, 0), np.int64)
        return np.stack([generator.integers(a.lo, a.hi, _SAMPLES) for a in axes], axis=1)

    # -- opaque operations ---------------------------------------------------------------------

    def _opaque(
        self,
        statement: Opaque,
        operands: tuple[FlatScope, ...],
        definitions: dict[str, FlatScope],
        place: str,
    ) -> None:
        after = len(self.effects[place == "candidate"])
        for known in self.opaques:
            if known.after == after and self._same(known, statement, operands):
                results = known.results
                break
        else:
            name = self._fresh(f"{place}.opaque")
            results = tuple(
                Tensor(f"{name}.{n}", t.shape, t.dtype) for n, t in enumerate(statement.results)
            )
            self.opaques.append(OpaqueSymbol(results, operands, statement.operation, after))
            self.opaque_names.update(t.name for t in results)
            if place == "candidate":
                note = (
                    f"no opaque operation of the reference was shown equal to "
                    f"{statement.operation!r} that makes {statement.results[0].name}"
                )
                reads = frozenset[str]().union(*(o.tensors for o in operands))
                for result in results:
                    self._miss(result.name, reads, note)
        for own, symbol in zip(statement.results, results, strict=True):
            definitions[own.name] = whole(symbol)

    def _same(
        self, known: OpaqueSymbol, statement: Opaque, operands: tuple[FlatScope, ...]
    ) -> bool:
        kinds = [[(t.shape, t.dtype) for t in s.results] for s in (known, statement)]
        return (
            known.operation == statement.operation
            and kinds[0] == kinds[1]
            and self._same_operands(known.results[0].name, known.operands, operands)
        )

    def check_effects(self) -> None:
        """Raises UndecidedError unless both programs have the same effects in the same order."""
        ours, theirs = self.effects
        if [e.operation for e in ours] != [e.operation for e in theirs]:
            raise UndecidedError("the operations that may have effects are not the same")
        for known, other in zip(ours, theirs, strict=True):
            if not self._same_operands(known.operation, known.operands, other.operands):
                raise UndecidedError(f"{known.operation!r} was not shown to have equal operands")

    def _same_operands(
        self, name: str, known: tuple[FlatScope, ...], operands: tuple[FlatScope, ...]
    ) -> bool:
        if [o.box for o in known] != [o.box for o in operands]:
            return False
        for ours, theirs in zip(known, operands, strict=True):
            proof = self.compare(name, ours, theirs)
            if not isinstance(proof, Segment):
                return False
            self.segments.append(proof)
        return True

    # -- arbitrary functions -------------------------------------------------------------------

    def interpreted(self, scope: FlatScope, positions: Integers) -> Values:
        """The scope's values at `positions[n, axis]`, each function read as a random one, symmetric
        where it is: `[round, n]`.

        Raises UndecidedError where that takes too much work or needs an opaque result.
        """
        work = Work(self.budget.interpreted)
        randoms = self.randoms
        memo = Memo()

        def values(terms: tuple[FlatTerm, ...], names: list[str], rows: Integers) -> Values:
            return evaluate_terms(terms, names, rows, lookup, randoms.fields, work)

        def lookup(tensor: Tensor, key: Integers) -> Values:
            symbol = self.symbols.get(tensor.name)
            if tensor.name in self.opaque_names:
                raise UndecidedError("an opaque result is unknown")
            if symbol is None:
                return randoms.at(tensor.name, key)
            # Keys out of range belong to points that are not live.
            inside = np.clip(key, 0, prod(tensor.shape) - 1)
            unique, which = np.unique(inside, return_inverse=True)
            found = memo.at(tensor.name, unique, lambda keys: of_symbol(symbol, keys))
            return found[:, which.reshape(-1)].reshape((-1, *key.shape))

        def of_symbol(symbol: Symbol, keys: Integers) -> Values:
            axes = symbol.arguments[0].axes
            rows = np.empty((len(keys), len(axes)), np.int64)
            for n, axis in reversed(list(enumerate(axes))):
                rows[:, n] = keys % axis.extent + axis.lo
                keys = keys // axis.extent
            names = [a.name for a in axes]
            arguments = [values(a.terms, names, rows) for a in symbol.arguments]
            if symbol.function == IDENTITY:
                return arguments[0]
            function = MEANINGS[symbol.function]
            if function.commutative:
                arguments = list(np.sort(np.stack(arguments), axis=0))
            found = randoms.of_values(symbol.function, arguments)
            if symbol.function == "maximum":
                relu = randoms.of_values("relu", arguments[1:])
                found = np.where(arguments[0] == 0, relu, found)
            if function.keeps_zero:
                found = np.where(np.any(arguments, axis=0), found, np.uint64(0))
            return found

        return values(scope.terms, [a.name for a in scope.axes], positions)

    def depends_on_functions(self, scope: FlatScope) -> bool:
        return any(n in self.symbols or n in self.opaque_names for n in scope.tensors)


def whole(tensor: Tensor) -> FlatScope:
    """The leaf tensor itself."""
    axes = tuple(Iterator(f"d{n}", 0, extent) for n, extent in enumerate(tensor.shape))
    return FlatScope(axes, (_element(tensor, tuple(var(a.name) for a in axes)),))


def _element(tensor: Tensor, index: tuple[Index, ...]) -> FlatTerm:
    return FlatTerm(Fraction(1), (), (Element(tensor, index),))


def _independent(arguments: tuple[FlatScope, ...]) -> tuple[FlatScope, ...]:
    """The arguments without the axes that straight sums do not depend on."""
    ranges = {a.name: a.range for a in arguments[0].axes}
    bodies = [tuple(straighten(t, ranges) for t in a.terms) for a in arguments]
    used = frozenset[str]().union(
        *(iterators_of(i) for body in bodies for t in body for i in t.indices)
    )
    axes = tuple(a for a in arguments[0].axes if a.name in used)
    return tuple(FlatScope(axes, body) for body in bodies)


def _orders(function: str, arguments: tuple[FlatScope, ...]) -> Iterable[tuple[FlatScope, ...]]:
    """The arguments in every order that gives the same value."""
    return permutations(arguments) if MEANINGS[function].commutative else (arguments,)


def _read_at(symbol: Symbol, index: tuple[Index, ...]) -> tuple[FlatTerm, ...]:
    """The symbol's element at an index inside its axes' ranges: the mean over its symmetries."""
    axes = symbol.arguments[0].axes
    values = {a.name: e for a, e in zip(axes, index, strict=True)}
    share = Fraction(1, len(symbol.symmetries))
    terms: list[FlatTerm] = []
    for symmetry in symbol.symmetries:
        places = [e if e.name is None else values[e.name] for e in symmetry]
        moved = tuple(e - a.lo for e, a in zip(places, axes, strict=True))
        terms.append(replace(_element(symbol.tensor, moved), coefficient=share))
    return tuple(terms)


def _by_plainest_name(
    function: str, arguments: tuple[FlatScope, ...]
) -> tuple[str, tuple[FlatScope, ...]]:
    """`maximum(a, 0)` as `relu(a)`: a program may have the zero as a tensor, and another not."""
    if function != "maximum" or all(a.terms for a in arguments):
        return function, arguments
    rest = tuple(a for a in arguments if a.terms)
    return "relu", rest or arguments[:1]


def _moved(scope: FlatScope, index: tuple[Index, ...], axes: tuple[Iterator, ...]) -> FlatScope:
    """The scope at the index, over other axes."""
    ranges = {a.name: a.range for a in axes}
    names = (f"%{n}" for n in count())
    terms = compose(scope, index, ranges, lambda: next(names))
    simple = (simplify(t, ranges) for t in terms)
    return narrow(FlatScope(axes, tuple(t for t in simple if t is not None)))
