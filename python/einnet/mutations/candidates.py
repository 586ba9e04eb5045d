"""Mutants in a compilation: candidates of the subprograms like any other, measured like any other.

Of one contraction, mutants are judged only where their estimate without corrections says that they
might be chosen, and become candidates if it still says so with them. Of several there are joint
plans: parallel contractions as one that is searched like a contraction of the model, and chains of
contractions with eOperators between that are moved alike, so that the layouts between them cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from einnet.mutations import merging_borders, splitting_carry
from einnet.mutations.generate import (
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
from einnet.program.fusion import fuse_eoperators
from einnet.program.joint import Joint, part_of, spliced, with_own_names
from einnet.program.likeness import Form, as_of, form_of, program_form, subprogram_as_of
from einnet.program.subprograms import LIBRARIES, LIMITS, Subprogram, derive, is_reshape
from einnet.program.subprograms import Candidate as Planned
from einnet.rules.rewrite import Step

OPTIONS = Options(states=48, judged=3)
"""What of the generator's options is no option of a compilation. `judged` are mutants of each
contraction, and joint plans of each kind."""

_BOXES = 16
"""Boxes that a mutant is worth correcting in."""

_CHAIN = 4
"""Contractions of a chain that are moved together, at most (PET's number of operators)."""

CHAIN_MOVES = merging_borders.RULE, splitting_carry.RULE
"""The mutations that members of a chain have alike: they change where the image's elements are."""

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
    result, mutants that are worth judging, those of one move, and by the result's name and the
    steps what they are with corrections. `refused` are forms of chains without a joint plan."""

    searched: dict[Form, Subprogram] = field(default_factory=dict[Form, Subprogram])
    promising: dict[Form, tuple[Found, ...]] = field(default_factory=dict[Form, tuple[Found, ...]])
    moved: dict[Form, Mapping[str, Found]] = field(default_factory=dict[Form, Mapping[str, Found]])
    refused: set[Program] = field(default_factory=set[Program])
    judged: dict[tuple[str, tuple[Step, ...]], Corrected | None] = field(
        default_factory=dict[tuple[str, tuple[Step, ...]], Corrected | None]
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
    """The mutant of one definition, corrected. The program that it gets into is proved as a whole,
    as every plan is."""
    key = found.originals[0].result.name, found.steps
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
    return setting.known.judged[key]


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


def chains_of(subprograms: Sequence[Subprogram], program: Program) -> tuple[tuple[str, ...], ...]:
    """Runs of contractions, each of which reads the one before through eOperators without sums; the
    longest first, of those that share members."""
    producers = {d.result.name: d for d in program.definitions}
    own = {s.name for s in subprograms}

    def before(name: str) -> str | None:
        """The only contraction that a contraction's operands come from without sums between."""
        found: set[str] = set()
        waiting = [t.name for t in producers[name].operands]
        seen: set[str] = set()
        while waiting:
            current = waiting.pop()
            if current in seen or current not in producers:
                continue
            seen.add(current)
            if current in own:
                found.add(current)
            elif not producers[current].scope.summation:
                waiting += [t.name for t in producers[current].operands]
        return found.pop() if len(found) == 1 else None

    runs: list[list[str]] = []
    for subprogram in subprograms:
        previous = before(subprogram.name)
        run = next((r for r in runs if r[-1] == previous), None)
        if run is None:
            runs.append([subprogram.name])
        else:
            run.append(subprogram.name)
    windows = [
        tuple(run[start : start + count])
        for count in range(_CHAIN, 1, -1)
        for run in runs
        for start in range(len(run) - count + 1)
    ]
    return tuple(windows)


def chain_plans(subprograms: Sequence[Subprogram], setting: Setting) -> tuple[Joint, ...]:
    """Chains of contractions with images side by side, or tiles in the batch, in all of them: what
    is laid out anew between them cancels, and the chain as a whole is estimated close to what the
    members' best candidates come to."""
    if not setting.convolutions:
        return ()
    own = {s.name: s for s in subprograms}
    plans: list[Joint] = []
    for names in chains_of(subprograms, setting.program):
        if len(plans) == setting.options.judged or any(
            name in plan.plans for plan in plans for name in names
        ):
            continue
        joint = _chain([own[n] for n in names], setting)
        plans += [] if joint is None else [joint]
    return tuple(plans)


def _moved(definition: Definition, setting: Setting) -> Mapping[str, Found]:
    """The mutants of one move that changes where the image's elements are, by that move, of the
    definition or the first one like it."""
    form = form_of(definition, setting.constants)
    found = setting.known.moved.get(form)
    if found is None:
        found = setting.known.moved[form] = dict(_of_one_move(definition, setting))
    return found


def _of_one_move(definition: Definition, setting: Setting) -> Iterator[tuple[str, Found]]:
    options = replace(setting.options, depth=1, rounds=1)
    arguments = (setting.program, setting.constants, options, setting.machine, setting.library)
    for found in explore((definition,), *arguments):
        last = found.steps[-1]
        if last.rule in CHAIN_MOVES and operators_of(found.statements):
            yield str(last), found


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
    moved = [_moved(m.definition, setting) for m in members]

    def seconds(plans: Mapping[str, Sequence[Statement]]) -> float:
        return setting.seconds(fuse_eoperators(spliced(part, plans)).statements)

    before = seconds({m.name: m.best.statements for m in members})
    limit = setting.chain_margin * before
    shared = [move for move in moved[0] if all(move in one for one in moved[1:])]
    # The widest gaps and halos leave nothing to correct between the members.
    cheapest: dict[bool, tuple[float, str]] = {}
    widest: dict[tuple[object, ...], int] = {}
    for move in shared:
        place, gap = _place(moved[0][move])
        widest[place] = max(gap, widest.get(place, 0))
    for move in shared:
        cost = seconds(
            {
                m.name: _of_member(m, one[move], one[move].statements, setting)
                for m, one in zip(members, moved, strict=True)
            }
        )
        place, gap = _place(moved[0][move])
        wide = gap == widest[place]
        cheapest[wide] = min((cost, move), cheapest.get(wide, (cost, move)))
    plans: list[Joint] = []
    for cost, move in cheapest.values():
        if cost >= limit:
            continue
        joint = _corrected(members, [one[move] for one in moved], setting, seconds)
        if joint is not None and joint.estimate < limit:
            plans.append(joint)
    if not plans:
        return None
    best = min(plans, key=lambda j: j.estimate)
    # What candidates are estimated at does not know of their neighbours.
    apart = sum(m.best.estimate for m in members)
    return replace(best, estimate=apart * best.estimate / before)


def _place(found: Found) -> tuple[tuple[object, ...], int]:
    """Where a mutant of one move moves elements, and the gap or halo that it leaves."""
    step = found.steps[-1]
    arguments = dict(step.parameters)
    gap = arguments.pop("gap", 0), arguments.pop("halo", 0)
    return (step.rule, *arguments.items()), max(g for g in gap if isinstance(g, int))


def _of_member(
    member: Subprogram, found: Found, statements: Sequence[Statement], setting: Setting
) -> tuple[Statement, ...]:
    """A mutant's statements as those of a subprogram like its own."""
    return as_of(found.originals[0], member.definition, statements, set(setting.names))


def _corrected(
    members: Sequence[Subprogram],
    found: Sequence[Found],
    setting: Setting,
    seconds: Callable[[Mapping[str, Sequence[Statement]]], float],
) -> Joint | None:
    """The mutants of a chain's members, each corrected, as a joint plan."""
    judged = [j for one in found if (j := _judged(one, setting)) is not None]
    if len(judged) < len(found):
        return None
    plans = {
        m.name: _of_member(m, j.found, j.statements, setting)
        for m, j in zip(members, judged, strict=True)
    }
    steps = tuple(s for j in judged for s in j.found.steps)
    words = "; ".join(dict.fromkeys(map(in_words, judged)))
    operators = [described(operators_of(j.found.statements)[0]) for j in judged]
    return Joint(plans, steps, " and ".join(dict.fromkeys(operators)), words, seconds(plans))
