"""The mutation generator: mutants by the number of moves, each once, and what they come to.

Every round starts from the best mutants so far and makes up to `depth` moves; of each level the
cheapest of every kind, the set of its moves, are kept. (PET, OSDI 2021, algorithms 1 and 2; there
the depth counts operators of a program that is built up, here moves on one that stays whole.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations, islice

from einnet.corrections.boxes import covered
from einnet.corrections.recompute import (
    CORRECTION,
    Failing,
    Library,
    chosen_boxes,
    correct,
    failing,
    program_of,
)
from einnet.corrections.sharing import shared
from einnet.expr.index import FloorDiv, Var
from einnet.expr.nodes import Scope
from einnet.expr.program import Definition, Program, Statement, names_of
from einnet.mutations import parallel
from einnet.mutations.moves import apply, moves
from einnet.mutations.mutant import Mutant, reindexed, unmutated
from einnet.mutations.parallel import Together
from einnet.mutations.plan import as_library, batched, fused, plan, plan_of, seconds_of
from einnet.operators.cost import CPU, Machine
from einnet.rules.rewrite import NotApplicable, Step
from einnet.rules.variable_substitution import split
from einnet.verify.equivalence import Undecided
from einnet.verify.plan import VerifiedProgram, verify_plan
from einnet.verify.regions import Box

JUDGED = 3
"""Mutants that are verified and corrected where one is chosen, in a compilation as in a pass."""


@dataclass(frozen=True)
class Options:
    """How far the generator goes; the defaults of depth and rounds are the paper's.

    `depth`: moves of one round; `rounds`: how often the best become starts; `beam`: mutants of each
    kind kept at each level; `operators`: definitions made one at most; `tiles`: into how many parts
    a dimension is cut, and images stand side by side; `subsets`: sets of definitions tried;
    `states`: mutants of one start at most; `judged`: mutants that are verified and corrected, the
    cheapest of each form first.
    """

    depth: int = 4
    rounds: int = 4
    beam: int = 2
    operators: int = 4
    tiles: tuple[int, ...] = (2, 4)
    subsets: int = 64
    states: int = 500
    judged: int = 16


@dataclass(frozen=True)
class Found:
    """A mutant of some definitions as a plan: `number` mutants were seen before it and with it.

    `mutant` is the one operator it has, `together` what was made one before that, if anything;
    `estimate` is without what a correction costs.
    """

    originals: tuple[Definition, ...]
    together: Together | None
    mutant: Mutant
    steps: tuple[Step, ...]
    statements: tuple[Statement, ...]
    estimate: float
    number: int


@dataclass(frozen=True)
class Corrected:
    """A mutant with its corrections, which nothing has proved yet.

    `statements` define the originals' results; `failing` says where the mutant alone was not shown
    equal, `share` how much of the results that is, `boxes` what is computed again; `shared` says
    that the mutant's own operator does that. Estimates are in seconds; `sharing` is the estimate
    if it does, where it can.
    """

    found: Found
    statements: tuple[Statement, ...]
    failing: Failing
    share: float
    boxes: Mapping[str, tuple[Box, ...]]
    shared: bool
    sharing: float | None
    estimate: float
    original: float


@dataclass(frozen=True)
class Candidate(Corrected):
    """A mutant with its corrections, proved equal to the originals."""

    verified: VerifiedProgram


def mutants(
    definitions: Sequence[Definition],
    program: Program,
    constants: frozenset[str],
    options: Options = Options(),
    machine: Machine = CPU,
) -> tuple[Candidate, ...]:
    """Corrected mutants of the definitions, alone and in sets, by estimated time with corrections.

    `constants` are the names of the tensors that depend on weights alone. A mutant of which all
    would be computed again is dropped, and one that cannot be decided.
    """
    found = explore(definitions, program, constants, options, machine)
    return _judged(found, program, constants, options, machine)


def cheapest(
    found: Sequence[Found],
    program: Program,
    constants: frozenset[str],
    options: Options = Options(),
    machine: Machine = CPU,
) -> Candidate:
    """Of the mutants that are judged, the one that takes least time with its corrections.

    Raises NotApplicable if there is none.
    """
    candidates = _judged(found, program, constants, options, machine)
    if not candidates:
        raise NotApplicable(none_right(len(found), options))
    return candidates[0]


def none_right(count: int, options: Options) -> str:
    """The reason why none of so many mutants is taken."""
    return (
        f"of {count} mutants the {min(count, options.judged)} most promising are wrong everywhere,"
        " or cannot be decided"
    )


def _judged(
    found: Iterable[Found],
    program: Program,
    constants: frozenset[str],
    options: Options,
    machine: Machine,
) -> tuple[Candidate, ...]:
    """The most promising mutants with corrections, by estimated time."""
    chosen = of_each_form(found)[: options.judged]
    candidates = (judge(f, program, constants, machine) for f in chosen)
    return tuple(sorted((c for c in candidates if c is not None), key=lambda c: c.estimate))


def of_each_form(found: Iterable[Found]) -> list[Found]:
    """The cheapest of each form first, of few moves before many, then the second of each: what a
    correction costs is not known yet, and forms that need none are seldom the cheapest without."""
    ranked: list[tuple[int, int, float, Found]] = []
    seen: dict[str, int] = {}
    for one in sorted(found, key=_estimate):
        form = form_of(one.steps)
        ranked.append((seen.setdefault(form, 0), len(one.steps), one.estimate, one))
        seen[form] += 1
    return [one for *_, one in sorted(ranked, key=lambda r: r[:3])]


def form_of(steps: Iterable[Step]) -> str:
    """What mutants that do the same at different places have in common."""
    return "; ".join(sorted(f"{_kind(s)} {bool(s.arguments.get('gap'))}" for s in steps))


def _estimate(found: Found) -> float:
    return found.estimate


def explore(
    definitions: Sequence[Definition],
    program: Program,
    constants: frozenset[str],
    options: Options = Options(),
    machine: Machine = CPU,
    library: Library = as_library,
) -> Iterator[Found]:
    """Mutants in the order in which they are found, sets of definitions first. `library` says what
    is an operator of the machine's libraries. A definition that is no product of reads has none."""
    number = 0
    products = [d for d in definitions if _is_product(d.scope)]
    for originals, together, steps in _starts(products, program, options):
        explorer = _Explorer(
            program, originals, together, steps, constants, options, machine, library
        )
        for found in explorer.run():
            number += 1
            yield replace(found, number=number)


