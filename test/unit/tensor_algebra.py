"""Expressions that tests start from, and equality of expressions by their meaning."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from einnet.expr.check import check_scope
from einnet.expr.interpreter import PRIME, Field, Lookup, dense, evaluate_everywhere
from einnet.expr.nodes import Scope, Tensor
from einnet.expr.program import Definition, Statement
from einnet.expr.text import parse_scope

Array = NDArray[Any]


def tensors(**shapes: tuple[int, ...]) -> dict[str, Tensor]:
    return {name: Tensor(name, shape) for name, shape in shapes.items()}


def parse(text: str, **shapes: tuple[int, ...]) -> Scope:
    """The scope of a text that reads tensors of these shapes."""
    return parse_scope(text, tensors(**shapes))


def random_elements(tensor: Tensor, index: tuple[NDArray[np.int64], ...]) -> Array:
    """A lookup: the same uniform field elements for the same tensor, whoever asks."""
    rng = np.random.default_rng(crc32(f"{tensor.name}{tensor.shape}".encode()))
    array: Array = rng.integers(0, PRIME, tensor.shape, dtype=np.int64)
    return array[index]


def value_of(scope: Scope, lookup: Lookup = random_elements) -> Array:
    """Every element that the scope denotes, for random inputs in the prime field."""
    return evaluate_everywhere(scope, lookup, Field())


def same_meaning(start: Scope, end: Scope | None) -> bool:
    """Whether two expressions agree at every position of one box; None stands for 0."""
    expected = value_of(start)
    if end is None:
        return not expected.any()
    check_scope(end)
    return start.box == end.box and bool((expected == value_of(end)).all())


def run_statements(statements: tuple[Statement, ...], inputs: dict[str, Array]) -> dict[str, Array]:
    """Every tensor that a plan computes, and its inputs."""
    arrays = dict(inputs)
    for statement in statements:
        assert isinstance(statement, Definition)
        arrays[statement.result.name] = value_of(statement.scope, dense(arrays))
    return arrays
