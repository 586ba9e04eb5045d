"""Programs in other precisions: the same expressions over other element types."""

from __future__ import annotations

from dataclasses import replace

import pytest

from einnet.errors import InputError
from einnet.expr.check import check_program
from einnet.expr.nodes import Tensor
from einnet.expr.program import Opaque, Program, constants_of, names_of
from einnet.operators.cost import h100
from einnet.options import PRECISIONS
from einnet.program.precision import STORAGE, in_precision
from einnet.program.subprograms import LIBRARIES, LIMITS, contractions_of, derive
from einnet.program.variants import variants


def types_of(program: Program) -> set[str]:
    """The element types of everything that is defined or read."""
    tensors = [*program.inputs, *program.outputs]
    for definition in program.definitions:
        tensors += [definition.result, *definition.operands]
    return {t.dtype for t in tensors}


def test_every_precision_has_a_type():
    assert set(STORAGE) == set(PRECISIONS)


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_full_precision_leaves_the_program(gan: Program, precision: str):
    assert in_precision(gan, precision) is gan


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", "f16"), ("bf16", "bf16")])
def test_half_precision_changes_types_alone(gan: Program, precision: str, dtype: str):
    machine = h100(precision)
    constants = constants_of(gan)
    subprograms = [
        derive(d, gan, constants, machine, LIMITS, 1, libraries=LIBRARIES["cuda"])
        for d in contractions_of(gan, constants)
    ]
    # Nested scopes, calls, library operators and constants.
    program = variants(gan, subprograms, 1)[0].program
    half = in_precision(program, precision)
    check_program(half)
    assert types_of(half) == {dtype} and names_of(half) == names_of(program)
    assert [d.library for d in half.definitions] == [d.library for d in program.definitions]
    assert [str(d.scope) for d in half.definitions] == [str(d.scope) for d in program.definitions]


def test_other_types_stay():
    wide, count = Tensor("wide", (3,), "f64"), Tensor("count", (3,), "i64")
    half = in_precision(Program("p", (wide, count), (), (wide,)), "fp16")
    assert half.inputs == (wide, count) and half.outputs == (wide,)


def test_an_operation_without_an_expression_has_no_other_type():
    x, i = Tensor("x", (3,)), Tensor("i", (3,), "i64")
    sort = Opaque((Tensor("y", (3,)),), (x,), "stablehlo.sort", 0)
    program = Program("p", (x, i), (sort,), sort.results)
    with pytest.raises(InputError, match=r"stablehlo\.sort cannot be computed in f16"):
        in_precision(program, "fp16")
    on_integers = replace(sort, results=(replace(i, name="y"),), operands=(i,))
    program = replace(program, statements=(on_integers,), outputs=on_integers.results)
    assert in_precision(program, "fp16").statements == (on_integers,)
