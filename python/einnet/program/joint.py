"""Plans of several subprograms that are chosen together or not at all.

Either one library operator computes the results of all, or each has its own and they agree on a
layout, so that nothing is laid out anew between them. A joint plan enters the subprograms as one
candidate of each, tied by the names of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from einnet.expr.nodes import Tensor, fresh_name
from einnet.expr.program import (
    Definition,
    Opaque,
    Program,
    Statement,
    constants_of,
    results_of,
    splice,
    uses_of,
)
from einnet.expr.transform import with_tensors
from einnet.program.subprograms import Candidate, Subprogram
from einnet.rules.rewrite import Step


@dataclass(frozen=True)
class Joint:
    """Statements for each of several subprograms by name: those of one may define the results of
    all, and the others have none. The rest as in `Candidate`; `estimate` is that of all."""

    plans: Mapping[str, tuple[Statement, ...]]
    steps: tuple[Step, ...]
    operator: str
    mutant: str
    estimate: float

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.plans)

    def part(self, name: str, share: float) -> Candidate:
        """The candidate of one subprogram, with its share of the estimate."""
        return Candidate(
            self.plans[name],
            self.steps,
            self.operator,
            share * self.estimate,
            mutant=self.mutant,
            joint=self.names,
        )


def entered(subprograms: Sequence[Subprogram], joint: Joint) -> tuple[Subprogram, ...]:
    """The subprograms, those of the joint plan with their part of it as one more candidate."""
    whole = sum(s.best.estimate for s in subprograms if s.name in joint.plans)
    return tuple(
        s.with_candidates([joint.part(s.name, s.best.estimate / whole)])
        if s.name in joint.plans
        else s
        for s in subprograms
    )


def is_whole(subprograms: Sequence[Subprogram], choices: Sequence[int]) -> bool:
    """Whether of each joint plan all candidates are chosen or none."""
    chosen = {s.name: s.candidates[number] for s, number in zip(subprograms, choices, strict=True)}
    return all(
        (chosen[name].joint, chosen[name].operator) == (candidate.joint, candidate.operator)
        for candidate in chosen.values()
        for name in candidate.joint
    )


def spliced(program: Program, plans: Mapping[str, Sequence[Statement]]) -> Program:
    """The program with these statements for the definitions of some tensors: a joint plan needs
    what comes after its first member, and moves behind it."""
    found = ordered(splice(program, plans))
    assert found is not None, "a joint plan of definitions that depend on each other"
    return found


def ordered(program: Program) -> Program | None:
    """The same statements, each after those that define what it reads, else in their order. None if
    there is no such order in which operations that may have effects keep theirs."""
    known = {t.name for t in program.inputs}
    waiting = program.statements
    done: list[Statement] = []
    while waiting:
        left: list[Statement] = []
        blocked = False
        for statement in waiting:
            effect = isinstance(statement, Opaque) and statement.may_have_effects
            if all(t.name in known for t in statement.operands) and not (effect and blocked):
                done.append(statement)
                known.update(t.name for t in results_of(statement))
            else:
                left.append(statement)
                blocked = blocked or effect
        if len(left) == len(waiting):
            return None
        waiting = tuple(left)
    return replace(program, statements=tuple(done))


def with_own_names(
    statements: Sequence[Statement], results: Sequence[Tensor], taken: set[str]
) -> tuple[Statement, ...]:
    """Definitions with new names for what they define besides the results: several joint plans may
    be made from the same weights. Names are not in `taken`, and are added to it."""
    kept = {t.name for t in results}
    renamed: dict[str, Tensor] = {}
    done: list[Statement] = []
    for statement in statements:
        assert isinstance(statement, Definition)
        result = statement.result
        scope = with_tensors(statement.scope, renamed)
        if result.name not in kept:
            name = fresh_name(result.name, taken)
            taken.add(name)
            renamed[result.name] = replace(result, name=name)
            result = renamed[result.name]
        done.append(replace(statement, result=result, scope=scope))
    return tuple(done)


def part_of(program: Program, names: Sequence[str]) -> Program:
    """The definitions of these tensors and everything between them as a program of its own; its
    outputs are the tensors that the rest of the program reads."""
    below: set[str] = set(names)
    for statement in program.statements:
        if any(t.name in below for t in statement.operands):
            below.update(t.name for t in results_of(statement))
    above: set[str] = set(names)
    for statement in reversed(program.statements):
        if any(t.name in above for t in results_of(statement)):
            above.update(t.name for t in statement.operands)
    inside = [
        s
        for s in program.statements
        if isinstance(s, Definition) and s.result.name in below & above
    ]
    own = {d.result.name: d.result for d in inside}
    constants = constants_of(program)
    read = {t.name: t for d in inside for t in d.operands if t.name not in own}
    uses = uses_of(replace(program, statements=tuple(inside), outputs=()))
    all_uses = uses_of(program)
    outputs = tuple(t for t in own.values() if all_uses.get(t.name, 0) > uses.get(t.name, 0))
    weights = frozenset(name for name in read if name in constants)
    return Program("part", tuple(read.values()), tuple(inside), outputs, weights)
