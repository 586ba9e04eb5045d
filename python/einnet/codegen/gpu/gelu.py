"""GELU in an expression: which of its forms the library's activation may stand for.

GELU(x) is `x/2 * (1 + erf(x/sqrt(2)))`, or, by tanh,
`x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715*x^3)))`. cuBLASLt documents no formula: it computes the
form by tanh, up to 5.4e-6 in f32, to which test/device/test_libraries.py holds it. Expressions have
their sums multiplied out, and constants as a model rounded them, so what is matched here is

    H + H * f(a*x + b*x^3)    with x = 2*H and f either tanh or erf

exactly, for any numbers a and b. How far that is from the form by tanh, at any x at all, is then
computed, and must, with the library's own error, be less than one rounding, in the program's
precision, of a number near 1. In f32 nothing is; TF32, f16 and bf16 allow all of these:

    4.7e-4   the form by erf
    5.1e-5   by tanh, with the 0.797724 that some importers have for sqrt(2/pi)
    7e-9     by tanh, with numbers rounded to f32
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

import numpy as np

from einnet.expr.functions import FUNCTIONS
from einnet.expr.nodes import Body, Call, Factor, Guard, Read, Tensor, Term

ALLOWED = {"fp32": 2.0**-23, "tf32": 2.0**-11, "fp16": 2.0**-11, "bf16": 2.0**-8}
"""How far what is computed may be from what is written, by the precision of a program."""

OWN_ERROR = 6e-6
"""How far the library's result may be from the form by tanh, rounding to f16 or bf16 aside."""

_FORMS = ("tanh", "erf")

_LONGEST = 4
"""Terms of an argument: its third power has as many to the third."""

_Monomial = tuple[tuple[Factor, ...], tuple[Guard, ...]]
_Polynomial = Mapping[_Monomial, Fraction]


def gelu_argument(body: Body, tensor: Tensor, precision: str) -> Body | None:
    """The x of which the body is GELU, as the library computes it up to what `precision` allows.

    x has one term that reads `tensor`, times a number. None if the body is not of this form.
    """
    calls = {f for t in body for f in t.factors if isinstance(f, Call) and f.function in _FORMS}
    if len(calls) != 1:
        return None
    (call,) = calls
    whole = _polynomial(body)
    inner = {m: c for m, c in whole.items() if call not in m[0]}
    with_call = [(m, c) for m, c in whole.items() if call in m[0]]
    outer = {
        (tuple(f for f in factors if f != call), guards): c for (factors, guards), c in with_call
    }
    once = all(factors.count(call) == 1 for (factors, _), _ in with_call)
    if not once or inner != outer:
        return None
    x = _scaled(inner, Fraction(2))
    coefficients = _odd_cubic(_polynomial(call.arguments[0]), x, tensor)
    if coefficients is None:
        return None
    linear, cubic = map(float, coefficients)
    if deviation(call.function, linear, cubic) + OWN_ERROR > ALLOWED[precision]:
        return None
    return tuple(Term(factors, guards, c) for (factors, guards), c in x.items())


@lru_cache
def deviation(function: str, linear: float, cubic: float) -> float:
    """The largest distance of `x/2 * (1 + function(linear*x + cubic*x^3))` from GELU by tanh."""
    # Both are smooth and, where |x| is larger, 0 or x; what is neither there differs here too.
    x = np.arange(-12.0, 12.0, 2.0**-7)
    own = FUNCTIONS[function].evaluate(linear * x + cubic * x**3)
    library = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return float(np.abs(x / 2 * (own - library)).max())


def _odd_cubic(
    argument: _Polynomial, x: _Polynomial, tensor: Tensor
) -> tuple[Fraction, Fraction] | None:
    """The a and b of `argument = a*x + b*x^3`; None if there are none."""
    reads = [m for m in x if any(isinstance(f, Read) and f.source == tensor for f in m[0])]
    if len(x) > _LONGEST or len(reads) != 1 or len(reads[0][0]) != 1 or reads[0][1]:
        return None
    ((read,), _), scale = reads[0], x[reads[0]]
    # Of all that x^3 is made of, only this one has the tensor three times.
    cubic = argument.get(((read, read, read), ()), Fraction(0)) / scale**3
    power = _times(x, _times(x, x)) if cubic else {}
    rest = argument.get(reads[0], Fraction(0)) - cubic * power.get(reads[0], Fraction(0))
    linear = rest / scale
    return (linear, cubic) if _sum(_scaled(x, linear), _scaled(power, cubic)) == argument else None


def _polynomial(body: Body) -> _Polynomial:
    """The body with equal products of factors as one, and reciprocals of numbers as numbers."""
    found: dict[_Monomial, Fraction] = {}
    for term in body:
        coefficient = term.coefficient
        factors: list[Factor] = []
        for factor in term.factors:
            number = _reciprocal(factor)
            if number is None:
                factors.append(factor)
            else:
                coefficient *= number
        monomial = _sorted(tuple(factors), term.guards)
        found[monomial] = found.get(monomial, Fraction(0)) + coefficient
    return _without_zeros(found)


def _reciprocal(factor: Factor) -> Fraction | None:
    """The value of a reciprocal of a number."""
    if isinstance(factor, Call) and factor.function == "reciprocal":
        (argument,) = factor.arguments
        number = sum((t.coefficient for t in argument), Fraction(0))
        if number and all(t == Term(coefficient=t.coefficient) for t in argument):
            return 1 / number
    return None


def _times(a: _Polynomial, b: _Polynomial) -> _Polynomial:
    found: dict[_Monomial, Fraction] = {}
    for (f, p), c in a.items():
        for (g, q), d in b.items():
            monomial = _sorted(f + g, p + q)
            found[monomial] = found.get(monomial, Fraction(0)) + c * d
    return _without_zeros(found)


def _sum(a: _Polynomial, b: _Polynomial) -> _Polynomial:
    return _without_zeros({m: a.get(m, Fraction(0)) + b.get(m, Fraction(0)) for m in {*a, *b}})


def _scaled(a: _Polynomial, number: Fraction) -> _Polynomial:
    return _without_zeros({m: c * number for m, c in a.items()})


def _without_zeros(a: Mapping[_Monomial, Fraction]) -> _Polynomial:
    return {m: c for m, c in a.items() if c}


def _sorted(factors: tuple[Factor, ...], guards: tuple[Guard, ...]) -> _Monomial:
    return tuple(sorted(factors, key=repr)), tuple(sorted(set(guards), key=repr))
