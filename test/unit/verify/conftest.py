"""What the verifier's tests share: building programs from text, and the independent oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from einnet.expr.interpreter import PRIME, Field, dense, evaluate_everywhere
from einnet.expr.nodes import Scope, Tensor
from einnet.expr.program import Definition, Opaque, Program, Statement
from einnet.expr.text import parse_scope

Shapes = Mapping[str, tuple[int, ...]]


def parse_with(shapes: Shapes, text: str) -> Scope:
    return parse_scope(text, {n: Tensor(n, s) for n, s in shapes.items()})


def build_program(
    shapes: Shapes,
    statements: Sequence[tuple[str, str] | Opaque],
    outputs: Sequence[str],
) -> Program:
    tensors = {n: Tensor(n, s) for n, s in shapes.items()}
    inputs = tuple(tensors.values())
    made: list[Statement] = []
    for statement in statements:
        if isinstance(statement, Opaque):
            made.append(statement)
            tensors.update({t.name: t for t in statement.results})
        else:
            name, text = statement
            scope = parse_scope(text, tensors)
            tensors[name] = Tensor(name, scope.extents)
            made.append(Definition(tensors[name], scope))
    return Program("test", inputs, tuple(made), tuple(tensors[n] for n in outputs))


def oracle_outputs(program: Program, seed: int) -> list[np.ndarray]:
    """Every element of every output in the field, calls as random functions: the interpreter's."""
    generator = np.random.default_rng(seed)
    arrays = {t.name: generator.integers(0, PRIME, t.shape) for t in program.inputs}
    for statement in program.definitions:
        arrays[statement.result.name] = evaluate_everywhere(
            statement.scope, dense(arrays), Field()
        )
    return [arrays[t.name] for t in program.outputs]


def oracle_equal(reference: Program, candidate: Program) -> bool:
    return all(
        np.array_equal(a, b)
        for seed in (1, 2)
        for a, b in zip(
            oracle_outputs(reference, seed), oracle_outputs(candidate, seed), strict=True
        )
    )


@pytest.fixture
def parse() -> Callable[[Shapes, str], Scope]:
    return parse_with


@pytest.fixture
def build() -> Callable[..., Program]:
    return build_program


@pytest.fixture
def agree() -> Callable[[Program, Program], bool]:
    """Whether two programs agree at every position, as decided by dense evaluation."""
    return oracle_equal


@pytest.fixture
def pair() -> Callable[[Shapes, str, str], tuple[Program, Program]]:
    """Two programs of one definition each."""

    def make(shapes: Shapes, reference: str, candidate: str) -> tuple[Program, Program]:
        return (
            build_program(shapes, [("Y", reference)], ["Y"]),
            build_program(shapes, [("Z", candidate)], ["Z"]),
        )

    return make
