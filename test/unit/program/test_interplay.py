"""Rewrites over several definitions: what is found, that it is equal, and that there is an end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from definitions import chain, run_plan
from hypothesis import given
from hypothesis import strategies as st

from einnet.expr.check import MalformedError, check_program
from einnet.expr.nodes import Tensor
from einnet.expr.program import Opaque, Program, constants_of, without_dead
from einnet.expr.transform import is_movement
from einnet.operators.cost import CPU, Machine
from einnet.program import interplay
from einnet.program.interplay import Rewritten, candidates_of, rewrite_program
from einnet.verify.plan import VerifiedProgram, verify_plan

GPU = Machine("gpu", product_rate=2e14, loop_rate=2e12, bandwidth=2.5e12, launch=3e-6)
"""A machine on which small operations cost their launch."""


def compounds(program: Program) -> list[str]:
    """The sums that run at inference and that no library operator could compute."""
    constants = constants_of(program)
    return [
        str(d.scope)
        for d in program.definitions
        if d.result.name not in constants and interplay._is_compound(d.scope)
    ]


def rewritten(program: Program, machine: Machine = CPU) -> Rewritten:
    """What the rewrites make of a program, proved equal to it."""
    found = rewrite_program(program, machine)
    assert isinstance(verify_plan(program, found.program), VerifiedProgram)
    assert found.program.inputs == program.inputs and found.program.outputs == program.outputs
    assert not compounds(found.program)
    return found


def running(program: Program) -> list[str]:
    """The expressions that are computed at inference and that are more than movements."""
    constants = constants_of(program)
    return [
        str(d.scope)
        for d in program.definitions
        if d.result.name not in constants and not is_movement(d.scope)
    ]


def unchanged(program: Program, machine: Machine = CPU) -> bool:
    found = rewritten(program, machine)
    return found == Rewritten(program, (), found.before, found.before)


POINTWISE = "L<n:1,f:{f},h:28,w:28> S<c:192> X[n,c,h,w] * W{i}[f,c]"
FILTERS = (64, 96, 16)
INCEPTION = {"X": (1, 192, 28, 28)} | {f"W{i}": (f, 192) for i, f in enumerate(FILTERS)}


def inception(*after: str, outputs: int | tuple[int, ...] = 3) -> Program:
    products = [POINTWISE.format(f=f, i=i) for i, f in enumerate(FILTERS)]
    return chain(
        *products, *after, inputs=INCEPTION, outputs=outputs, weights=("W0", "W1", "W2")
    )  # fmt: skip


RELUS = tuple(f"L<n:1,f:{f},h:28,w:28> relu(t{i}[n,f,h,w])" for i, f in enumerate(FILTERS))


def test_the_convolutions_of_an_inception_block_become_one():
    found = rewritten(inception(*RELUS), GPU)
    assert found.applied == ("merge op0, op1, op2",)
    assert found.after < 0.8 * found.before
    assert running(found.program) == [
        "L<n:1,f:176,h:28,w:28> S<c:192> X[n,c,h,w] * W0_merged[f,c]",
        *RELUS,
    ]
    slices = [str(d.scope) for d in found.program.definitions if is_movement(d.scope)]
    assert slices == [
        "L<n:1,f:64,h:28,w:28> t0_merged[n,f,h,w]",
        "L<n:1,f:96,h:28,w:28> t0_merged[n,f+64,h,w]",
        "L<n:1,f:16,h:28,w:28> t0_merged[n,f+160,h,w]",
    ]
    assert constants_of(found.program) == {"W0", "W1", "W2", "W0_merged"}


def test_a_small_gain_in_a_large_program_counts():
    reads = (3, *range(6, 45))
    more = [f"L<n:1,f:64,h:28,w:28> tanh(t{n}[n,f,h,w])" for n in reads]
    found = rewritten(inception(*RELUS, *more, outputs=(4, 5, 45)), GPU)
    assert found.applied == ("merge op0, op1, op2",)
    assert found.after > 0.9 * found.before


def test_slices_that_are_outputs_are_no_gain():
    assert unchanged(inception(), GPU)


def test_where_launches_cost_little_nothing_is_merged():
    assert unchanged(inception(*RELUS), CPU)


QKV = {"X": (128, 512)} | {f"W{i}": (512, 64) for i in range(3)}
QUERY = "L<t:128,f:64> S<c:512> X[t,c] * W{i}[c,f]"
ATTENTION = ("L<t:128,u:128> S<f:64> t0[t,f] * t1[u,f]", "L<u:128,f:64> relu(t2[u,f])")


def test_queries_keys_and_values_become_one_product_and_slices():
    texts = [QUERY.format(i=i) for i in range(3)]
    program = chain(*texts, *ATTENTION, inputs=QKV, outputs=2, weights=("W0", "W1", "W2"))
    found = rewritten(program, GPU)
    assert found.applied == ("merge op0, op1, op2",)
    assert running(found.program) == [
        "L<t:128,f:192> S<c:512> X[t,c] * W0_merged[c,f]",
        "L<t:128,u:128> S<f:64> t0[t,f] * t1[u,f]",
        ATTENTION[1],
    ]
    slices = [str(d.scope) for d in found.program.definitions if is_movement(d.scope)]
    assert slices == [f"L<t:128,f:64> t0_merged[t,{f}]" for f in ("f", "f+64", "f+128")]


def products(sizes: str, count: int = 3) -> tuple[list[str], dict[str, tuple[int, ...]]]:
    m, n, k = map(int, sizes.split("x"))
    texts = [f"L<m:{m},n:{n}> S<k:{k}> X{i}[m,k] * W{i}[k,n]" for i in range(count)]
    inputs = {f"X{i}": (m, k) for i in range(count)} | {f"W{i}": (k, n) for i in range(count)}
    return texts, inputs


def test_products_of_different_inputs_become_one_batched_product():
    texts, inputs = products("64x64x64")
    relus = [f"L<m:64,n:64> relu(t{i}[m,n])" for i in range(3)]
    program = chain(*texts, *relus, inputs=inputs, outputs=3, weights=("W0", "W1", "W2"))
    found = rewritten(program, GPU)
    assert found.applied == ("batch op0, op1, op2",)
    stack, product, *rest = running(found.program)
    assert stack.startswith("L<d0:3,d1:64,d2:64> X0[d1,d2] * [0 <= d0 < 1] + ")
    assert product == "L<b:3,m:64,n:64> S<k:64> X0_stacked[b,m,k] * W0_stacked[b,k,n]"
    assert rest == relus


def test_large_products_are_not_batched():
    texts, inputs = products("512x768x768")
    assert unchanged(chain(*texts, inputs=inputs, outputs=3, weights=("W0", "W1", "W2")))


def test_products_that_depend_on_each_other_are_not_batched():
    texts = ["L<m:8,n:8> S<k:8> X[m,k] * W[k,n]", "L<m:8,n:8> S<k:8> relu(t0[m,k]) * V[k,n]"]
    texts.insert(1, "L<m:8,n:8> relu(t0[m,n])")
    texts[2] = "L<m:8,n:8> S<k:8> t1[m,k] * V[k,n]"
    program = chain(*texts, inputs={"X": (8, 8), "W": (8, 8), "V": (8, 8)}, weights=("W", "V"))
    names = [name for name, _ in candidates_of(program, GPU)]
    assert not any(name.startswith(("batch", "merge")) for name in names)
    assert unchanged(program, GPU)


def test_three_matrices_are_associated_where_it_is_cheap():
    text = "L<m:10,p:10> S<k:1000,n:1000> A[m,k] * B[k,n] * C[n,p]"
    found = rewritten(chain(text, inputs={"A": (10, 1000), "B": (1000, 1000), "C": (1000, 10)}))
    assert found.applied == ("associate op0",)
    assert running(found.program) == [
        "L<m:10,n:1000> S<k:1000> A[m,k] * B[k,n]",
        "L<m:10,p:10> S<n:1000> t0_part[m,n] * C[n,p]",
    ]


CHAIN = (
    "L<m:1000,n:{n}> S<k:{k}> A[m,k] * B[k,n]",
    "L<m:1000,p:{p}> S<n:{n}> t0[m,n] * C[n,p]",
)


def products_in_a_row(
    n: int, k: int, p: int, *more: str, outputs: int | tuple[int, ...] = 1, weights: str = ""
) -> Program:
    texts = [text.format(n=n, k=k, p=p) for text in CHAIN]
    inputs = {"A": (1000, k), "B": (k, n), "C": (n, p)}
    return chain(*texts, *more, inputs=inputs, outputs=outputs, weights=tuple(weights))


def test_a_chain_of_definitions_is_associated_anew():
    found = rewritten(products_in_a_row(1000, 10, 10))
    assert found.applied == ("associate op1 with what it reads",)
    assert found.after < found.before / 10
    assert running(found.program) == [
        "L<p:10,k:10> S<n:1000> B[k,n] * C[n,p]",
        "L<m:1000,p:10> S<k:10> t1_part[p,k] * A[m,k]",
    ]


def test_constant_operands_of_a_chain_are_combined():
    found = rewritten(products_in_a_row(64, 64, 64, weights="BC"))
    assert found.applied == ("associate op1 with what it reads",)
    assert running(found.program) == ["L<m:1000,p:64> S<k:64> t1_part[p,k] * A[m,k]"]
    assert "t1_part" in constants_of(found.program)


def test_a_tensor_with_another_reader_is_not_composed_away():
    program = products_in_a_row(1000, 10, 10, "L<m:1000,n:1000> relu(t0[m,n])", outputs=(1, 2))
    assert unchanged(program)


def test_an_output_is_not_composed_away():
    assert unchanged(products_in_a_row(1000, 10, 10, outputs=2))


def test_an_output_that_is_merged_is_a_slice():
    texts, inputs = products("8x8x8")
    shared = [t.replace("X1", "X0").replace("X2", "X0") for t in texts]
    relus = [f"L<m:8,n:8> relu(t{i}[m,n])" for i in range(3)]
    program = chain(*shared, *relus, inputs=inputs, outputs=(3, 0, 4, 5))
    candidates = dict(candidates_of(program, GPU))
    merged = candidates["merge op0, op1, op2"]
    assert isinstance(verify_plan(program, merged), VerifiedProgram)
    first = merged.definition_of("t0")
    assert first is not None and is_movement(first.scope)


def test_a_tensor_that_an_opaque_operation_reads_is_still_there():
    program = products_in_a_row(1000, 10, 10)
    t0 = program.definitions[0].result
    y = Tensor("y", (3,))
    opaque = Opaque((y,), (t0,), "sort", 0)
    program = replace(
        program,
        statements=(*program.statements, opaque),
        outputs=(*program.outputs, y),
    )
    found = rewrite_program(program, CPU)
    assert found.program == program and found.applied == ()


CONVOLUTION = "L<n:1,f:64,h:28,w:28> S<c:64,r:3,s:3> "
IMAGE, KERNEL = "{}[n,c,h+r-1,w+s-1]", "{}[f,c,r,s]"
IMAGES = {"X": (1, 64, 28, 28), "Y": (1, 64, 28, 28)}
KERNELS = {"W": (64, 64, 3, 3), "V": (64, 64, 3, 3)}


def test_a_convolution_of_a_sum_stays():
    program = chain(
        "L<n:1,c:64,h:28,w:28> X[n,c,h,w] + Y[n,c,h,w]",
        CONVOLUTION + f"{IMAGE.format('t0')} * {KERNEL.format('W')}",
        inputs={**IMAGES, "W": KERNELS["W"]},
        weights=("W",),
    )
    assert unchanged(program)
    # The other form is there to be chosen.
    names = [name for name, _ in candidates_of(program, CPU)]
    assert names == ["distribute op1 over op0"]


def convolution_of_a_sum(images: str, kernels: str, weights: tuple[str, ...]) -> Program:
    terms = [
        f"{IMAGE.format(x)} * {KERNEL.format(w)}" for x, w in zip(images, kernels, strict=True)
    ]
    used = {**IMAGES, **KERNELS}
    inputs = {n: used[n] for n in sorted(set(images + kernels))}
    return chain(CONVOLUTION + " + ".join(terms), inputs=inputs, weights=weights)


def test_a_distributed_convolution_is_collected():
    found = rewritten(convolution_of_a_sum("XY", "WW", ("W",)))
    assert found.applied == ("collect terms of op0",)
    assert running(found.program) == [
        "L<d0:1,d1:64,d2:28,d3:28> X[d0,d1,d2,d3] + Y[d0,d1,d2,d3]",
        "L<n:1,f:64,h:28,w:28> S<c:64,r:3,s:3> t0_sum[n,c,h+r-1,s+w-1] * W[f,c,r,s]",
    ]


def test_a_sum_of_weights_is_computed_once():
    found = rewritten(convolution_of_a_sum("XX", "VW", ("V", "W")))
    assert found.applied == ("collect terms of op0",)
    assert running(found.program) == [
        "L<n:1,f:64,h:28,w:28> S<c:64,r:3,s:3> X[n,c,h+r-1,s+w-1] * t0_sum[f,c,r,s]"
    ]


def test_two_convolutions_in_one_sum_are_separated():
    found = rewritten(convolution_of_a_sum("XY", "VW", ("V", "W")))
    assert found.applied == ("separate terms of op0",)
    assert len(running(found.program)) == 3


def test_a_product_of_a_broadcast_sum_is_distributed():
    """What does not depend on the rows is computed for one row."""
    program = chain(
        "L<i:4000,k:512> a[k] + c[k] * d[k]",
        "L<i:4000,j:512> S<k:512> t0[i,k] * W[k,j]",
        inputs={"a": (512,), "c": (512,), "d": (512,), "W": (512, 512)},
    )
    found = rewritten(program)
    assert found.applied[0] == "distribute op1 over op0"
    assert found.after < found.before / 5
    assert "L<j:512> S<k:512> a[k] * W[k,j]" in running(found.program)


def test_a_normalisation_is_folded_into_the_convolution_that_reads_it():
    program = chain(
        "L<n:1,c:64,h:28,w:28> X[n,c,h,w] * scale[c] + shift[c]",
        CONVOLUTION + f"{IMAGE.format('t0')} * {KERNEL.format('W')}",
        inputs={"X": (1, 64, 28, 28), "scale": (64,), "shift": (64,), "W": KERNELS["W"]},
        weights=("scale", "shift", "W"),
    )
    distributed = dict(candidates_of(program, CPU))["distribute op1 over op0"]
    assert isinstance(verify_plan(program, distributed), VerifiedProgram)
    # What remains is a convolution with scaled weights and the addition of a constant.
    assert len(running(distributed)) == 2


def test_a_row_scaling_is_fused_with_what_it_scales():
    text = "L<m:64,n:512> S<k:512> v[m] * A[m,k] * B[k,n]"
    found = rewritten(chain(text, inputs={"A": (64, 512), "B": (512, 512), "v": (64,)}))
    assert running(found.program)[1] == "L<m:64,n:512> S<k:512> t0_part[m,k] * B[k,n]"


def test_products_of_products_in_one_sum_are_taken_apart():
    text = "L<i:6,j:5> S<k:4,l:3> A[i,k] * B[k,l] * C[l,j] + A[i,k] * D[k] * C[l,j]"
    inputs = {"A": (6, 4), "B": (4, 3), "C": (3, 5), "D": (4,)}
    found = rewritten(chain(text, inputs=inputs))
    assert found.applied == ("separate terms of op0",)
    assert len(running(found.program)) == 5


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Products, sums of products and sums over a few matrices, several of them compounds; some
    tensors are read often, some are outputs, some are weights."""
    n = draw(st.sampled_from((2, 3)))
    tensors = [f"M{k}" for k in range(draw(st.integers(2, 4)))]
    inputs = dict.fromkeys(tensors, (n, n))
    weights = tuple(draw(st.lists(st.sampled_from(tensors), unique=True, max_size=3)))
    texts: list[str] = []
    for number in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(("product", "product", "long", "sum", "compound", "relu")))
        indices = {
            "product": ["[i,k]", "[k,j]"],
            "long": ["[i,k]", "[k,l]", "[l,j]"],
            "compound": ["[i,k]", "[k,j]"],
        }.get(kind, ["[i,j]"])
        terms = draw(st.integers(2, 3)) if kind in ("sum", "compound") else 1
        body = " + ".join(
            " * ".join(draw(st.sampled_from(tensors)) + index for index in indices)
            for _ in range(terms)
        )
        guard = " * [(i+k) mod 2 = 0]" if kind == "product" and draw(st.booleans()) else ""
        body = f"relu({body})" if kind == "relu" else body + guard
        names = [x for x in "kl" if x in "".join(indices)]
        sums = f"S<{','.join(f'{x}:{n}' for x in names)}> " if names else ""
        texts.append(f"L<i:{n},j:{n}> {sums}{body}")
        tensors.append(f"t{number}")
    last = len(texts) - 1
    more = draw(st.lists(st.integers(0, last), unique=True, max_size=2))
    outputs = tuple(dict.fromkeys((last, *more)))
    return chain(*texts, inputs=inputs, outputs=outputs, weights=weights)


