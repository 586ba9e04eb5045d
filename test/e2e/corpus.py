"""What the inputs of test/corpus/ say of themselves, and both sides of one compared by running.

An input opens with a comment on where its form comes from. Lines of that comment may say

    // OPTIMIZED @f @g        these functions become kernels or library calls, under OPTIMIZE
    // LEFT ALONE @f: WHY     the text of the function stays, and the CPU target cannot run it
    // LEFT ALONE: WHY        the text of the whole module stays
    // STAND-IN "a.op" = NAME the operation of MLIR that is run in the place of an unknown one
    // CHECK...               FileCheck's lines for the result

Every function with a body that no line leaves alone is run before and after, on random arguments.
tools/ writes OPTIMIZED into the inputs that it makes, for what is optimized that day; a function
that no longer is fails the test.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
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
from einnet.toolchain.mlir import make_context, parse_module
from einnet.tuning.reference import tolerance

ROOT = Path(__file__).resolve().parents[1] / "corpus"

Array = NDArray[Any]

OPTIMIZE = "--einnet-optimize=measure=false candidates=1 mutate=false"
"""One plan, no mutants and no clock: the same result wherever it runs, and a second or two for an
input, of which there are ninety. Choosing among plans by measuring is test_driver.py's subject;
test_corpus.py runs a few inputs with MUTATE as well."""

MUTATE = "--einnet-optimize=measure=false"

_BRANCHING = 32


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
    old, new = functions_of(before), functions_of(after)
    require_claims(old, new, claims)
    if claims.whole_left_alone:
        assert _canonical(before) == _canonical(after), "the module changed"
        return [Comparison(name, False, None) for name in old]
    found: list[Comparison] = []
    for name, text in old.items():
        error = None
        if name not in claims.left_alone:
            # What did not change computes what it did; that it runs is shown all the same.
            error = _difference(_stood_in(before, claims), _stood_in(after, claims), name, seed)
            assert error <= 1.0, f"@{name}: {error} of what is allowed"
        found.append(Comparison(name, text != new[name], error))
    return found


def require_claims(old: Mapping[str, str], new: Mapping[str, str], claims: Claims) -> None:
    """Raise AssertionError unless the texts of all functions, by name, are as the claims say."""
    assert old.keys() <= new.keys(), f"gone: {old.keys() - new.keys()}"
    named = claims.optimized | claims.left_alone
    assert named <= old.keys(), f"claims on what is not there: {named - old.keys()}"
    for name in claims.left_alone:
        assert old[name] == new[name], f"@{name} changed"
    for name in claims.optimized:
        assert is_optimized(old[name], new[name]), f"@{name} is not optimized"


def is_optimized(old: str, new: str) -> bool:
    """Whether a function's text changed into one that holds a kernel or a library call."""
    return old != new and re.search(r"\beinnet\.(?:kernel|library) = ", new) is not None


def _canonical(text: str) -> str:
    return str(parse_module(text, make_context(allow_unregistered=True)))


def functions_of(text: str) -> dict[str, str]:
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
    """The relative error that rounding may bring: the tolerance of compiled models, which grows
    with the roots of the lengths of the sums. A function of several blocks, of which nothing tells
    the sums, has `_BRANCHING` units of its coarsest type.
    """
    module = parse_module(text, make_context(allow_unregistered=True))
    function = next(
        op for op in module.body.operations if isinstance(op, func.FuncOp) and op.name.value == name
    )
    if len(function.regions[0].blocks) == 1:
        return tolerance(lift_function(function))
    units = {"bf16": 2**-7, "f16": 2**-10, "f32": 2**-23, "f64": 2**-52}
    source = str(function)
    found = [unit for element, unit in units.items() if re.search(rf"(?:\b|x){element}\b", source)]
    return _BRANCHING * max(found, default=0.0)


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
    worst = float(np.abs(computed - exact).max()) / scale
    if worst == 0.0:
        return 0.0
    # A function without a sum or an element type that rounds may not differ at all.
    return math.inf if math.isnan(worst) or allowed == 0.0 else worst / allowed


def to_json(comparisons: Sequence[Comparison]) -> str:
    return json.dumps([[c.function, c.changed, c.error] for c in comparisons])


def from_json(text: str) -> list[Comparison]:
    return [Comparison(*entry) for entry in json.loads(text)]
