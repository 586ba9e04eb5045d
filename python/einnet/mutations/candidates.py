"""Mutants in a compilation: candidates of the subprograms like any other, measured like any other.

Of one contraction, mutants are judged only where their estimate without corrections says that they
might be chosen, and become candidates if it still says so with them. Of several there are joint
plans: parallel contractions as one that is searched like a contraction of the model, and chains of
contractions with eOperators between that are moved alike, so that the layouts between them cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

from einnet import options as compilation
from einnet.expr.program import (
    Definition,
    Product,
    Program,
    Statement,
    names_of,
)
from einnet.expr.transform import is_movement
from einnet.mutations.chains import (
    Chain,
    Moves,
    chains_of,
    moved_alike,
    moves_of,
    shared_moves,
    with_shared_windows,
)
from einnet.mutations.generate import (
    JUDGED,
    Corrected,
    Found,
    Options,
    corrected,
    explore,
    of_each_form,
)
from einnet.mutations.plan import as_library, as_product, fused, seconds_of
from einnet.operators.cost import Machine, definition_seconds
from einnet.program.convolutions import channels_last
from einnet.program.joint import Joint, part_of, with_own_names
from einnet.program.likeness import Form, as_of, form_of, program_form, subprogram_as_of
from einnet.program.subprograms import LIBRARIES, LIMITS, Subprogram, derive, is_reshape
from einnet.program.subprograms import Candidate as Planned
from einnet.rules.rewrite import Step
from einnet.verify.regions import Box

OPTIONS = Options(states=48, judged=JUDGED)
"""What of the generator's options is no option of a compilation. `judged` are mutants of each
contraction and of each chain, and joint plans of each kind."""

_BOXES = 16
"""Boxes that a mutant is worth correcting in."""

_CLOSE = 1.15
"""A mutant may be estimated at this many times the cheapest candidate where a library has several
algorithms: the estimate does not know which is faster in which form, and layouts that it counts may
join neighbours."""

_CHAIN_CLOSE = 1.1
"""The same for a chain, whose layouts are counted with those of its members joined."""

_CLEAR = 0.95
"""Where a library has one algorithm the estimate has to be lower, and clearly."""


@dataclass(frozen=True)
class Known:
    """What was found in a compilation so far, for the first definition of each form: the search's
    result, mutants that are worth judging, those of one move, and by their steps what they are with
    corrections. `refused` are forms of chains without a joint plan."""

    searched: dict[Form, Subprogram] = field(default_factory=dict[Form, Subprogram])
    promising: dict[Form, tuple[Found, ...]] = field(default_factory=dict[Form, tuple[Found, ...]])
    moved: dict[Form, Mapping[Moves, Found]] = field(
        default_factory=dict[Form, Mapping[Moves, Found]]
    )
    refused: set[Program] = field(default_factory=set[Program])
    judged: dict[tuple[Form, tuple[Step, ...]], Corrected | None] = field(
        default_factory=dict[tuple[Form, tuple[Step, ...]], Corrected | None]
    )


@dataclass(frozen=True)
class Setting:
    """What mutants of a program are made with and judged by.

    `convolutions` says whether libraries have them besides products; `search` searches one more
    contraction, with the names of constants that it may read, as the program's own are searched.
    A mutant's estimate is below `margin` times what it takes the place of, a chain's below
    `chain_margin` times.
    """

    program: Program
    constants: frozenset[str]
    machine: Machine
    convolutions: bool
    search: Callable[[Definition, frozenset[str]], Subprogram]
    options: Options = OPTIONS
    seed: int = 0
    margin: float = _CLOSE
    chain_margin: float = _CHAIN_CLOSE
    known: Known = field(default_factory=Known, compare=False)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the program's tensors."""
        return frozenset(names_of(self.program))

    def derive(self, definition: Definition, constants: frozenset[str]) -> Subprogram:
        """The search's result for a contraction: of those of one form, the first is searched."""
        form = form_of(definition, constants)
        found = self.known.searched.get(form)
        if found is None:
            found = self.known.searched[form] = self.search(definition, constants)
        elif found.definition != definition:
            found = subprogram_as_of(found, definition, self.names)
        return found

    def library(self, definition: Definition, taken: set[str]) -> tuple[Statement, ...]:
        """The definition as the machine's libraries compute it, with channels last."""
        if not self.convolutions:
            return as_product(definition, taken)
        return channels_last(as_library(definition, taken), taken)

    def seconds(self, statements: Sequence[Statement]) -> float:
        return seconds_of(statements, self.machine, self.constants)


