"""Elementary functions of f32 as straight-line arithmetic: polynomials and one division.

No library is called, so that loops vectorize and GPU kernels need no libdevice. The coefficients
are our own weighted least-squares fits, iterated towards the minimax of the relative error in
double precision; the errors stated are of the f32 evaluation, over all of f32's range that
matters, and are tested. NaN gives NaN, infinities give their limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlir import ir
from mlir.dialects import arith

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
# log(1+f) = f - f^2/2 + f^3 Q(f) for 1+f between sqrt(1/2) and sqrt 2; relative error below 3e-7.
_LOG_Q = (
    0.3333391074400983,
    -0.25001337053813333,
    0.19963063496588723,
    -0.16577584042562676,
    0.14914770824179496,
    -0.14267493131308048,
    0.08700434858024661,
)
_SQRT_HALF = 0.70710677
_LEAST_NORMAL = 2.0**-126


@dataclass(frozen=True)
class Approximations:
    """Builds the functions at the insertion point; all arithmetic carries these fast-math flags.

    They stay within their errors under `contract`, and under `afn` within the error of a division
    more; no other flag is theirs to bear.
    """

    flags: arith.FastMathFlags = arith.FastMathFlags.none

    def tanh(self, x: ir.Value) -> ir.Value:
        return _clamp(self._odd_rational(_clamp(x, _TANH_BOUND), _TANH_P, _TANH_Q), 1.0)

    def erf(self, x: ir.Value) -> ir.Value:
        return _clamp(self._odd_rational(_clamp(x, _ERF_BOUND), _ERF_P, _ERF_Q), 1.0)

    def exp(self, x: ir.Value) -> ir.Value:
        """2^n * exp(r) with x = n ln 2 + r."""
        i32 = ir.IntegerType.get_signless(32)
        shifted = self._add(self._multiply(x, _float(1 / math.log(2))), _float(_ROUNDER))
        n = self._subtract(shifted, _float(_ROUNDER))
        r = self._subtract(x, self._multiply(n, _float(_LN2_HIGH)))
        r = self._subtract(r, self._multiply(n, _float(_LN2_LOW)))
        square = self._multiply(r, r)
        series = self._add(self._multiply(square, self._horner(r, _EXP_G)), r)
        series = self._add(series, _float(1.0))
        # 2^(n-1), then times two: 2^128 alone would be infinite although exp x is not.
        exponent = arith.addi(arith.bitcast(i32, shifted), arith.constant(i32, 126))
        power = arith.bitcast(_f32(), arith.shli(exponent, arith.constant(i32, 23)))
        value = self._multiply(self._multiply(series, power), _float(2.0))
        value = _select("ogt", x, _EXP_OVERFLOW, _float(math.inf), value)
        return _select("olt", x, _EXP_UNDERFLOW, _float(0.0), value)

    def log(self, x: ir.Value) -> ir.Value:
        """n ln 2 + log(1+f) with x = 2^n (1+f)."""
        i32 = ir.IntegerType.get_signless(32)
        tiny = arith.cmpf(arith.CmpFPredicate.OLT, x, _float(_LEAST_NORMAL))
        scaled = arith.select(tiny, self._multiply(x, _float(2.0**23)), x)
        offset = arith.select(tiny, _float(-23.0), _float(0.0))
        # Of the bits less those of sqrt(1/2), the exponent field is n and the rest belongs to f.
        bits = arith.bitcast(i32, scaled)
        half = arith.bitcast(i32, _float(_SQRT_HALF))
        steps = arith.shrsi(arith.subi(bits, half), arith.constant(i32, 23))
        mantissa = arith.subi(bits, arith.shli(steps, arith.constant(i32, 23)))
        n = self._add(arith.sitofp(_f32(), steps), offset)
        f = self._subtract(arith.bitcast(_f32(), mantissa), _float(1.0))
        square = self._multiply(f, f)
        tail = self._add(self._multiply(f, self._horner(f, _LOG_Q)), _float(-0.5))
        series = self._add(self._multiply(square, tail), self._multiply(n, _float(_LN2_LOW)))
        value = self._add(self._add(series, f), self._multiply(n, _float(_LN2_HIGH)))
        value = _select("oeq", x, math.inf, _float(math.inf), value)
        value = _select("oeq", x, 0.0, _float(-math.inf), value)
        # Of what is left, negative numbers and NaN are not at least 0.
        return _select("oge", x, 0.0, value, _float(math.nan))

    def _odd_rational(self, x: ir.Value, p: Sequence[float], q: Sequence[float]) -> ir.Value:
        square = self._multiply(x, x)
        numerator = self._multiply(x, self._horner(square, p))
        return arith.divf(numerator, self._horner(square, q), fastmath=self.flags)

    def _horner(self, x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
        *rest, leading = coefficients
        value = _float(leading)
        for coefficient in reversed(rest):
            value = self._add(self._multiply(value, x), _float(coefficient))
        return value

    def _add(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.addf(a, b, fastmath=self.flags)

    def _subtract(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.subf(a, b, fastmath=self.flags)

    def _multiply(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.mulf(a, b, fastmath=self.flags)


def _clamp(x: ir.Value, bound: float) -> ir.Value:
    """To [-bound, bound]; the ordered comparisons let NaN through."""
    x = _select("ogt", x, bound, _float(bound), x)
    return _select("olt", x, -bound, _float(-bound), x)


_PREDICATES = {
    "ogt": arith.CmpFPredicate.OGT,
    "olt": arith.CmpFPredicate.OLT,
    "oeq": arith.CmpFPredicate.OEQ,
    "oge": arith.CmpFPredicate.OGE,
}


def _select(
    predicate: str, x: ir.Value, bound: float, then: ir.Value, otherwise: ir.Value
) -> ir.Value:
    return arith.select(arith.cmpf(_PREDICATES[predicate], x, _float(bound)), then, otherwise)


def _f32() -> ir.Type:
    return ir.F32Type.get()


def _float(value: float) -> ir.Value:
    return arith.constant(_f32(), value)
