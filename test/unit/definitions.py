"""Definitions that tests start from, and equality of sequences of definitions by their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from tensor_algebra import run_plan

from einnet.expr.check import MalformedError, check_program
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Program
from einnet.expr.text import parse_scope
from einnet.rules.rewrite import NotApplicable

Definitions = tuple[Definition, ...]
Shapes = Mapping[str, tuple[int, ...]]


def chain(
    *texts: str,
    inputs: Shapes,
    outputs: int | tuple[int, ...] = 1,
    weights: tuple[str, ...] = (),
) -> Program:
    """A program of definitions `t0`, `t1`, ... from their expressions, labelled `op0`, `op1`, ...

    Its outputs are the last ones, or those of the given numbers.
    """
    tensors = {name: Tensor(name, shape) for name, shape in inputs.items()}
    given = tuple(tensors.values())
    statements: list[Definition] = []
    for number, text in enumerate(texts):
        scope = parse_scope(text, tensors)
        tensors[f"t{number}"] = Tensor(f"t{number}", scope.extents)
        statements.append(Definition(tensors[f"t{number}"], scope, f"op{number}"))
    chosen = statements[-outputs:] if isinstance(outputs, int) else [statements[n] for n in outputs]
    results = tuple(s.result for s in chosen)
    return Program("main", given, tuple(statements), results, frozenset(weights))


def define(*texts: str, **shapes: tuple[int, ...]) -> Definitions:
    """The same as definitions alone."""
    return chain(*texts, inputs=shapes).definitions


def inputs_of(definitions: Definitions) -> tuple[Tensor, ...]:
    """What the definitions read and do not define."""
    defined = {d.result.name for d in definitions}
    read = {t.name: t for d in definitions for t in d.operands if t.name not in defined}
    return tuple(read.values())


def same_results(before: Definitions, after: Definitions) -> bool:
    """Whether `after`, a well-formed sequence, defines each result of `before` with its value."""
    inputs = inputs_of(before)
    check_program(Program("after", inputs, after, tuple(d.result for d in before)))
    expected, found = run_plan(before, inputs), run_plan(after, inputs)
    return all((expected[d.result.name] == found[d.result.name]).all() for d in before)


Case = TypeVar("Case", bound=tuple[object, ...])


def broken_is_found(
    cases: st.SearchStrategy[Case], rewrite: Callable[[Case], tuple[Definitions, Definitions]]
) -> bool:
    """Whether definitions before and after a broken rule differ for some drawn case.

    What the language's own check rejects counts as found, what the rule refuses does not.
    """

    def fails(case: Case) -> bool:
        try:
            return not same_results(*rewrite(case))
        except MalformedError:
            return True
        except NotApplicable:
            return False

    slow = [HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large]
    try:
        find(cases, fails, settings=settings(phases=[Phase.generate], suppress_health_check=slow))
    except NoSuchExample:
        return False
    return True
