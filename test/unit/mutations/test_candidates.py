"""Mutants as candidates: which enter, with what words, and that every plan is the program."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import pytest
from definitions import chain

from einnet.expr.program import Product, Program, constants_of, without_dead
from einnet.expr.text import parse_scope
from einnet.mutations.candidates import (
    Setting,
    chain_plans,
    operators_of,
    parallel_plans,
    promising,
    setting_of,
    with_mutants,
)
from einnet.mutations.chains import chains_of
from einnet.operators.cost import CPU, Machine, h100
from einnet.options import Options
from einnet.program.fusion import fuse_eoperators
from einnet.program.joint import Joint, entered, part_of, spliced
from einnet.program.subprograms import Subprogram, contractions_of
from einnet.program.variants import assembled, exchanged, variants
from einnet.verify.plan import VerifiedProgram, verify_plan

CUDA = Options(target="cuda", precision="tf32", measure=False)

IMAGES = chain(
    "L<n:2,f:64,h:28,w:28> S<c:64,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
    inputs={"X": (2, 64, 28, 28), "W": (64, 64, 3, 3)},
    weights=("W",),
)
"""Two images in one convolution, which may be side by side."""

LAYERS = chain(
    "L<n:2,f:128,h:56,w:56> S<c:128,r:3,s:1> X[n,c,h+r-1,w+s] * W[f,c,r,s]",
    "L<n:2,f:128,h:56,w:56> relu(t0[n,f,h,w] + B[f])",
    "L<n:2,f:128,h:56,w:56> S<c:128,r:3,s:1> t1[n,c,h+r-1,w+s] * V[f,c,r,s]",
    inputs={"X": (2, 128, 56, 56), "W": (128, 128, 3, 1), "B": (128,), "V": (128, 128, 3, 1)},
    weights=("W", "B", "V"),
)
"""Kernels that reach along one dimension: along the other one images stand side by side."""

SMALL = chain(
    "L<n:2,f:4,h:7> S<c:3,r:3> X[n,c,h+r-1] * W[f,c,r]",
    "L<n:2,f:4,h:7> relu(t0[n,f,h] + B[f])",
    "L<n:2,f:5,h:7> S<c:4,r:3> t1[n,c,h+r-1] * V[f,c,r]",
    inputs={"X": (2, 3, 7), "W": (4, 3, 3), "B": (4,), "V": (5, 4, 3)},
    weights=("W", "B", "V"),
)

PARALLEL = chain(
    "L<m:4,n:16> S<k:32> X[m,k] * V[k,n]",
    "L<m:4,n:16> exp(t0[m,n])",
    "L<m:4,n:16> S<k:16> X[m,k+8] * W[k,n]",
    "L<m:4,n:16> tanh(t2[m,n])",
    inputs={"X": (4, 32), "V": (32, 16), "W": (16, 16)},
    outputs=(1, 3),
    weights=("V", "W"),
)
"""Two products, one of which reads a part of what the other reads."""


FREE = replace(h100("tf32"), launch=0.0, bandwidth=1e20, units=1, step=0.0, loop_rate=2e13)
"""A machine where only arithmetic of libraries takes time: layouts cost nothing."""


def searched(
    program: Program, options: Options, machine: Machine | None = None
) -> tuple[tuple[Subprogram, ...], Setting]:
    machine = machine or (CPU if options.target == "cpu" else h100(options.precision))
    constants = constants_of(program)
    setting = setting_of(program, constants, machine, options)
    found = contractions_of(program, constants, machine.types)
    return tuple(setting.derive(d, constants) for d in found), setting


@lru_cache
def images() -> tuple[Subprogram, Subprogram]:
    """The subprogram without mutants and with them."""
    ((before,), setting) = searched(IMAGES, CUDA)
    return before, with_mutants(before, promising(before, setting), setting)


def test_corrected_mutants_become_candidates_before_the_original():
    before, after = images()
    new = [c for c in after.candidates if c not in before.candidates]
    assert [c for c in after.candidates if c not in new] == list(before.candidates)
    assert after.candidates[-1].is_original and new
    words = [c.mutant for c in new]
    assert any(w.startswith("merge-borders + ") and "correction" in w for w in words), words
    assert all(w in c.name and c.steps for w, c in zip(words, new, strict=True))
    assert len({c.name for c in after.candidates}) == len(after.candidates)


def test_no_mutant_is_estimated_far_above_the_best():
    before, after = images()
    assert all(c.estimate < 1.25 * before.best.estimate for c in after.candidates if c.mutant)


def test_each_mutant_has_a_variant_that_is_the_program():
    _, after = images()
    named = [v for v in variants(IMAGES, [after], 20) if "mutant" in v.name]
    assert named
    for variant in named:
        assert isinstance(verify_plan(IMAGES, variant.program), VerifiedProgram), variant.name


def test_a_product_that_takes_what_it_moves_has_no_mutants():
    program = chain(
        "L<m:1,n:64> S<k:64> A[m,k] * W[k,n]", inputs={"A": (1, 64), "W": (64, 64)}, weights=("W",)
    )
    ((subprogram,), setting) = searched(program, CUDA)
    assert promising(subprogram, setting) == ()


def test_windows_are_no_operator_of_a_cpu():
    ((subprogram,), setting) = searched(IMAGES, Options(measure=False))
    for found in promising(subprogram, setting):
        assert all(isinstance(d.library, Product) for d in operators_of(found.statements))


@lru_cache
def joined() -> tuple[tuple[Subprogram, ...], Joint]:
    subprograms, setting = searched(PARALLEL, Options(measure=False))
    (joint,) = parallel_plans(subprograms, setting)
    return subprograms, joint


def test_parallel_products_become_one():
    subprograms, joint = joined()
    assert (joint.names, joint.mutant) == (("t0", "t2"), "merge-padded")
    assert joint.operator == "matmul 4x32x32"
    assert joint.estimate < sum(s.best.estimate for s in subprograms)
    program = spliced(PARALLEL, joint.plans)
    assert len(operators_of(program.statements)) == 1
    assert isinstance(verify_plan(PARALLEL, program), VerifiedProgram)


def test_a_joint_plan_is_exchanged_as_a_whole():
    subprograms, joint = joined()
    both = entered(subprograms, joint)
    base = tuple(s.candidates.index(s.best) for s in both)
    number = next(n for n, c in enumerate(both[0].candidates) if c.joint)
    chosen = exchanged(both, base, 0, number)
    assert all(s.candidates[n].joint for s, n in zip(both, chosen, strict=True))
    program = assembled(PARALLEL, both, chosen)
    assert isinstance(verify_plan(PARALLEL, program), VerifiedProgram)
    assert exchanged(both, chosen, 1, base[1]) == base, "half of it is not left"


def test_chains_end_at_sums_and_have_at_most_four_members():
    texts: list[str] = []
    for n in range(5):
        texts.append(f"L<i:4,j:4> S<k:4> {f't{2 * n - 1}' if n else 'X'}[i,k] * W{n}[k,j]")
        texts.append(f"L<i:4,j:4> relu(t{2 * n}[i,j])")
    texts.append("L<i:4> S<k:4> t9[i,k]")
    inputs = {"X": (4, 4)} | {f"W{n}": (4, 4) for n in range(5)}
    program = chain(*texts, inputs=inputs)
    subprograms, _ = searched(program, Options(measure=False))
    contractions = [s.name for s in subprograms if s.name != "t10"]
    found = chains_of(contractions, program)
    assert found[:2] == (("t0", "t2", "t4", "t6"), ("t2", "t4", "t6", "t8"))
    assert len(found) == 2 + 3 + 4


@lru_cache
def moved() -> tuple[tuple[Subprogram, ...], Joint]:
    subprograms, setting = searched(LAYERS, CUDA)
    (joint,) = chain_plans(subprograms, setting)
    return subprograms, joint


def test_a_chain_is_moved_alike_and_nothing_is_laid_out_between():
    subprograms, joint = moved()
    assert joint.names == ("t0", "t2") and joint.mutant == "merge-borders"
    both = entered(subprograms, joint)
    first = next(n for n, c in enumerate(both[0].candidates) if c.joint)
    base = tuple(s.candidates.index(s.best) for s in both)
    program = assembled(LAYERS, both, exchanged(both, base, 0, first))
    assert isinstance(verify_plan(LAYERS, program), VerifiedProgram)
    constants = constants_of(program)
    running = [d for d in program.definitions if d.result.name not in constants]
    assert [d.library is not None for d in running] == [False, True, False, True, False]
    assert not any(word in str(running[2].scope) for word in ("div", "mod"))


def test_the_proof_decides_about_what_lies_between_the_images():
    """A bias makes it other than 0, so that images with a gap between need it cleared."""
    subprograms, setting = searched(SMALL, CUDA, FREE)
    (joint,) = chain_plans(subprograms, replace(setting, chain_margin=1.25))
    assert [s.arguments["gap"] for s in joint.steps] == [1, 1]
    program = fuse_eoperators(spliced(SMALL, joint.plans))
    assert isinstance(verify_plan(SMALL, program), VerifiedProgram)
    tensors = {d.result.name: d.result for d in program.definitions} | {"B": SMALL.inputs[2]}
    image = next(d for d in program.definitions if d.result.name == "t2_operator_a")
    product = operators_of(program.statements)[0].result
    wide, channels = product.shape
    scope = parse_scope(f"L<x:{wide},c:{channels}> relu({product.name}[x,c] + B[c])", tensors)
    assert scope.extents == image.result.shape
    wrong = tuple(replace(s, scope=scope) if s is image else s for s in program.statements)
    verdict = verify_plan(SMALL, without_dead(replace(program, statements=wrong)))
    assert not isinstance(verdict, VerifiedProgram)


NECK = chain(
    "L<n:2,f:4,h:7> S<c:3> X[n,c,h] * W[f,c,0]",
    "L<n:2,f:4,h:7> relu(t0[n,f,h] + B[f])",
    "L<n:2,f:5,h:7> S<c:4,r:3> t1[n,c,h+r-1] * V[f,c,r]",
    inputs={"X": (2, 3, 7), "W": (4, 3, 1), "B": (4,), "V": (5, 4, 3)},
    weights=("W", "B", "V"),
)
"""A kernel of one tap, which has no sum, before one of three."""


def test_a_kernel_of_one_tap_is_moved_with_the_others_of_a_chain():
    subprograms, setting = searched(NECK, CUDA, FREE)
    (joint,) = chain_plans(subprograms, replace(setting, chain_margin=10.0))
    assert joint.names == ("t0", "t2")
    first, second = joint.steps
    assert str(first) == str(second) and first.rule == "merge-borders"
    program = fuse_eoperators(spliced(NECK, joint.plans))
    assert isinstance(verify_plan(NECK, program), VerifiedProgram)
    image = operators_of(joint.plans["t0"])[0].result
    assert 2 * 7 in image.shape, "both images are one"


def test_a_member_without_a_library_operator_is_in_no_chain():
    program = chain(
        "L<n:7,h:1,w:7,f:10> S<c:1,r:1,s:2> X[n,h+r,s+w,c+f div 5] * W[f,c,r,s]",
        "L<n:7,h:1,w:7,f:10> relu(t0[n,h,w,f])",
        "L<n:7,h:1,w:7,f:7> S<c:10,r:1,s:2> t1[n,h+r,s+w-1,c] * V[s,f,c,r]",
        inputs={"X": (7, 1, 8, 2), "W": (10, 1, 1, 2), "V": (2, 7, 10, 1)},
        weights=("W", "V"),
    )
    assert chain_plans(*searched(program, CUDA)) == ()


def test_a_part_of_a_program_has_what_is_between_its_members():
    part = part_of(LAYERS, ["t0", "t2"])
    assert [d.result.name for d in part.definitions] == ["t0", "t1", "t2"]
    assert [t.name for t in part.outputs] == ["t2"]
    assert part.weights == LAYERS.weights
    assert [t.name for t in part_of(LAYERS, ["t0"]).outputs] == ["t0"]


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_the_options_say_how_far(target: str):
    options = Options(target=target, mutation_depth=1, mutation_rounds=1, mutation_beam=1)
    setting = setting_of(IMAGES, constants_of(IMAGES), CPU, options)
    limits = setting.options
    assert (limits.depth, limits.rounds, limits.beam) == (1, 1, 1)
    assert setting.convolutions is (target == "cuda")
