"""Corrected mutants: a program on a box, a mutant of it elsewhere, and boxes that are too small.

A mutant is a program that is wrong at some positions of an output. Corrected on a (strided) box
that holds them all it is right; on the smallest such box without its first or last row it is not.
"""

from __future__ import annotations

from collections.abc import Iterator as Iterable_
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from bench.oracle import Array
from einnet.expr.index import var
from einnet.expr.nodes import (
    Call,
    Factor,
    Guard,
    Iterator,
    Read,
    Scope,
    Tensor,
    Term,
    Within,
)
from einnet.expr.program import Definition, Program, Statement
from einnet.expr.transform import residue


@dataclass(frozen=True)
class Line:
    """The positions `lo, lo + step, ...` below `hi` of one axis."""

    lo: int
    hi: int
    step: int = 1


def bounding_lines(positions: Array) -> tuple[Line, ...]:
    """The smallest strided box around positions `[n, axis]`; its first and last rows hold some."""
    lines: list[Line] = []
    for column in positions.T:
        values = np.unique(column)
        step = int(np.gcd.reduce(np.diff(values))) if len(values) > 1 else 1
        lines.append(Line(int(values[0]), int(values[-1]) + 1, step))
    return tuple(lines)


def shrunk(lines: tuple[Line, ...], random: Random) -> tuple[Line, ...]:
    """The box without the first or the last row of one axis; it may then be empty."""
    number = random.randrange(len(lines))
    line = lines[number]
    last = line.lo + (line.hi - 1 - line.lo) // line.step * line.step
    ends = (replace(line, lo=line.lo + line.step), replace(line, hi=last))
    return (*lines[:number], random.choice(ends), *lines[number + 1 :])


def corrected(original: Program, mutant: Program, lines: tuple[Line, ...]) -> Program:
    """`[v in box] * original + [v not in box] * mutant` of two programs of one output, without
    opaque operations."""
    kept, ours = _renamed(original, "original.")
    other, theirs = _renamed(mutant, "mutant.")
    total = replace(kept, name="corrected")
    definition = _patched(total, kept, other, lines)
    return replace(original, statements=(*ours, *theirs, definition), outputs=(total,))


def corrected_within(program: Program, mutant: Definition, lines: tuple[Line, ...]) -> Program:
    """The program with the definition of the mutant's tensor in the box, the mutant elsewhere."""
    statements: list[Statement] = []
    total = mutant.result
    for statement in program.statements:
        if isinstance(statement, Definition) and statement.result == total:
            kept, other = (replace(total, name=p + total.name) for p in ("original.", "mutant."))
            statements.append(replace(statement, result=kept))
            statements.append(replace(mutant, result=other))
            statements.append(_patched(total, kept, other, lines))
        else:
            statements.append(statement)
    return replace(program, statements=tuple(statements))


def _patched(total: Tensor, kept: Tensor, other: Tensor, lines: tuple[Line, ...]) -> Definition:
    """`total` as `kept` in the box and `other` outside it."""
    axes = tuple(Iterator(f"v{d}", 0, extent) for d, extent in enumerate(total.shape))
    index = tuple(var(a.name) for a in axes)
    inside: tuple[Guard, ...] = ()
    body: list[Term] = []
    for axis, line in zip(axes, lines, strict=True):
        body += [Term((Read(other, index),), inside + rest) for rest in _beside(axis, line)]
        inside += _on(axis, line)
    body.append(Term((Read(kept, index),), inside))
    return Definition(total, Scope(axes, (), tuple(body)))


def _on(axis: Iterator, line: Line) -> tuple[Guard, ...]:
    """The guards that hold on the line."""
    bounded = Within(var(axis.name), line.lo, line.hi)
    return (bounded, residue(var(axis.name) - line.lo, line.step)) if line.step > 1 else (bounded,)


def _beside(axis: Iterator, line: Line) -> Iterable_[tuple[Guard, ...]]:
    """Guards of which exactly one list holds at each position that is not on the line."""
    value = var(axis.name)
    if axis.lo < line.lo:
        yield (Within(value, axis.lo, line.lo),)
    if line.hi < axis.hi:
        yield (Within(value, line.hi, axis.hi),)
    for other in range(1, line.step):
        yield (Within(value, line.lo, line.hi), residue(value - (line.lo + other), line.step))


def _renamed(program: Program, prefix: str) -> tuple[Tensor, tuple[Definition, ...]]:
    """The output and the definitions, what they define called by other names."""
    names = {
        d.result.name: replace(d.result, name=prefix + d.result.name) for d in program.definitions
    }

    def moved(scope: Scope) -> Scope:
        return replace(scope, body=tuple(map(term, scope.body)))

    def term(old: Term) -> Term:
        return replace(old, factors=tuple(map(factor, old.factors)))

    def factor(old: Factor) -> Factor:
        if isinstance(old, Call):
            return replace(old, arguments=tuple(tuple(map(term, a)) for a in old.arguments))
        if isinstance(old.source, Scope):
            return replace(old, source=moved(old.source))
        return replace(old, source=names.get(old.source.name, old.source))

    renamed = tuple(
        Definition(names[d.result.name], moved(d.scope), d.label) for d in program.definitions
    )
    (result,) = program.outputs
    return names.get(result.name, result), renamed
