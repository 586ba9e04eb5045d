"""Random pairs: what the oracle calls unequal is refuted, what it calls equal is proved."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
from random_pairs import TENSORS, faulty, random_scope, rewritten
from verify_cases import differences

from einnet.expr.interpreter import PRIME, Field, dense, evaluate_everywhere
from einnet.expr.nodes import Scope, Tensor
from einnet.expr.program import Definition, Program
from einnet.expr.text import parse_scope
from einnet.verify.equivalence import Different, Equal, compare, compare_scopes

BATCH = 50
POINTS = 20_000


def random_pair(seed: int) -> tuple[Scope, Scope] | None:
    """A scope and an equal or nearly equal one; None if it is too large for the oracle."""
    choose = random.Random(seed)
    reference = random_scope(choose)
    candidate = rewritten(reference, choose)
    for chance in (0.6, 0.3):
        if choose.random() < chance:
            candidate = faulty(candidate, choose)
    points = np.prod([i.extent for i in candidate.traversal + candidate.summation])
    return (reference, candidate) if points <= POINTS else None


def wrong_positions(reference: Scope, candidate: Scope) -> set[tuple[int, ...]]:
    """Where the scopes differ for random inputs, by dense evaluation."""
    found: set[tuple[int, ...]] = set()
    for seed in (1, 2):
        generator = np.random.default_rng(seed)
        lookup = dense({n: generator.integers(0, PRIME, t.shape) for n, t in TENSORS.items()})
        left = evaluate_everywhere(reference, lookup, Field())
        right = evaluate_everywhere(candidate, lookup, Field())
        found |= {tuple(int(x) for x in p) for p in np.argwhere(left != right)}
    return found


@pytest.mark.parametrize("batch", range(10))
def test_verdicts_are_those_of_dense_evaluation(batch: int) -> None:
    decided = {True: 0, False: 0}
    for seed in range(BATCH * batch, BATCH * (batch + 1)):
        found = random_pair(seed)
        if found is None:
            continue
        reference, candidate = found
        wrong = wrong_positions(reference, candidate)
        verdict = compare_scopes(reference, candidate)
        if wrong:
            assert isinstance(verdict, Different), f"{seed}: {reference}   {candidate}"
            assert verdict.position in wrong, seed
            covered = {p for box in verdict.boxes for p in product(*(range(*s) for s in box))}
            assert wrong <= covered, seed
        else:
            assert isinstance(verdict, Equal), f"{seed}: {reference}   {candidate}   {verdict}"
        decided[not wrong] += 1
    # Both kinds must occur, or the test shows nothing.
    assert min(decided.values()) >= 10


def with_function(scope: Scope) -> Program:
    """relu of the scope, then a sum over windows of the first axis that reads the result."""
    inner, middle = Tensor("S", scope.extents), Tensor("R", scope.extents)
    names = [f"v{n}" for n in range(len(scope.extents))]
    axes = ",".join(f"{n}:{e}" for n, e in zip(names, scope.extents, strict=True))
    rest = "".join(f",{n}" for n in names[1:])
    call = parse_scope(f"L<{axes}> relu(S[{','.join(names)}])", {"S": inner})
    window = parse_scope(f"L<{axes}> S<r:2> R[v0+r{rest}]", {"R": middle})
    output = Tensor("Y", scope.extents)
    return Program(
        "windows",
        tuple(TENSORS.values()),
        (Definition(inner, scope), Definition(middle, call), Definition(output, window)),
        (output,),
    )


@pytest.mark.parametrize("batch", range(4))
def test_programs_with_a_function_are_never_wrongly_proved(batch: int) -> None:
    decided = {True: 0, False: 0}
    for seed in range(1000 + 25 * batch, 1000 + 25 * (batch + 1)):
        found = random_pair(seed)
        if found is None:
            continue
        reference, candidate = (with_function(s) for s in found)
        wrong = differences(reference, candidate)
        verdict = compare(reference, candidate)
        assert isinstance(verdict, Equal) == (not wrong), f"{seed}: {found[0]}   {found[1]}"
        decided[not wrong] += 1
    assert min(decided.values()) >= 3
