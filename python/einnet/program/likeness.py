"""Definitions that are alike: one expression of other tensors. What is found for the first of them
holds for the others under their tensors' names, so a network of equal layers is searched once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from einnet.expr.nodes import Scope, Tensor, fresh_name
from einnet.expr.program import Definition, Program, Statement
from einnet.expr.transform import with_tensors
from einnet.program.subprograms import Candidate, Subprogram


@dataclass(frozen=True)
class Form:
    """What alike definitions have in common: the expression of numbered tensors, the result's type,
    and which tensors are constant. Iterators have the same names, so steps can be replayed."""

    scope: Scope
    result: Tensor
    constant: tuple[bool, ...]


def form_of(definition: Definition, constants: frozenset[str]) -> Form:
    """The form of a definition without a library; `constants` are names of tensors."""
    assert definition.library is None, "a library's operator is not searched"
    operands = definition.operands
    numbered = {t.name: replace(t, name=f"#{n}") for n, t in enumerate(operands)}
    return Form(
        with_tensors(definition.scope, numbered),
        replace(definition.result, name="#"),
        tuple(t.name in constants for t in operands),
    )


def program_form(program: Program) -> Program:
    """The program with numbered tensors and without labels: of equal forms, the one is the other
    under other names. Its definitions are searched, so none is a library's."""
    names: dict[str, Tensor] = {}

    def numbered(tensor: Tensor) -> Tensor:
        return names.setdefault(tensor.name, replace(tensor, name=f"#{len(names)}"))

    inputs = tuple(map(numbered, program.inputs))
    statements = tuple(
        Definition(numbered(d.result), with_tensors(d.scope, names)) for d in program.definitions
    )
    assert len(statements) == len(program.statements), "an operation without an expression"
    weights = frozenset(names[name].name for name in program.weights)
    return Program("", inputs, statements, tuple(map(numbered, program.outputs)), weights)


def as_of(
    first: Definition, second: Definition, statements: Iterable[Statement], taken: set[str]
) -> tuple[Statement, ...]:
    """Statements for the first of two alike definitions as those for the second.

    New names are not in `taken`, and are added to it.
    """
    if first == second:
        return tuple(statements)
    tensors = _tensors(first, second)
    found: list[Statement] = []
    for statement in statements:
        assert isinstance(statement, Definition)
        scope = with_tensors(statement.scope, tensors)
        result = tensors.get(statement.result.name)
        if result is None:
            old = statement.result
            name = _named_after(old.name, tensors)
            name = fresh_name(name, taken) if name in taken else name
            taken.add(name)
            result = tensors[old.name] = replace(old, name=name)
        label = _label(statement.label, (first.label, second.label), tensors)
        found.append(replace(statement, result=result, scope=scope, label=label))
    return tuple(found)


def _label(label: str, own: tuple[str, str], tensors: Mapping[str, Tensor]) -> str:
    """The label with the definition's own and `layout of TENSOR` exchanged, wherever they are:
    fusion joins labels by `+`."""
    first, second = own

    def exchanged(found: re.Match[str]) -> str:
        name = found[0]
        if name == first:
            return second
        return tensors[name].name if name in tensors else _named_after(name, tensors)

    pattern = r"(?<=layout of )[^+]+"
    return re.sub(f"{re.escape(first)}|{pattern}" if first else pattern, exchanged, label)


def _tensors(first: Definition, second: Definition) -> dict[str, Tensor]:
    pairs = zip((*first.operands, first.result), (*second.operands, second.result), strict=True)
    return {a.name: b for a, b in pairs}


def _named_after(name: str, tensors: Mapping[str, Tensor]) -> str:
    """The name with the tensor's that it begins with exchanged: `v1_layout` is of `v1`."""
    stems = [stem for stem in tensors if name.startswith(f"{stem}_")]
    if not stems:
        return name
    stem = max(stems, key=len)
    return tensors[stem].name + name.removeprefix(stem)


def subprogram_as_of(
    found: Subprogram, definition: Definition, taken: frozenset[str]
) -> Subprogram:
    """The subprogram of a definition that is alike, with the same candidates. It took no search:
    the states that were visited are those of the first."""
    *others, original = found.candidates

    def candidate(one: Candidate) -> Candidate:
        statements = as_of(found.definition, definition, one.statements, set(taken))
        return replace(one, statements=statements)

    as_it_is = replace(original, statements=(definition,))
    return replace(
        found,
        definition=definition,
        candidates=(*map(candidate, others), as_it_is),
        seconds=0.0,
    )