def setting_of(
    program: Program,
    constants: frozenset[str],
    machine: Machine,
    options: compilation.Options,
) -> Setting:
    """The setting of a compilation with these options."""
    libraries = LIBRARIES[options.target]

    def derived(definition: Definition, known: frozenset[str]) -> Subprogram:
        return derive(
            definition, program, known, machine, LIMITS, options.candidates, options.strategy,
            libraries,
        )  # fmt: skip

    generated = replace(
        OPTIONS,
        depth=options.mutation_depth,
        rounds=options.mutation_rounds,
        beam=options.mutation_beam,
    )
    windows = libraries.convolutions is not None
    margin = _CLOSE if windows else _CLEAR
    return Setting(program, constants, machine, windows, derived, generated, options.seed, margin)


def promising(subprogram: Subprogram, setting: Setting) -> tuple[Found, ...]:
    """The mutants of a subprogram that are worth judging, or of the first one like it: estimated
    close to its best candidate, which takes more than what any operator would."""
    form = form_of(subprogram.definition, setting.constants)
    found = setting.known.promising.get(form)
    if found is None:
        found = setting.known.promising[form] = _promising(subprogram, setting)
    return found


def _promising(subprogram: Subprogram, setting: Setting) -> tuple[Found, ...]:
    definition = subprogram.definition
    limit = setting.margin * subprogram.best.estimate
    if limit <= _floor(definition, setting) * _CLOSE:
        return ()
    found = explore(
        (definition,),
        setting.program,
        setting.constants,
        setting.options,
        setting.machine,
        setting.library,
    )
    close = [f for f in found if f.estimate < limit and operators_of(f.statements)]
    return tuple(of_each_form(close)[: setting.options.judged])


def _floor(definition: Definition, setting: Setting) -> float:
    """What one operator takes at least: a launch, and what it reads and writes."""
    elements = prod(definition.result.shape) + sum(prod(t.shape) for t in definition.operands)
    machine = setting.machine
    return machine.launch + elements * machine.element / machine.bandwidth


def with_mutants(subprogram: Subprogram, found: Iterable[Found], setting: Setting) -> Subprogram:
    """The subprogram with those mutants, of it or one like it, as candidates that are still close
    with corrections."""
    limit = setting.margin * subprogram.best.estimate
    known = {c.operator for c in subprogram.candidates}
    candidates: dict[str, Planned] = {}
    for one in found:
        judged = _judged(one, setting)
        if judged is None or judged.estimate >= limit:
            continue
        planned = _planned(judged, subprogram.definition, setting)
        # Without a correction it is what the search has found.
        if judged.boxes or planned.operator not in known:
            candidates.setdefault(f"{planned.operator} {planned.mutant}", planned)
    return subprogram.with_candidates(candidates.values())


def _judged(found: Found, setting: Setting) -> Corrected | None:
    """The mutant of one definition, or of one like it, corrected. The program that it gets into is
    proved as a whole, as every plan is."""
    (original,) = found.originals
    key = form_of(original, setting.constants), found.steps
    if key not in setting.known.judged:
        setting.known.judged[key] = corrected(
            found,
            setting.program,
            setting.constants,
            setting.machine,
            setting.library,
            seed=setting.seed,
            most=_BOXES,
        )
    done = setting.known.judged[key]
    return None if done is None else _corrected_as(done, original, setting)


def _planned(candidate: Corrected, definition: Definition, setting: Setting) -> Planned:
    """The mutant as a candidate of a definition like its own."""
    operators = operators_of(candidate.found.statements)
    (original,) = candidate.found.originals
    return Planned(
        as_of(original, definition, candidate.statements, set(setting.names)),
        candidate.found.steps,
        described(operators[0]),
        candidate.estimate,
        mutant=in_words(candidate),
    )