def statements_of(
    originals: tuple[Definition, ...],
    together: Together | None,
    mutant: Mutant,
    taken: set[str],
    library: Library = as_library,
) -> tuple[Statement, ...]:
    """The plan that a mutant of one definition is, or of what several became.

    New names are not in `taken`, and are added to it.
    """
    if len(mutant.core.term.reads) < 2:
        return originals
    if together is None:
        (original,) = originals
        return plan(mutant, original.result, taken, original.label, library)
    before, whole, after = together.before, together.definition, together.after
    taken |= {d.result.name for d in (*before, whole, *after)}
    middle = plan(mutant, whole.result, taken, whole.label, library)
    return fused((*before, *middle, *after), *(d.result for d in originals))


def judge(
    found: Found,
    program: Program,
    constants: frozenset[str],
    machine: Machine = CPU,
    library: Library = as_library,
    *,
    seed: int = 0,
) -> Candidate | None:
    """The mutant verified and corrected; None if that is undecided, or nothing of it is right.

    Raises AssertionError for a corrected plan that is not equal, which is our bug.
    """
    done = corrected(found, program, constants, machine, library, seed=seed)
    if done is None:
        return None
    reference = program_of(found.originals, *(d.result for d in found.originals))
    verdict = verify_plan(reference, replace(reference, statements=done.statements), seed=seed)
    if isinstance(verdict, Undecided):
        return None
    assert isinstance(verdict, VerifiedProgram), f"a corrected mutant is wrong: {verdict}"
    return Candidate(**{f.name: getattr(done, f.name) for f in fields(done)}, verified=verdict)


