"""What each target's libraries make of a subprogram; every candidate is proved."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import pytest
from convolutions import STARTS, disguised
from definitions import chain

from einnet.expr.check import check_program
from einnet.expr.nodes import Tensor, tensors_of
from einnet.expr.program import Definition, Product, Program, Windowed, constants_of
from einnet.operators.cost import CPU, Machine, definition_seconds, h100
from einnet.program.subprograms import LIBRARIES, LIMITS, Candidate, Subprogram, derive
from einnet.verify.plan import VerifiedProgram, verify_plan

CONV = "L<n:{n},h:{e},w:{e},f:{f}> S<c:{c},r:3,s:3> X[n,h+{d}*r-{d},w+{d}*s-{d},c] * W[f,c,r,s]"
TRANSPOSED = (
    "L<n:{n},h:{o},w:{o},f:{f}> S<c:{c},r:4,s:4> X[n,(h-r+1) div 2,(w-s+1) div 2,c] * W[c,f,r,s]"
    " * [(h-r+1) mod 2 = 0] * [(w-s+1) mod 2 = 0]"
)


def convolution(n: int, c: int, e: int, f: int, d: int = 1) -> Program:
    text = CONV.format(n=n, c=c, e=e, f=f, d=d)
    return chain(text, inputs={"X": (n, e, e, c), "W": (f, c, 3, 3)}, weights=("W",))


def transposed(n: int, c: int, e: int, f: int) -> Program:
    text = TRANSPOSED.format(n=n, c=c, o=2 * e, f=f)
    return chain(text, inputs={"X": (n, e, e, c), "W": (c, f, 4, 4)}, weights=("W",))


def derived(
    program: Program, target: str = "cuda", keep: int = 2, machine: Machine | None = None
) -> Subprogram:
    """The candidates of the program's only definition, each one proved."""
    (definition,) = program.definitions
    machine = machine or (CPU if target == "cpu" else h100("tf32"))
    constants = constants_of(program)
    subprogram = derive(
        definition, program, constants, machine, LIMITS, keep, libraries=LIBRARIES[target]
    )
    for candidate in subprogram.candidates:
        plan = replace(program, statements=candidate.statements)
        check_program(plan)
        assert isinstance(verify_plan(program, plan), VerifiedProgram), candidate.operator
    return subprogram


def kinds(candidate: Candidate) -> list[type]:
    return [
        type(d.library)
        for d in Program("p", (), candidate.statements, ()).definitions
        if d.library is not None
    ]


def operators(subprogram: Subprogram) -> list[str]:
    return [c.operator for c in subprogram.candidates]


def test_the_cpu_has_products_alone():
    found = derived(convolution(1, 8, 7, 8), "cpu", keep=9)
    assert {k for c in found.candidates for k in kinds(c)} == {Product}
    assert not any(c.as_written for c in found.candidates)


@pytest.mark.parametrize("program", [convolution(1, 512, 7, 512), transposed(16, 448, 2, 256)])
def test_the_last_candidate_is_the_original_as_a_kernel(program: Program):
    candidates = derived(program).candidates
    assert candidates[-1].statements == program.statements and candidates[-1].is_original
    assert not any(c.is_original for c in candidates[:-1])
    estimates = [c.estimate for c in candidates[:-1]]
    assert estimates == sorted(estimates)


def test_a_convolution_as_products_of_several_forms_and_as_it_is():
    found = derived(convolution(1, 512, 7, 512), keep=3)
    assert {"matmul 49x4608x512", "matmul 49x512x4608", "matmul 49x1536x1536"} < {*operators(found)}
    (written,) = (c for c in found.candidates if c.as_written)
    assert kinds(written) == [Windowed] and not written.steps
    assert written.operator == "conv2d 1x512x512 over 7x7, window 3x3"


def test_a_dilated_convolution_as_a_dense_one():
    found = derived(convolution(16, 64, 14, 64, d=2))
    dense = [c for c in found.candidates if c.operator.startswith("conv2d 64x64x64 over 7x7")]
    assert len(dense) == 1 and dense[0].steps and not dense[0].as_written
    assert sum(c.as_written for c in found.candidates) == 1