def in_words(candidate: Corrected) -> str:
    """The mutations and the corrections: `merge-borders + 2 corrections`."""
    rules = _rules(candidate.found.steps)
    count = sum(map(len, candidate.boxes.values()))
    if not count:
        return rules
    inside = " inside" if candidate.shared else ""
    return f"{rules} + {count} correction{'s' if count > 1 else ''}{inside}"


def _rules(steps: Iterable[Step]) -> str:
    return ", ".join(dict.fromkeys(step.rule for step in steps))


def operators_of(statements: Iterable[Statement]) -> list[Definition]:
    return [s for s in statements if isinstance(s, Definition) and s.library is not None]


def described(definition: Definition) -> str:
    """A library operator and its sizes, as `operators.contraction.describe` has them."""
    library, scope = definition.library, definition.scope
    assert library is not None
    extents = {i.name: i.extent for i in scope.traversal + scope.summation}
    batch, *sizes = (
        prod(extents[name] for name in row)
        for row in (library.batch, library.m, library.n, library.k)
    )
    text = "x".join(map(str, (*([batch] if library.batch else []), *sizes)))
    if isinstance(library, Product):
        return f"matmul {text}"
    places, taps = (
        "x".join(str(extents[name]) for name in names)
        for names in zip(*((w.x, w.y) for w in library.windows), strict=True)
    )
    return f"{library.operator} {text} over {places}, window {taps}"


def parallel_plans(subprograms: Sequence[Subprogram], setting: Setting) -> tuple[Joint, ...]:
    """Parallel contractions as one, where that is estimated to take less than their candidates.

    The one is searched as a contraction of its own. Slices of its result are taken to join their
    readers.
    """
    own = {s.name: s for s in subprograms}
    outputs = {t.name for t in setting.program.outputs}
    ranked: list[tuple[float, Found]] = []
    options = replace(setting.options, rounds=0)
    definitions = [s.definition for s in subprograms]
    for found in explore(
        definitions, setting.program, setting.constants, options, setting.machine, as_library
    ):
        names = [d.result.name for d in found.originals]
        before = sum(own[name].best.estimate for name in names)
        # A lower bound: an operator with windows counts as if a library had it.
        seconds = _joined_seconds(found.statements, frozenset(names) - outputs, setting)
        if found.together is not None and seconds < setting.margin * before:
            ranked.append((before - seconds, found))
    ranked.sort(key=lambda r: -r[0])
    plans: dict[tuple[str, ...], Joint] = {}
    taken = names_of(setting.program)
    for _, found in ranked[: setting.options.judged]:
        joint = _searched(found, outputs, taken, setting)
        before = sum(own[d.result.name].best.estimate for d in found.originals)
        if joint is None or joint.estimate >= setting.margin * before:
            continue
        known = plans.get(joint.names)
        if known is None or joint.estimate < known.estimate:
            plans[joint.names] = joint
    return tuple(plans.values())


def _searched(found: Found, outputs: set[str], taken: set[str], setting: Setting) -> Joint | None:
    """The parallel contractions with the best that the search finds for the one they became.

    New names are not in `taken`, and are added to it.
    """
    together = found.together
    assert together is not None
    constants = set(setting.constants)
    for definition in together.before:
        if all(t.name in constants for t in definition.operands):
            constants.add(definition.result.name)
    best = setting.derive(together.definition, frozenset(constants)).best
    if best.is_original:
        return None
    results = [d.result for d in found.originals]
    statements = fused((*together.before, *best.statements, *together.after), *results)
    statements = with_own_names(statements, results, taken)
    names = [t.name for t in results]
    seconds = _joined_seconds(statements, frozenset(names) - outputs, setting)
    first, *others = names
    plans: dict[str, tuple[Statement, ...]] = {first: statements, **dict.fromkeys(others, ())}
    rules = _rules(found.steps)
    return Joint(plans, (*found.steps, *best.steps), best.operator, rules, seconds)


