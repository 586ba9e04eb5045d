"""Elementary functions of f32 as polynomials, so that LLVM can vectorize the loop around them.

`tanhf`, `expf` and `erff` of libm are calls: one element at a time, and no vector loop at all.
Each approximation below is straight-line arithmetic. The coefficients are our own weighted
least-squares fits, iterated towards the minimax of the relative error in double precision; the
errors stated are of the f32 evaluation, over all of f32's range that matters, and are tested.
NaN gives NaN, infinities give their limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from mlir import ir
from mlir.dialects import arith, func

from einnet.codegen.cpu.walk import walk

# tanh x = x P(x^2) / Q(x^2) for |x| <= 9, where tanh rounds to 1; error below 4e-7 absolute.
_TANH_BOUND = 9.0
_TANH_P = (
    0.9999999794826506,
    0.13381025246056955,
    0.003495587638398583,
    2.0609074001021042e-05,
    1.3354650001572484e-08,
)
_TANH_Q = (
    1.0,
    0.4671434084570523,
    0.02587698038236135,
    0.000328563400236165,
    7.776553570444613e-07,
)
# erf x = x P(x^2) / Q(x^2) for |x| <= 4, where erf rounds to 1; error below 4e-7 absolute.
_ERF_BOUND = 4.0
_ERF_P = (
    1.1283790940657907,
    0.20712328882478714,
    0.05152461819317042,
    0.003990488431692613,
    0.00014728451674239887,
    -1.942308593358335e-06,
    1.911100433330913e-08,
)
_ERF_Q = (
    1.0,
    0.5168894840765982,
    0.11796993134610761,
    0.014957899921178252,
    0.0010210924571230021,
)
# exp r = 1 + r + r^2 G(r) for |r| <= ln(2)/2; relative error of exp below 2.5e-7.
_EXP_G = (
    0.4999999341243614,
    0.1666652010676486,
    0.04166839422179465,
    0.008368780509101847,
    0.0013814466644265465,
)
_EXP_OVERFLOW = 88.72283
# Below, 2^(n-1) has no normal representation: exp gives 0 where it is less than 2^-125.5.
_EXP_UNDERFLOW = -86.98
# ln 2 in two parts, the first with few bits so that n * _LN2_HIGH is exact for every exponent n.
_LN2_HIGH = 0.693359375
_LN2_LOW = math.log(2) - _LN2_HIGH
# Adding it to a small float leaves the nearest integer in the low bits of the mantissa.
_ROUNDER = 1.5 * 2.0**23


def approximate_math(function: func.FuncOp) -> None:
    """Replace `math.tanh`, `math.erf` and `math.exp` on f32 scalars in `function`."""
    for op in list(walk(function.operation)):
        build = _BUILDERS.get(op.name)
        if build is None or not isinstance(op.operands[0].type, ir.F32Type):
            continue
        with ir.InsertionPoint(op), op.location:
            value = build(op.operands[0])
        op.results[0].replace_all_uses_with(value)
        op.erase()


def _tanh(x: ir.Value) -> ir.Value:
    return _clamp(_odd_rational(_clamp(x, _TANH_BOUND), _TANH_P, _TANH_Q), 1.0)


def _erf(x: ir.Value) -> ir.Value:
    return _clamp(_odd_rational(_clamp(x, _ERF_BOUND), _ERF_P, _ERF_Q), 1.0)


def _exp(x: ir.Value) -> ir.Value:
    """2^n * exp(r) with x = n ln 2 + r."""
    i32 = ir.IntegerType.get_signless(32)
    f32 = ir.F32Type.get()
    shifted = arith.addf(arith.mulf(x, _float(1 / math.log(2))), _float(_ROUNDER))
    n = arith.subf(shifted, _float(_ROUNDER))
    r = arith.subf(arith.subf(x, arith.mulf(n, _float(_LN2_HIGH))), arith.mulf(n, _float(_LN2_LOW)))
    square = arith.mulf(r, r)
    series = arith.addf(arith.addf(arith.mulf(square, _horner(r, _EXP_G)), r), _float(1.0))
    # 2^(n-1), then times two: 2^128 alone would be infinite although exp x is not.
    exponent = arith.addi(arith.bitcast(i32, shifted), arith.constant(i32, 126))
    power = arith.bitcast(f32, arith.shli(exponent, arith.constant(i32, 23)))
    value = arith.mulf(arith.mulf(series, power), _float(2.0))
    value = _select("ogt", x, _EXP_OVERFLOW, _float(math.inf), value)
    return _select("olt", x, _EXP_UNDERFLOW, _float(0.0), value)


_BUILDERS: dict[str, Callable[[ir.Value], ir.Value]] = {
    "math.tanh": _tanh,
    "math.erf": _erf,
    "math.exp": _exp,
}


def _odd_rational(x: ir.Value, p: Sequence[float], q: Sequence[float]) -> ir.Value:
    square = arith.mulf(x, x)
    return arith.divf(arith.mulf(x, _horner(square, p)), _horner(square, q))


def _horner(x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
    *rest, leading = coefficients
    value = _float(leading)
    for coefficient in reversed(rest):
        value = arith.addf(arith.mulf(value, x), _float(coefficient))
    return value


def _clamp(x: ir.Value, bound: float) -> ir.Value:
    """To [-bound, bound]; the ordered comparisons let NaN through."""
    x = _select("ogt", x, bound, _float(bound), x)
    return _select("olt", x, -bound, _float(-bound), x)


def _select(
    predicate: str, x: ir.Value, bound: float, then: ir.Value, otherwise: ir.Value
) -> ir.Value:
    kind = {"ogt": arith.CmpFPredicate.OGT, "olt": arith.CmpFPredicate.OLT}[predicate]
    return arith.select(arith.cmpf(kind, x, _float(bound)), then, otherwise)


def _float(value: float) -> ir.Value:
    return arith.constant(ir.F32Type.get(), value)
