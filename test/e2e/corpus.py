"""What the inputs of test/corpus/ say of themselves, and both sides of one compared by running.

An input opens with a comment on where its form comes from. Lines of that comment may say

    // OPTIMIZED @f @g        the text of these functions changes
    // LEFT ALONE @f: WHY     the text of the function stays, and the CPU target cannot run it
    // LEFT ALONE: WHY        the text of the whole module stays
    // STAND-IN "a.op" = NAME the operation of MLIR that is run in the place of an unknown one
    // CHECK...               FileCheck's lines for the result

Every function with a body that no line leaves alone is run before and after, on random arguments.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlir.dialects import func
from numpy.typing import NDArray

from einnet.bridge.lift import lift_function
from einnet.codegen.cpu.jit import Executable
from einnet.codegen.cpu.lower import lower
from einnet.codegen.cpu.signature import Argument
from einnet.expr.program import Program
from einnet.toolchain.mlir import make_context, parse_module

ROOT = Path(__file__).resolve().parents[1] / "corpus"

Array = NDArray[Any]


@dataclass(frozen=True)
class Claims:
    """What the first comment of an input says must be the case."""

    optimized: frozenset[str]
    left_alone: frozenset[str]
    whole_left_alone: bool
    stand_ins: tuple[tuple[str, str], ...]
    checked: bool


def claims_of(text: str) -> Claims:
    optimized = re.findall(r"^// OPTIMIZED((?: @[\w.]+)+)$", text, re.MULTILINE)
    alone = re.findall(r"^// LEFT ALONE(?: @([\w.]+))?: \S", text, re.MULTILINE)
    stand_ins = re.findall(r'^// STAND-IN "([\w.]+)" = ([\w.]+)$', text, re.MULTILINE)
    assert len(re.findall(r"^// (OPTIMIZED|LEFT ALONE|STAND-IN)", text, re.MULTILINE)) == (
        len(optimized) + len(alone) + len(stand_ins)
    ), "a line of the first comment that cannot be read"
    return Claims(
        frozenset(name.lstrip("@") for line in optimized for name in line.split()),
        frozenset(name for name in alone if name),
        "" in alone,
        tuple((str(old), str(new)) for old, new in stand_ins),
        "// CHECK" in text,
    )


@dataclass(frozen=True)
class Comparison:
    """What happened to one function: its text, and how far its results are from what they were.

    `error` is the largest difference in units of what is allowed; None where nothing was run.
    """

    function: str
    changed: bool
    error: float | None


def compare(before: str, after: str, claims: Claims, seed: int) -> list[Comparison]:
    """Compare a module with what it became, function by function.

    Raises AssertionError for a function that is gone, for text that changed against a claim or
    stayed against one, for results that differ, and EinnetError for what the CPU target cannot run.
    """
    old, new = _functions(before), _functions(after)
    assert old.keys() <= new.keys(), f"gone: {old.keys() - new.keys()}"
    named = claims.optimized | claims.left_alone
    assert named <= old.keys(), f"claims on what is not there: {named - old.keys()}"
    if claims.whole_left_alone:
        assert _canonical(before) == _canonical(after), "the module changed"
        return [Comparison(name, False, None) for name in old]
    found: list[Comparison] = []
    for name, text in old.items():
        changed = text != new[name]
        if name in claims.left_alone:
            assert not changed, f"@{name} changed"
            found.append(Comparison(name, changed, None))
            continue
        assert changed or name not in claims.optimized, f"@{name} did not change"
        # What did not change computes what it did; that it runs is shown all the same.
        error = _difference(_stood_in(before, claims), _stood_in(after, claims), name, seed)
        assert error <= 1.0, f"@{name}: {error} of what is allowed"
        found.append(Comparison(name, changed, error))
    return found


def _canonical(text: str) -> str:
    return str(parse_module(text, make_context(allow_unregistered=True)))


def _functions(text: str) -> dict[str, str]:
    """The text of every function with a body at the module's top, by name."""
    module = parse_module(text, make_context(allow_unregistered=True))
    functions = (op for op in module.body.operations if isinstance(op, func.FuncOp))
    return {
        f.name.value: str(f.operation.get_asm(use_local_scope=True))
        for f in functions
        if not f.is_external
    }