def _joined_seconds(
    statements: Sequence[Statement], results: frozenset[str], setting: Setting
) -> float:
    """The estimated time without that of results that are parts of another tensor."""
    known = set(setting.constants)
    total = 0.0
    for statement in statements:
        assert isinstance(statement, Definition)
        name = statement.result.name
        if all(t.name in known for t in statement.operands):
            known.add(name)
        elif not (is_reshape(statement) or (name in results and is_movement(statement.scope))):
            total += definition_seconds(statement, setting.machine)
    return total


def chain_plans(subprograms: Sequence[Subprogram], setting: Setting) -> tuple[Joint, ...]:
    """Chains of contractions with images side by side, or tiles in the batch, in all of them: what
    is laid out anew between them cancels, and the chain as a whole is estimated close to what the
    members' best candidates come to."""
    if not setting.convolutions:
        return ()
    own = {s.name: s for s in subprograms}
    plans: list[Joint] = []
    for names in chains_of(tuple(own), setting.program):
        if len(plans) == setting.options.judged or any(
            name in plan.plans for plan in plans for name in names
        ):
            continue
        joint = _chain([own[n] for n in names], setting)
        plans += [] if joint is None else [joint]
    return tuple(plans)


def _chain(members: Sequence[Subprogram], setting: Setting) -> Joint | None:
    """The joint plan of a chain; None if a chain like it has none."""
    part = part_of(setting.program, [m.name for m in members])
    form = program_form(part)
    if form in setting.known.refused:
        return None
    found = _moved_alike(members, part, setting)
    if found is None:
        setting.known.refused.add(form)
    return found


def _moved_alike(members: Sequence[Subprogram], part: Program, setting: Setting) -> Joint | None:
    """The chain with the move that all members have and that is cheapest with corrections; None if
    it is not estimated close to what they come to without it."""
    definitions = with_shared_windows([m.definition for m in members])
    chain = Chain(definitions, lambda _: part, setting.constants, setting.machine)
    shared = shared_moves([_moved(d, setting) for d in definitions])
    before = chain.seconds([m.best.statements for m in members])
    moved = moved_alike(
        chain,
        shared,
        lambda found: _judged(found, setting),
        setting.options.judged,
        setting.chain_margin * before,
    )
    if not moved:
        return None
    best = moved[0]
    steps = tuple(s for one in best.members for s in one.found.steps)
    words = "; ".join(dict.fromkeys(map(in_words, best.members)))
    operators = [described(operators_of(one.found.statements)[0]) for one in best.members]
    # What candidates are estimated at does not know of their neighbours.
    apart = sum(m.best.estimate for m in members)
    return Joint(
        {m.name: one.statements for m, one in zip(members, best.members, strict=True)},
        steps,
        " and ".join(dict.fromkeys(operators)),
        words,
        apart * best.estimate / before,
    )


def _moved(definition: Definition, setting: Setting) -> Mapping[Moves, Found]:
    """The mutants of one move that changes where the image's elements are, by that move."""
    form = form_of(definition, setting.constants)
    found = setting.known.moved.get(form)
    if found is None:
        own = moves_of(
            definition,
            setting.constants,
            setting.machine,
            library=setting.library,
            taken=setting.names,
        )
        found = {key: one for key, one in own.items() if operators_of(one.statements)}
        setting.known.moved[form] = found
    return {key: _found_as(one, definition, setting) for key, one in found.items()}


def _found_as(found: Found, definition: Definition, setting: Setting) -> Found:
    """A mutant as that of a definition like its own."""
    (original,) = found.originals
    statements = as_of(original, definition, found.statements, set(setting.names))
    return replace(found, originals=(definition,), statements=statements)


def _corrected_as(done: Corrected, definition: Definition, setting: Setting) -> Corrected:
    """A mutant with its corrections as that of a definition like its own."""
    (original,) = done.found.originals
    if original == definition:
        return done
    old, new = original.result.name, definition.result.name

    def renamed(boxes: Mapping[str, tuple[Box, ...]]) -> Mapping[str, tuple[Box, ...]]:
        return {new if name == old else name: own for name, own in boxes.items()}

    return replace(
        done,
        found=_found_as(done.found, definition, setting),
        statements=as_of(original, definition, done.statements, set(setting.names)),
        failing=replace(done.failing, boxes=renamed(done.failing.boxes)),
        boxes=renamed(done.boxes),
    )