MACHINES = (CPU, GPU, Machine("toy", product_rate=4.0, loop_rate=1.0, bandwidth=9.0, launch=0.1))


@given(programs(), st.sampled_from(MACHINES))
def test_random_programs(program: Program, machine: Machine):
    found = rewrite_program(program, machine)
    check_program(found.program)
    assert found.program.outputs == program.outputs and found.program.inputs == program.inputs
    assert not compounds(found.program)
    assert rewrite_program(found.program, machine).applied == ()
    before = run_plan(program.statements, program.inputs)
    after = run_plan(found.program.statements, program.inputs)
    for tensor in program.outputs:
        assert (before[tensor.name] == after[tensor.name]).all()


@given(programs(), st.sampled_from(MACHINES))
def test_what_an_edit_saves_is_the_difference_of_the_estimates(program: Program, machine: Machine):
    view = interplay._View(without_dead(program), machine)
    for edit in interplay._edits(view):
        gain = view.gain(edit)
        if gain is not None:
            after = view.apply(edit)
            assert after is not None, "nothing here has effects"
            saved = interplay.estimate(view.program, machine) - interplay.estimate(after, machine)
            assert gain[1] == pytest.approx(saved), edit.name


@given(programs())
def test_every_rewrite_that_is_offered_is_equal(program: Program):
    before = run_plan(program.statements, program.inputs)
    for name, candidate in candidates_of(program, GPU):
        check_program(candidate)
        after = run_plan(candidate.statements, candidate.inputs)
        for tensor in program.outputs:
            assert (before[tensor.name] == after[tensor.name]).all(), name


def test_a_lost_output_is_found(monkeypatch: pytest.MonkeyPatch):
    """A chain through an output, and dead code that forgets all outputs but the first."""

    def used_once(program: Program) -> dict[str, int]:
        return {t.name: 1 for d in program.definitions for t in (d.result, *d.operands)}

    def without_others(program: Program) -> Program:
        read = {t.name for d in program.definitions for t in d.operands}
        kept = (d for d in program.definitions if d.result == program.outputs[0])
        kept = (*(d for d in program.definitions if d.result.name in read), *kept)
        return replace(program, statements=kept)

    monkeypatch.setattr(interplay, "uses_of", used_once)
    monkeypatch.setattr(interplay, "without_dead", without_others)
    found = rewrite_program(products_in_a_row(1000, 10, 10, outputs=(1, 0)), CPU)
    with pytest.raises(MalformedError, match="t0"):
        check_program(found.program)
