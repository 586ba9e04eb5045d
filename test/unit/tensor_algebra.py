"""Expressions that tests start from, and equality of expressions by their meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from numpy.typing import NDArray

from einnet.expr.check import MalformedError, check_scope
from einnet.expr.index import var
from einnet.expr.interpreter import PRIME, Field, Lookup, dense, evaluate_everywhere
from einnet.expr.nodes import Read, Scope, Tensor, Term
from einnet.expr.program import Definition, Statement
from einnet.expr.text import parse_scope
from einnet.rules.rewrite import NotApplicable

Array = NDArray[Any]


def tensors(**shapes: tuple[int, ...]) -> dict[str, Tensor]:
    return {name: Tensor(name, shape) for name, shape in shapes.items()}


def parse(text: str, **shapes: tuple[int, ...]) -> Scope:
    """The scope of a text that reads tensors of these shapes."""
    return parse_scope(text, tensors(**shapes))


def random_elements(tensor: Tensor, index: tuple[NDArray[np.int64] | slice, ...]) -> Array:
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


def read_whole(inner: Scope, box: Scope) -> Scope:
    """`inner` read at every position of the box of another scope; 0 where it has no element."""
    read = Read(inner, tuple(var(i.name) for i in box.traversal))
    return Scope(box.traversal, (), (Term((read,)),))


Case = TypeVar("Case", bound=tuple[object, ...])


def fault_is_found(cases: st.SearchStrategy[Case], broken: Callable[..., Scope | None]) -> bool:
    """Whether the property "equal to its start" fails for a broken rule on some drawn case.

    The first element of a case is the expression; `broken` takes the whole case. What the
    language's own check rejects counts as found, what the rule refuses does not.
    """

    def fails(case: Case) -> bool:
        start = case[0]
        assert isinstance(start, Scope)
        try:
            return not same_meaning(start, broken(*case))
        except MalformedError:
            return True
        except NotApplicable:
            return False

    slow = [HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large]
    generate = settings(phases=[Phase.generate], suppress_health_check=slow)
    try:
        find(cases, fails, settings=generate)
    except NoSuchExample:
        return False
    return True


def run_statements(statements: tuple[Statement, ...], inputs: dict[str, Array]) -> dict[str, Array]:
    """Every tensor that the definitions compute, and their inputs."""
    arrays = dict(inputs)
    for statement in statements:
        assert isinstance(statement, Definition)
        arrays[statement.result.name] = value_of(statement.scope, dense(arrays))
    return arrays


def run_plan(statements: tuple[Statement, ...], inputs: tuple[Tensor, ...]) -> dict[str, Array]:
    """The same for the random inputs of `value_of`."""
    arrays = {t.name: random_elements(t, (slice(None),) * len(t.shape)) for t in inputs}
    return run_statements(statements, arrays)
