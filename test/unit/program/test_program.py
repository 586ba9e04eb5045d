from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from einnet.expr.check import check_program
from einnet.expr.nodes import Call, Tensor, factors_of
from einnet.expr.program import Definition, Program, constants_of, results_of, splice
from einnet.expr.text import parse_scope
from einnet.operators.cost import CPU
from einnet.program.folding import fold_constants
from einnet.program.fusion import fuse_eoperators
from einnet.program.subprograms import contractions_of, derive
from einnet.search.converge import Limits

Evaluate = Callable[[Program], NDArray[np.float64]]


def derived(program: Program) -> Program:
    """The program with the cheapest derived plan of each contraction."""
    constants = constants_of(program)
    plans = {
        d.result.name: derive(d, program, constants, CPU, Limits(), 1).candidates[0].statements
        for d in contractions_of(program, constants)
    }
    return splice(program, plans)


def test_contractions_are_the_transposed_convolutions(gan: Program):
    names = [d.result.name for d in contractions_of(gan, constants_of(gan))]
    assert names == ["y0", "y1", "y2"]


def test_candidates_are_derived_plans_and_the_original_last(gan: Program):
    constants = constants_of(gan)
    definition = contractions_of(gan, constants)[1]
    subprogram = derive(definition, gan, constants, CPU, Limits(), 2)
    assert [c.is_original for c in subprogram.candidates] == [False, False, True]
    assert subprogram.candidates[0].operator == "matmul 8x64x6"
    estimates = [c.estimate for c in subprogram.candidates[:-1]]
    assert estimates == sorted(estimates)
    shapes = {
        tuple(results_of(s)[0].shape for s in c.statements[-2:]) for c in subprogram.candidates[:-1]
    }
    assert len(shapes) == 2, "candidates that differ in nothing"


def test_each_pass_keeps_the_meaning(gan: Program, evaluate: Evaluate):
    expected = evaluate(gan)
    for step in (derived, fuse_eoperators, fold_constants):
        gan = step(gan)
        check_program(gan)
        np.testing.assert_allclose(evaluate(gan), expected, rtol=1e-12)


def test_the_generator_becomes_products_and_one_eoperator_between(gan: Program):
    optimized = fold_constants(fuse_eoperators(derived(gan)))
    constants = constants_of(optimized)
    running = [d for d in optimized.definitions if d.result.name not in constants]
    kinds = ["product" if d.library else "eoperator" for d in running]
    # The first eOperator is the reshape of the input, the last applies tanh.
    assert kinds == ["eoperator", "product"] * 3 + ["eoperator"]


def test_batch_normalisation_becomes_a_scale_and_a_shift(gan: Program):
    optimized = fold_constants(fuse_eoperators(derived(gan)))
    constants = constants_of(optimized)
    activation = next(d for d in optimized.definitions if d.result.name == "y1_a")
    read = [t.name for t in activation.operands if t.name in constants]
    assert len(read) == 2 and all(name not in gan.weights for name in read)
    calls = [f.function for f in factors_of(activation.scope.body) if isinstance(f, Call)]
    assert calls == ["relu"], "the root of the variance is computed at inference"


def chain(*texts: str, inputs: dict[str, tuple[int, ...]], outputs: int = 1) -> Program:
    """A program of definitions `t0`, `t1`, ... from their expressions."""
    tensors = {name: Tensor(name, shape) for name, shape in inputs.items()}
    given = tuple(tensors.values())
    statements: list[Definition] = []
    for number, text in enumerate(texts):
        scope = parse_scope(text, tensors)
        tensors[f"t{number}"] = Tensor(f"t{number}", scope.extents)
        statements.append(Definition(tensors[f"t{number}"], scope))
    results = tuple(s.result for s in statements[-outputs:])
    return Program("main", given, tuple(statements), results)


def test_a_tensor_with_two_readers_stays():
    program = chain(
        "L<i:4> tanh(X[i])", "L<i:4> t0[i] + 1", "L<i:4> t0[i] * t1[i]", inputs={"X": (4,)}
    )
    fused = fuse_eoperators(program)
    assert [d.result.name for d in fused.definitions] == ["t0", "t2"]


def test_nothing_is_computed_twice_for_a_reader_that_visits_an_element_often():
    program = chain("L<i:4> tanh(X[i])", "L<i:4,j:8> t0[i] * Y[j]", inputs={"X": (4,), "Y": (8,)})
    assert fuse_eoperators(program) == program


def test_an_output_is_not_fused_away():
    program = chain("L<i:4> tanh(X[i])", "L<i:4> t0[i] + 1", inputs={"X": (4,)}, outputs=2)
    assert fuse_eoperators(program) == program


def test_a_long_sum_is_not_evaluated_inside_another_body():
    texts = ("L<i:4> S<k:{n}> X[i,k]", "L<i:4> tanh(t0[i])")
    short = chain(texts[0].format(n=64), texts[1], inputs={"X": (4, 64)})
    long = chain(texts[0].format(n=65), texts[1], inputs={"X": (4, 65)})
    assert len(fuse_eoperators(short).definitions) == 1
    assert fuse_eoperators(long) == long


def test_folding_leaves_a_single_constant_read_alone():
    program = chain("L<i:4> tanh(X[i]) + B[i]", inputs={"X": (4,), "B": (4,)})
    program = replace(program, weights=frozenset({"B"}))
    assert fold_constants(program) == program


def test_folding_keeps_guards_apart(evaluate: Evaluate):
    text = "L<i:6> X[i] * A[i] * B[i] * [0 <= i < 3] + X[i] * A[i] * A[i] * [i mod 2 = 0]"
    program = chain(text, inputs={"X": (6,), "A": (6,), "B": (6,)})
    program = replace(program, weights=frozenset({"A", "B"}))
    folded = fold_constants(program)
    assert len(folded.definitions) == 3
    np.testing.assert_allclose(evaluate(folded), evaluate(program), rtol=1e-12)
