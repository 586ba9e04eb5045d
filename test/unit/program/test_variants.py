"""Whole-program variants: which there are, in which order, and that each is the program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import combinations

import numpy as np
import pytest
from definitions import chain
from numpy.typing import NDArray

from einnet.expr.program import Product, Program, Windowed, constants_of
from einnet.operators.cost import h100
from einnet.program.fusion import share_definitions
from einnet.program.subprograms import (
    LIBRARIES,
    LIMITS,
    Candidate,
    Subprogram,
    contractions_of,
    derive,
)
from einnet.program.variants import (
    CHEAPEST,
    COMBINED,
    ORIGINAL,
    Variant,
    combined,
    variants,
    verified_variants,
)

Evaluate = Callable[[Program], NDArray[np.float64]]
MANY = 100


@lru_cache
def subprograms_of(program: Program) -> tuple[Subprogram, ...]:
    machine, constants = h100("tf32"), constants_of(program)
    return tuple(
        derive(d, program, constants, machine, LIMITS, 2, libraries=LIBRARIES["cuda"])
        for d in contractions_of(program, constants, machine.types)
    )


@pytest.fixture
def subprograms(gan: Program) -> list[Subprogram]:
    return list(subprograms_of(gan))


@pytest.fixture
def found(gan: Program) -> tuple[Variant, ...]:
    return all_variants(gan)


@lru_cache
def all_variants(program: Program) -> tuple[Variant, ...]:
    return variants(program, subprograms_of(program), MANY)


def dear(subprogram: Subprogram, number: int) -> Subprogram:
    """The subprogram with candidate `number` estimated beyond measuring."""
    candidates = list(subprogram.candidates)
    candidates[number] = replace(candidates[number], estimate=1.0)
    return replace(subprogram, candidates=tuple(candidates))


def test_each_variant_is_the_program(gan: Program, found: tuple[Variant, ...], evaluate: Evaluate):
    proved = verified_variants(gan, found)
    assert [v for v, _ in proved.variants] == list(found) and not proved.dropped
    for variant in found[:3]:
        np.testing.assert_allclose(evaluate(variant.program), evaluate(gan), rtol=1e-12)


def test_the_cheapest_comes_first_and_then_the_original(
    subprograms: list[Subprogram], found: tuple[Variant, ...]
):
    first, original, *swaps = found
    for subprogram, number in zip(subprograms, first.choices, strict=True):
        estimates = [c.estimate for c in subprogram.candidates]
        assert estimates[number] == min(estimates)
    assert (first.name, original.name) == (CHEAPEST, ORIGINAL)
    chosen = [s.candidates[n] for s, n in zip(subprograms, original.choices, strict=True)]
    assert all(c.as_written for c in chosen)
    libraries = [d.library for d in original.program.definitions if d.library is not None]
    assert [type(library) for library in libraries] == [Windowed] * 3
    for swap in swaps:
        changed = [a for a, b in zip(first.choices, swap.choices, strict=True) if a != b]
        assert len(changed) == 1, swap.name


def test_variants_differ_in_names_and_programs(found: tuple[Variant, ...]):
    assert len(found) > 6
    for a, b in combinations(found, 2):
        assert a.name != b.name and a.choices != b.choices and a.program != b.program


def test_a_limit_leaves_each_subprogram_its_second_candidate(
    gan: Program, subprograms: list[Subprogram]
):
    found = variants(gan, subprograms, 5)
    assert len(found) == 5
    assert {v.name.split(":")[0] for v in found[2:]} == {"y0", "y1", "y2"}


def test_what_is_far_dearer_has_no_variant_of_its_own(gan: Program, subprograms: list[Subprogram]):
    swap = next(v for v in all_variants(gan) if v.name.startswith("y1:"))
    subprograms[1] = dear(subprograms[1], swap.choices[1])
    assert swap.name not in [v.name for v in variants(gan, subprograms, MANY)]


def test_a_subprogram_that_no_library_has_stays_a_kernel_in_the_original():
    text = "L<n:2,h:3,f:2> S<c:3,r:3> X[n,2*h-r+2,c] * W[f,c,r]"
    program = chain(text, inputs={"X": (2, 8, 3), "W": (2, 3, 3)}, weights=("W",))
    found = subprograms_of(program)
    assert len(found[0].candidates) > 1
    (original,) = (
        v.program
        for v in variants(program, found, MANY)
        if v.choices == (len(found[0].candidates) - 1,)
    )
    assert [d.library for d in original.definitions] == [None]


def test_the_layers_of_a_generator_end_in_epilogues(gan: Program, subprograms: list[Subprogram]):
    """With products everywhere, each layer is a product and one eOperator without a scale."""
    names = ("matmul 2x24x5", "matmul 8x64x6", "matmul 32x48x4")
    choices = [
        [c.operator for c in s.candidates].index(name)
        for s, name in zip(subprograms, names, strict=True)
    ]
    cheap = [dear_but(s, n) for s, n in zip(subprograms, choices, strict=True)]
    program = variants(gan, cheap, 1)[0].program
    constants = constants_of(program)
    running = [d for d in program.definitions if d.result.name not in constants]
    assert [type(d.library) for d in running[1::2]] == [Product] * 3
    for definition in running[2:-1:2]:
        fixed = [t for t in definition.operands if t.name in constants]
        assert len(fixed) == 1, "a scale is left beside the shift"
    first = running[1].result
    assert running[2].operands[0] == first and first.shape[1:] == running[2].result.shape[1:]


def dear_but(subprogram: Subprogram, number: int) -> Subprogram:
    """The subprogram with all candidates but one estimated beyond measuring."""
    for other in range(len(subprogram.candidates)):
        if other != number:
            subprogram = dear(subprogram, other)
    return subprogram


def test_a_wrong_candidate_is_dropped(gan: Program, subprograms: list[Subprogram]):
    wrong = subprograms[1].definition
    (term,) = wrong.scope.body
    wrong = replace(
        wrong, scope=replace(wrong.scope, body=(replace(term, coefficient=term.coefficient * 2),))
    )
    candidates = subprograms[1].candidates
    dearer = 2 * min(c.estimate for c in candidates)
    candidates = (*candidates, Candidate((wrong,), (), "wrong", dearer))
    subprograms[1] = replace(subprograms[1], candidates=candidates)
    proved = verified_variants(gan, variants(gan, subprograms, MANY))
    assert [d.split(": ")[:2] for d in proved.dropped] == [["y1", "wrong"]]
    assert all("wrong" not in v.name for v, _ in proved.variants)


def seconds_of(found: tuple[Variant, ...], **faster: float) -> dict[str, float]:
    """A second for each variant, less for those whose names start so."""
    return {
        v.name: next((s for name, s in faster.items() if v.name.startswith(name)), 1.0)
        for v in found
    }


def test_the_best_exchanges_are_combined(
    gan: Program, subprograms: list[Subprogram], found: tuple[Variant, ...]
):
    first = found[0]
    y0 = next(v for v in found if v.name.startswith("y0:"))
    y2 = next(v for v in found if v.name.startswith("y2:"))
    seconds = seconds_of(found) | {y0.name: 0.9, y2.name: 0.8}
    best = combined(gan, subprograms, found, seconds)
    assert best is not None and best.name == COMBINED
    assert best.choices == (y0.choices[0], first.choices[1], y2.choices[2])
    assert not verified_variants(gan, [best]).dropped


def test_one_exchange_alone_was_measured_already(
    gan: Program, subprograms: list[Subprogram], found: tuple[Variant, ...]
):
    assert combined(gan, subprograms, found, seconds_of(found)) is None
    y0 = next(v for v in found if v.name.startswith("y0:"))
    assert combined(gan, subprograms, found, seconds_of(found) | {y0.name: 0.5}) is None


def test_noise_and_what_did_not_run_do_not_count(
    gan: Program, subprograms: list[Subprogram], found: tuple[Variant, ...]
):
    y0, y1, y2 = (next(v for v in found if v.name.startswith(f"y{n}:")) for n in range(3))
    seconds = seconds_of(found) | {y0.name: 0.99, y1.name: 0.98, y2.name: 0.5}
    best = combined(gan, subprograms, found, seconds, noise=0.015)
    assert best is not None and best.choices[0] == found[0].choices[0]
    assert best.choices[1:] == (y1.choices[1], y2.choices[2])
    del seconds[y1.name]
    assert combined(gan, subprograms, found, seconds, noise=0.015) is None


def test_layouts_that_two_plans_need_are_made_once():
    program = chain(
        "L<n:6,c:4> tanh(X[n,c])",
        "L<c:4,n:6> t0[n,c]",
        "L<a:4,b:6> t0[b,a]",
        "L<n:6> relu({L<a:4,b:6> t1[a,b]}[0,n]) + t2[1,n]",
        inputs={"X": (6, 4)},
    )
    shared = share_definitions(program)
    assert [d.result.name for d in shared.definitions] == ["t0", "t1", "t3"]
    assert [t.name for t in shared.definitions[-1].operands] == ["t1"]
    assert not verified_variants(program, [Variant("shared", (), shared)]).dropped


def test_outputs_and_library_operators_are_not_shared():
    twice = ["L<c:4,n:6> X[n,c]"] * 2
    program = chain(*twice, inputs={"X": (6, 4)}, outputs=2)
    assert share_definitions(program) == program
