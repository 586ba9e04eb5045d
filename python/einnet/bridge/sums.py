"""Arithmetic on bodies: sums of products, and functions of them.

Rounding is not part of the language: numbers are real numbers, and each operation must be sound for
them.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from einnet.bridge.guards import Conjunction, conjunction
from einnet.bridge.refusal import NotExpressible
from einnet.bridge.values import Comparison, number_body
from einnet.expr.index import Ranges
from einnet.expr.nodes import Body, Call, Term

TERM_LIMIT = 512
"""A body with more terms than this stays opaque: products of sums grow fast."""


def add(a: Body, b: Body) -> Body:
    return (*a, *b)


def negate(a: Body) -> Body:
    return scale(a, Fraction(-1))


def scale(a: Body, factor: Fraction) -> Body:
    return tuple(Term(t.factors, t.guards, t.coefficient * factor) for t in a)


def multiply(a: Body, b: Body) -> Body:
    if len(a) * len(b) > TERM_LIMIT:
        raise NotExpressible(f"a product of sums with more than {TERM_LIMIT} terms")
    return tuple(
        Term(x.factors + y.factors, x.guards + y.guards, x.coefficient * y.coefficient)
        for x in a
        for y in b
    )


def guarded(body: Body, guards: Conjunction) -> Body:
    """The body where the guards hold, 0 elsewhere."""
    return tuple(Term(t.factors, guards + t.guards, t.coefficient) for t in body)


def collected(body: Body, ranges: Ranges) -> Body:
    """Guards simplified, terms that never hold dropped, equal ones added up."""
    sums: dict[tuple[object, Conjunction], Term] = {}
    for term in body:
        guards = conjunction(term.guards, ranges)
        if guards is None:
            continue
        key = (term.factors, guards)
        coefficient = term.coefficient + (sums[key].coefficient if key in sums else 0)
        sums[key] = Term(term.factors, guards, coefficient)
    return tuple(t for t in sums.values() if t.coefficient)


def limited(body: Body, ranges: Ranges) -> Body:
    """`collected`, refused if it stays too long."""
    body = collected(body, ranges)
    if len(body) > TERM_LIMIT:
        raise NotExpressible(f"a sum of more than {TERM_LIMIT} terms")
    return body


def number_of(body: Body) -> Fraction | None:
    """The number that a body is, None if it depends on anything."""
    if not body:
        return Fraction(0)
    if len(body) == 1 and not body[0].factors and not body[0].guards:
        return body[0].coefficient
    return None


def _call(function: str, *arguments: Body) -> Body:
    return (Term((Call(function, arguments),)),)


def _relu(a: Body) -> Body:
    return _call("relu", a)


def _maximum(a: Body, b: Body) -> Body:
    if not a:
        return _relu(b)
    return _call("maximum", a, b) if b else _relu(a)


def _minimum(a: Body, b: Body) -> Body:
    return _call("minimum", a, b)


def _reciprocal(a: Body) -> Body:
    number = number_of(a)
    if number == 0:
        raise NotExpressible("a division by zero")
    if number is not None:
        return number_body(1 / number)
    growth = [t for t in a if t.factors]
    # 1 / (1 + exp(-x)) has a name of its own.
    if len(a) == 2 and len(growth) == 1 and Term() in a:
        (term,) = growth
        if term.coefficient == 1 and not term.guards and len(term.factors) == 1:
            (call,) = term.factors
            if isinstance(call, Call) and call.function == "exp":
                return _call("sigmoid", negate(call.arguments[0]))
    return _call("reciprocal", a)


def _divide(a: Body, b: Body) -> Body:
    return multiply(a, _reciprocal(b))


def _subtract(a: Body, b: Body) -> Body:
    return add(a, negate(b))


def power(a: Body, b: Body) -> Body:
    """`a` to the power of a number that has a name or is a product."""
    exponent = number_of(b)
    if exponent == 2:
        return multiply(a, a)
    if exponent == 3:
        return multiply(a, multiply(a, a))
    if exponent == Fraction(1, 2):
        return _call("sqrt", a)
    if exponent == Fraction(-1, 2):
        return _call("rsqrt", a)
    if exponent == -1:
        return _reciprocal(a)
    raise NotExpressible("a power other than 2, 3, 1/2, -1/2 and -1")


def _multiply_add(a: Body, b: Body, c: Body) -> Body:
    return add(multiply(a, b), c)


def _calling(function: str) -> Callable[..., Body]:
    def call(a: Body) -> Body:
        return _call(function, a)

    return call


ON_DATA: dict[str, Callable[..., Body]] = {
    "arith.addf": add,
    "arith.subf": _subtract,
    "arith.mulf": multiply,
    "arith.negf": negate,
    "arith.divf": _divide,
    "arith.maximumf": _maximum,
    "arith.maxnumf": _maximum,
    "arith.minimumf": _minimum,
    "arith.minnumf": _minimum,
    "math.fma": _multiply_add,
    "math.powf": power,
    "math.tanh": _calling("tanh"),
    "math.exp": _calling("exp"),
    "math.log": _calling("log"),
    "math.sqrt": _calling("sqrt"),
    "math.rsqrt": _calling("rsqrt"),
    "math.erf": _calling("erf"),
    "math.absf": _calling("abs"),
}

ELEMENTWISE = frozenset(ON_DATA)
"""Operations that also exist on whole tensors, element by element."""


def compare_data(predicate: int, a: Body, b: Body) -> Comparison:
    """`arith.cmpf`, with oeq ogt oge olt ole one ord as 1..7 and their unordered twins as 8..14."""
    match predicate:
        case 2 | 3 | 9 | 10:
            return Comparison(a, b, greater=True)
        case 4 | 5 | 11 | 12:
            return Comparison(a, b, greater=False)
        case _:
            raise NotExpressible("a comparison of data for equality or order")


def select_by_data(condition: Comparison, yes: Body, no: Body) -> Body:
    """`left > right ? yes : no` where that is a continuous function of left and right."""
    left, right = condition.left, condition.right
    if not condition.greater:
        left, right = right, left
    if (yes, no) == (left, right):
        return _maximum(left, right)
    if (yes, no) == (right, left):
        return _minimum(left, right)
    if not right and yes == left:
        slope = _slope(no, left)
        if slope is not None:
            # A leaky relu: relu(x) - slope * relu(-x).
            return add(_relu(left), scale(_relu(negate(left)), -slope))
    if not left and no == right:
        slope = _slope(yes, right)
        if slope is not None:
            return add(_relu(right), scale(_relu(negate(right)), -slope))
    raise NotExpressible("a select on data that is no relu, maximum or minimum")


def _slope(body: Body, of: Body) -> Fraction | None:
    """The constant factor by which `body` is a multiple of `of`."""
    if not body or len(body) != len(of):
        return None
    factor = body[0].coefficient / of[0].coefficient
    return factor if body == scale(of, factor) else None