def test_a_transposed_convolution_in_every_form():
    found = derived(transposed(16, 448, 2, 256))
    assert "matmul 64x4096x448" in operators(found)
    # Its phases as one convolution, that as one product, and itself.
    assert "conv2d 16x1024x448 over 3x3, window 2x2" in operators(found)
    assert "matmul 144x1024x1792" in operators(found)
    (written,) = (c for c in found.candidates if c.as_written)
    assert written.operator.startswith("conv_transpose2d 16x256x448")


def test_candidates_differ_in_what_the_library_computes():
    for program in (convolution(16, 64, 14, 64, d=2), transposed(16, 64, 8, 32)):
        names = operators(derived(program, keep=4))
        assert all(a != b for a, b in combinations(names, 2))


def test_what_is_far_dearer_is_left_out_unless_it_is_as_written():
    program = transposed(16, 56, 32, 1)
    found = derived(program, keep=20)
    least = found.candidates[0].estimate
    assert all(c.estimate <= 4 * least for c in found.candidates[:-1] if not c.as_written)
    assert sum(c.as_written for c in found.candidates) == 1


def test_products_are_few_where_few_are_asked_for():
    counts = [
        sum(Product in kinds(c) for c in derived(convolution(1, 64, 7, 64), keep=n).candidates)
        for n in (1, 2, 3)
    ]
    assert counts == [1, 2, 3]


def test_a_product_is_as_written_only_if_nothing_is_derived():
    program = chain("L<m:8,n:5> S<k:4> X[m,k] * W[k,n]", inputs={"X": (8, 4), "W": (4, 5)})
    first = derived(program).candidates[0]
    assert first.as_written and kinds(first) == [Product]
    # Windows over one element: the sums are gone after normalisation, which is a derivation.
    text = "L<n:8,h:2,f:5> S<c:4,r:2> X[n,h-r,c] * W[f,c,r]"
    program = chain(text, inputs={"X": (8, 1, 4), "W": (5, 4, 2)}, weights=("W",))
    found = [c for c in derived(program).candidates[:-1] if "columns in" not in c.operator]
    written = {c.operator.split()[0]: c.as_written for c in found}
    assert written == {"matmul": False, "conv_transpose1d": True}


def test_pooling_is_no_convolution_of_ones():
    program = chain("L<n:2,h:4,c:8> S<r:2> X[n,2*h+r,c]", inputs={"X": (2, 8, 8)})
    assert not any(Windowed in kinds(c) for c in derived(program).candidates)


def test_groups_hidden_in_one_dimension_are_as_written():
    text = "L<n:2,h:6,w:6,f:4> S<c:3,r:3,s:3> X[n,h+r-1,w+s-1,3*(f div 2)+c] * W[f,c,r,s]"
    inputs = {"X": (2, 6, 6, 6), "W": (4, 3, 3, 3)}
    found = derived(chain(text, inputs=inputs, weights=("W",)))
    (grouped,) = (c for c in found.candidates if c.as_written)
    assert kinds(grouped) == [Windowed] and {s.rule for s in grouped.steps} == {"split"}


@pytest.mark.parametrize("name", [n for n in STARTS if n != "band"])
def test_every_convolution_as_written_whatever_its_layouts(name: str):
    """Dimensions of image and result in any order, operands swapped, constant or not."""
    for seed, weights in product((1, 2), ((), ("W", "B"))):
        scope = disguised(STARTS[name], seed)
        inputs = tensors_of(scope)
        result = Tensor("Y", scope.extents)
        constants = frozenset(weights) & {t.name for t in inputs}
        definition = Definition(result, scope, "op")
        program = Program("p", inputs, (definition,), (result,), constants)
        assert sum(c.as_written for c in derived(program).candidates) == 1


def test_half_precision_ranks_by_its_own_machine():
    program = convolution(16, 512, 7, 512)
    full, half = (derived(program, machine=h100(p)) for p in ("fp32", "fp16"))
    assert half.candidates[0].estimate < full.candidates[0].estimate / 4


def test_a_reshape_costs_nothing():
    """A batch of one image: the product's operand is the image without its batch."""
    found = derived(convolution(1, 512, 7, 512), keep=3)
    chosen = next(c for c in found.candidates if c.operator == "matmul 49x4608x512")
    image, *_, matmul, offset_add = Program("p", (), chosen.statements, ()).definitions
    assert image.scope.extents == (7, 7, 512)
    seconds = [definition_seconds(d, h100("tf32")) for d in (matmul, offset_add)]
    assert chosen.estimate == pytest.approx(sum(seconds))