def corrected(
    found: Found,
    program: Program,
    constants: frozenset[str],
    machine: Machine = CPU,
    library: Library = as_library,
    *,
    seed: int = 0,
    most: int | None = None,
) -> Corrected | None:
    """The mutant with corrections where it is not equal; None if that is undecided, if nothing of
    it is right, or if it is wrong in more than `most` boxes."""
    where = failing(found.originals, found.statements, seed=seed)
    if isinstance(where, Undecided):
        return None
    if most is not None and sum(map(len, where.boxes.values())) > most:
        return None
    results = [d.result for d in found.originals]
    total = sum(_size(t.shape) for t in results)
    share = sum(covered(boxes) for boxes in where.boxes.values()) / total

    def seconds(statements: Sequence[Statement]) -> float:
        return seconds_of(statements, machine, constants)

    taken = names_of(program) | names_of(program_of(found.statements))
    statements = found.statements
    boxes: dict[str, tuple[Box, ...]] = {}
    own = None
    if where.boxes:
        boxes = chosen_boxes(found.originals, where, library, seconds, taken)
        apart = correct(found.originals, statements, boxes, library, set(taken))
        statements = fused(apart, *results)
        if not _uses_operator(found, statements):
            return None
        own = _sharing(found, boxes, taken, library)
        if own is not None and seconds(own) < seconds(statements):
            statements = own
    original = sum(seconds(library(d, taken | {d.result.name})) for d in found.originals)
    return Corrected(
        found,
        statements,
        where,
        share,
        boxes,
        own is not None and statements == own,
        None if own is None else seconds(own),
        seconds(statements),
        original,
    )


def _sharing(
    found: Found, boxes: Mapping[str, tuple[Box, ...]], taken: set[str], library: Library
) -> tuple[Statement, ...] | None:
    """The mutant with its corrections computed by its own operator; None where that cannot be."""
    if found.together is not None:
        return None
    (original,) = found.originals
    scope = shared(original.scope, batched(found.mutant).scope, boxes[original.result.name])
    if scope is None:
        return None
    label = f"{original.label}+{CORRECTION}{original.label}"
    return plan_of(scope, original.result, set(taken), label, library)


def _uses_operator(found: Found, statements: Sequence[Statement]) -> bool:
    """Whether the corrected plan still needs an operator of the mutant's."""
    operators = {s.result.name for s in found.statements if isinstance(s, Definition) and s.library}
    needed = {t.name for s in statements for t in s.operands} | {
        d.result.name for d in found.originals
    }
    return bool(operators & needed)


def _size(shape: Sequence[int]) -> int:
    total = 1
    for extent in shape:
        total *= extent
    return total


def _is_product(scope: Scope) -> bool:
    """Whether the body is one term of reads alone."""
    return len(scope.body) == 1 and len(scope.term.factors) == len(scope.term.reads) > 0


_Start = tuple[tuple[Definition, ...], Together | None, tuple[Step, ...]]


def _starts(
    definitions: Sequence[Definition], program: Program, options: Options
) -> Iterator[_Start]:
    """Sets of definitions that become one, largest first, and each alone."""
    independent = _independence(program)
    for count in range(min(options.operators, len(definitions)), 1, -1):
        sets = (
            chosen
            for chosen in combinations(definitions, count)
            if all(independent(a, b) for a, b in combinations(chosen, 2))
        )
        for chosen in islice(sets, options.subsets):
            for rule, make in TOGETHER.items():
                try:
                    together = make(chosen, names_of(program))
                except NotApplicable:
                    continue
                names = tuple(d.result.name for d in chosen)
                yield chosen, together, (Step(rule, (("definitions", names),)),)
    for definition in definitions:
        yield (definition,), None, ()


