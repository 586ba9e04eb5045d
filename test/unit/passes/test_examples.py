"""The documented example of every pass: it does something, and what comes out computes the same."""

from __future__ import annotations

import pytest
from mlir.dialects import func

from einnet.cli.comparison import aligned, compare_outputs, read_side
from einnet.passes import registry
from einnet.passes.pipeline import parse_pipeline
from einnet.toolchain.mlir import make_context, parse_module
from einnet.verify.certificate import Certificate


def run(text: str, passes: str) -> str:
    context = make_context()
    module = parse_module(text, context)
    return str(parse_pipeline(f"builtin.module({passes})", context).run(module))


def names_of_functions(text: str) -> list[str]:
    operations = parse_module(text, make_context()).body.operations
    return [op.name.value for op in operations if isinstance(op, func.FuncOp)]


def assert_same(before: str, after: str) -> None:
    """Every function of `before` is in `after`, and computes what it did."""
    for name in names_of_functions(before):
        sides = read_side(before, "before.mlir", name), read_side(after, "after.mlir", name)
        found = compare_outputs(*aligned(*sides), seed=0, rounds=2)
        assert isinstance(found, Certificate), f"@{name}: {found}"


@pytest.mark.parametrize("name", registry.NAMES)
def test_the_example(name: str) -> None:
    example = registry.load(name).EXAMPLE
    before = run(example.before, "")
    after = run(example.before, f"{name}{{{example.options}}}")
    assert after != before
    if example.same:
        assert_same(before, after)