def _stood_in(text: str, claims: Claims) -> str:
    for old, new in claims.stand_ins:
        text = text.replace(f'"{old}"', f'"{new}"')
    return text


def _difference(before: str, after: str, name: str, seed: int) -> float:
    """The largest difference between the results of a function in units of what is allowed."""
    originals = Executable(lower(before, name))
    random = np.random.default_rng(seed)
    values = {(a.role, a.name): _random(a, random) for a in originals.signature.arguments}
    expected = originals(*values.values())
    optimized = Executable(lower(after, name))
    weights = {name: value for (role, name), value in values.items() if role == "weight"}
    stored = iter(optimized.stored(weights))
    got = optimized(
        *(
            values[a.role, a.name] if a.role == "input" else next(stored)
            for a in optimized.signature.arguments
        )
    )
    allowed = _allowed(before, name)
    pairs = zip(expected, got, strict=True)
    return max((_error(x, y, allowed) for x, y in pairs), default=0.0)


def _random(argument: Argument, random: np.random.Generator) -> Array:
    """Normal numbers, or integers: small ones where they are indices. Of weights, sums of products
    are of order one, and vectors are positive, since variances are among them."""
    dtype, shape = argument.tensor.dtype, argument.tensor.shape
    if dtype.kind == "f":
        values = random.standard_normal(shape)
        if argument.role == "weight":
            values = (
                np.abs(values) + 0.5 if len(shape) < 2 else values / math.prod(shape[1:]) ** 0.5
            )
        return values.astype(dtype)
    low, high = (0, 3) if argument.tensor.element == "index" else (-100, 100)
    return random.integers(low, high, argument.tensor.shape).astype(dtype)


def _allowed(text: str, name: str) -> float:
    """The relative error that rounding may bring: one unit of the coarsest type in the function for
    every term of its sums, twice since either side rounds, and twice for what comes after a sum."""
    module = parse_module(text, make_context(allow_unregistered=True))
    function = next(
        op for op in module.body.operations if isinstance(op, func.FuncOp) and op.name.value == name
    )
    source = str(function)
    units = {r"\bbf16\b|xbf16": 2**-8, r"\bf16\b|xf16": 2**-11, r"\bf32\b|xf32": 2**-24}
    unit = next((u for pattern, u in units.items() if re.search(pattern, source)), 2.0**-53)
    if len(function.regions[0].blocks) != 1:
        return 64 * unit
    return 4 * unit * (8 + _terms(lift_function(function)))


def _terms(program: Program) -> int:
    """How many terms the sums of all definitions have together."""
    return sum(math.prod(i.extent for i in d.scope.summation) for d in program.definitions)


def _error(expected: Array, got: Array, allowed: float) -> float:
    if expected.size == 0 or expected.dtype.kind != "f":
        return 0.0 if np.array_equal(expected, got) else math.inf
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], got[~finite], equal_nan=True):
        return math.inf
    if not finite.any():
        return 0.0
    exact, computed = expected[finite].astype(np.float64), got[finite].astype(np.float64)
    scale = float(np.abs(exact).max()) or 1.0
    # nan where the original has a number is no small difference.
    worst = float(np.abs(computed - exact).max()) / (allowed * scale)
    return math.inf if math.isnan(worst) else worst


def to_json(comparisons: Sequence[Comparison]) -> str:
    return json.dumps([[c.function, c.changed, c.error] for c in comparisons])


def from_json(text: str) -> list[Comparison]:
    return [Comparison(*entry) for entry in json.loads(text)]