TOGETHER = {parallel.MERGE: parallel.merge_padded, parallel.BATCH: parallel.batch_padded}
"""What makes several definitions one, by the name of the step."""


def _independence(program: Program) -> Callable[[Definition, Definition], bool]:
    """Whether neither of two definitions depends on the other one's result."""
    above: dict[str, frozenset[str]] = {}
    for definition in program.definitions:
        names = frozenset(t.name for t in definition.operands)
        above[definition.result.name] = names.union(*(above.get(n, frozenset()) for n in names))

    def independent(a: Definition, b: Definition) -> bool:
        first, second = a.result.name, b.result.name
        return first not in above.get(second, ()) and second not in above.get(first, ())

    return independent


@dataclass(frozen=True)
class _Explorer:
    """The search from one start."""

    program: Program
    originals: tuple[Definition, ...]
    together: Together | None
    steps: tuple[Step, ...]
    constants: frozenset[str]
    options: Options
    machine: Machine
    library: Library

    def run(self) -> Iterator[Found]:
        """Every mutant once."""
        target = self.originals[0] if self.together is None else self.together.definition
        first = named_digits(unmutated(target.scope))
        seen = {first.key}
        frontier = [self.found(first)]
        if self.together is not None:
            yield frontier[0]
        known = list(frontier)
        for _ in range(self.options.rounds):
            fresh: list[Found] = []
            for _ in range(self.options.depth):
                level: list[Found] = []
                for state in frontier:
                    for step in moves(state.mutant.core, self.options.tiles):
                        try:
                            mutant = apply(state.mutant, step)
                        except NotApplicable:
                            continue
                        if mutant.key in seen:
                            continue
                        seen.add(mutant.key)
                        level.append(self.found(mutant))
                        yield level[-1]
                        if len(seen) > self.options.states:
                            return
                frontier = self.kept(level)
                fresh += level
            if not fresh:
                return
            known += fresh
            frontier = self.kept(known)

    def kept(self, level: Sequence[Found]) -> list[Found]:
        """The cheapest of each kind."""
        kinds: dict[tuple[str, ...], list[Found]] = {}
        for state in sorted(level, key=_estimate):
            kind = tuple(sorted(map(_kind, state.mutant.steps)))
            kinds.setdefault(kind, []).append(state)
        return [s for kind in kinds.values() for s in kind[: self.options.beam]]

    def found(self, mutant: Mutant) -> Found:
        taken = names_of(self.program)
        statements = statements_of(self.originals, self.together, mutant, taken, self.library)
        cost = seconds_of(statements, self.machine, self.constants)
        steps = (*self.steps, *mutant.steps)
        return Found(self.originals, self.together, mutant, steps, statements, cost, 0)


def _kind(step: Step) -> str:
    """The mutation with how far it goes, not where."""
    arguments = step.arguments
    return f"{step.rule} {arguments.get('tile', '')} {arguments.get('halo', '')}"


def named_digits(mutant: Mutant) -> Mutant:
    """The mutant with each quotient of a traversal iterator that its operands are read at as an
    iterator: importers write the groups of a convolution so."""
    while True:
        found = next(_quotients(mutant.core), None)
        if found is None:
            return mutant
        name, divisor = found
        try:
            divided = split(mutant.core, name, divisor)
        except NotApplicable:
            return mutant
        step = Step("split", (("iterator", name), ("factor", divisor)))
        mutant = mutant.then(reindexed(divided), step)


def _quotients(core: Scope) -> Iterator[tuple[str, int]]:
    names: Mapping[str, object] = {i.name: i for i in core.traversal}
    for term in core.body:
        for read in term.reads:
            for index in read.index:
                for atom, _ in index.terms:
                    if isinstance(atom, FloorDiv) and len(atom.operand.terms) == 1:
                        ((inner, coefficient),) = atom.operand.terms
                        plain = coefficient == 1 and not atom.operand.const
                        if isinstance(inner, Var) and inner.name in names and plain:
                            yield inner.name, atom.divisor
