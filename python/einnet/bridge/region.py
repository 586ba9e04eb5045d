"""The symbolic value of scalar operations in a region: sums of products, positions, conditions.

A region computes one element from elements of tensors. Here every value in it is one of four
kinds: `Data`, a body of the expression language; `Position`, an integer computed from the loops;
`Truth`, a condition on such integers; `Comparison`, a condition on data, which only a `select`
that amounts to relu, maximum or minimum can use. Rounding is not part of the language: numbers
are real numbers, and each operation must be sound for them. A number that is rounded and then used
in a wider type is refused: programs compute with what the rounding leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from mlir import ir

from einnet.bridge.constants import constant_of, rounded
from einnet.bridge.guards import Conjunction, conjunction, negation, union
from einnet.bridge.refusal import NotExpressible
from einnet.expr.index import FloorDiv, Index, Ranges, bounds, constant, floordiv, linear, mod
from einnet.expr.nodes import Body, Call, Read, Residue, Tensor, Term, Within
from einnet.expr.transform import residue

TERM_LIMIT = 512
"""A body with more terms than this stays opaque: products of sums grow fast."""

PIECE_LIMIT = 16
"""An integer or a condition with more cases than this stays opaque."""


@dataclass(frozen=True)
class Data:
    """A number computed from elements of tensors."""

    body: Body


@dataclass(frozen=True)
class Position:
    """An integer by cases: exactly one conjunction holds at each point of the loops."""

    cases: tuple[tuple[Conjunction, Index], ...]


@dataclass(frozen=True)
class Truth:
    """A condition on positions: it holds where one of the conjunctions holds, never two."""

    cases: tuple[Conjunction, ...]


@dataclass(frozen=True)
class Comparison:
    """`left > right` for `greater`, else `left < right`; what happens at equality is left open."""

    left: Body
    right: Body
    greater: bool


Scalar = Data | Position | Truth | Comparison
NameOf = Callable[[ir.Value], Tensor]


@dataclass(frozen=True)
class Region:
    """What a region's operations may refer to: loops with their ranges, and tensors outside."""

    loops: tuple[Index, ...]
    ranges: Ranges
    name_of: NameOf


def evaluate_block(
    block: ir.Block, arguments: Iterable[Scalar], region: Region
) -> tuple[Scalar, ...]:
    """The values that the block's terminator yields.

    Raises NotExpressible for an operation that has no such value.
    """
    if any(r.hi <= r.lo for r in region.ranges.values()):
        raise NotExpressible("a loop over nothing")
    values: dict[ir.Value, Scalar] = dict(zip(block.arguments, arguments, strict=True))
    for view in block.operations:
        operation = view.operation
        if operation.name in ("linalg.yield", "tensor.yield"):
            return tuple(value_of(v, values) for v in operation.operands)
        if operation.name == "cf.assert":
            continue  # It holds, by contract of whoever wrote it.
        values[operation.results[0]] = evaluate_operation(operation, values, region)
    raise NotExpressible("the region has no yield")


def evaluate_operation(
    operation: ir.Operation, values: Mapping[ir.Value, Scalar], region: Region
) -> Scalar:
    """The value of one operation whose operands are in `values` or constants."""
    name = operation.name
    if name == "arith.constant":
        return _constant(operation.results[0])
    if name == "linalg.index":
        return Position((((), region.loops[ir.IntegerAttr(operation.attributes["dim"]).value]),))
    if name == "tensor.extract":
        return _extract(operation, values, region)
    operands = [value_of(v, values) for v in operation.operands]
    if name == "arith.select":
        return _select(operands, region.ranges)
    if name == "arith.cmpi":
        predicate = ir.IntegerAttr(operation.attributes["predicate"]).value
        left, right = _positions(name, operands)
        return _compare(predicate, left, right, region.ranges)
    if name == "arith.cmpf":
        predicate = ir.IntegerAttr(operation.attributes["predicate"]).value
        left, right = _bodies(name, operands)
        return _compare_data(predicate, left, right)
    if name in _CASTS:
        return _cast(operation, operands[0], region.ranges)
    if all(isinstance(o, Truth) for o in operands) and name in _LOGIC:
        return _logic(name, [o for o in operands if isinstance(o, Truth)], region.ranges)
    if name in _ON_POSITIONS:
        left, right = _positions(name, operands)
        return _in_width(_arithmetic(name, left, right, region.ranges), operation, region.ranges)
    if name == "math.fpowi":
        base, (exponent,) = operands[0], _positions(name, operands[1:])
        (body,) = _bodies(name, [base])
        return Data(_limited(_power(body, data_body(exponent)), region.ranges))
    if name in _ON_DATA:
        return Data(_limited(_ON_DATA[name](*_bodies(name, operands)), region.ranges))
    raise NotExpressible(f"{name} is not part of the expression language")


def value_of(value: ir.Value, values: Mapping[ir.Value, Scalar]) -> Scalar:
    """The value of an operand: computed in the region, or a constant from outside."""
    known = values.get(value)
    return known if known is not None else _constant(value)


def _constant(value: ir.Value) -> Scalar:
    if isinstance(value.type, ir.ShapedType):
        raise NotExpressible("a tensor as an operand of a scalar operation")
    number = constant_of(value)
    if number is None:
        raise NotExpressible(f"a scalar of type {value.type} that is no finite constant")
    if isinstance(value.type, ir.FloatType):
        return Data(number_body(number))
    if isinstance(value.type, ir.IntegerType) and value.type.width == 1:
        return Truth(((),) if number else ())
    return Position((((), constant(int(number))),))


def number_body(number: Fraction) -> Body:
    return (Term(coefficient=number),) if number else ()


def data_body(value: Scalar) -> Body:
    """The body of a value that is yielded. Raises NotExpressible if it is no number."""
    if isinstance(value, Data):
        return value.body
    if isinstance(value, Position) and all(i.is_constant for _, i in value.cases):
        return tuple(Term((), g, Fraction(i.const)) for g, i in value.cases if i.const)
    raise NotExpressible("the loops' position, or a condition, is used as a number")


def _bodies(name: str, operands: list[Scalar]) -> list[Body]:
    for operand in operands:
        if not isinstance(operand, Data):
            raise NotExpressible(f"{name} on a value that is no sum of products")
    return [data_body(o) for o in operands]


def _positions(name: str, operands: list[Scalar]) -> list[Position]:
    positions = [o for o in operands if isinstance(o, Position)]
    if len(positions) != len(operands):
        raise NotExpressible(f"{name} on integers that depend on data")
    return positions


# Sums of products ---------------------------------------------------------------------------


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


def _limited(body: Body, ranges: Ranges) -> Body:
    body = collected(body, ranges)
    if len(body) > TERM_LIMIT:
        raise NotExpressible(f"a sum of more than {TERM_LIMIT} terms")
    return body


def _number(body: Body) -> Fraction | None:
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
    number = _number(a)
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


def _power(a: Body, b: Body) -> Body:
    exponent = _number(b)
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


_ON_DATA: dict[str, Callable[..., Body]] = {
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
    "math.powf": _power,
    "math.tanh": _calling("tanh"),
    "math.exp": _calling("exp"),
    "math.log": _calling("log"),
    "math.sqrt": _calling("sqrt"),
    "math.rsqrt": _calling("rsqrt"),
    "math.erf": _calling("erf"),
    "math.absf": _calling("abs"),
}

ELEMENTWISE = frozenset(_ON_DATA)
"""Operations that also exist on whole tensors, element by element."""


# Reads --------------------------------------------------------------------------------------


def _extract(operation: ir.Operation, values: Mapping[ir.Value, Scalar], region: Region) -> Scalar:
    """`tensor.extract`, whose index is inside by contract."""
    type_ = operation.operands[0].type
    if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape:
        raise NotExpressible(f"a read of an element of {type_}")
    source = region.name_of(operation.operands[0])
    index = _positions(operation.name, [value_of(v, values) for v in operation.operands[1:]])
    cases: list[tuple[Conjunction, tuple[Index, ...]]] = [((), ())]
    for position in index:
        cases = [
            (both, (*done, e))
            for guards, done in cases
            for more, e in position.cases
            if (both := conjunction((*guards, *more), region.ranges)) is not None
        ]
        if len(cases) > TERM_LIMIT:
            raise NotExpressible(f"a read at an index of more than {TERM_LIMIT} cases")
    return Data(tuple(Term((Read(source, e),), guards) for guards, e in cases))


# Positions and conditions -------------------------------------------------------------------


def _cases(
    pairs: Iterable[tuple[Conjunction, Index]], ranges: Ranges
) -> tuple[tuple[Conjunction, Index], ...]:
    """The cases that can happen, those of one value put together."""
    found: dict[Index, list[Conjunction]] = {}
    for guards, index in pairs:
        simple = conjunction(guards, ranges)
        if simple is not None:
            found.setdefault(index, []).append(simple)
    cases = tuple((g, index) for index, several in found.items() for g in union(several))
    if len(cases) > PIECE_LIMIT:
        raise NotExpressible(f"an integer of more than {PIECE_LIMIT} cases")
    # One case is all cases, whatever its guards look like.
    return (((), cases[0][1]),) if len(cases) == 1 else cases


_ON_POSITIONS = frozenset(
    (
        "arith.addi",
        "arith.subi",
        "arith.muli",
        "arith.floordivsi",
        "arith.ceildivsi",
        "arith.ceildivui",
        "arith.divsi",
        "arith.divui",
        "arith.remsi",
        "arith.remui",
        "arith.maxsi",
        "arith.maxui",
        "arith.minsi",
        "arith.minui",
    )
)


def _arithmetic(name: str, a: Position, b: Position, ranges: Ranges) -> Position:
    pairs: list[tuple[Conjunction, Index]] = []
    for left_guards, left in a.cases:
        for right_guards, right in b.cases:
            guards = conjunction((*left_guards, *right_guards), ranges)
            if guards is not None:
                for more, result in _combine(name, left, right, ranges):
                    pairs.append(((*guards, *more), result))
    return Position(_cases(pairs, ranges))


def _combine(name: str, a: Index, b: Index, ranges: Ranges) -> list[tuple[Conjunction, Index]]:
    """The result of one operation on two indices, by cases."""
    match name.removeprefix("arith."):
        case "addi":
            return [((), a + b)]
        case "subi":
            return [((), a - b)]
        case "muli":
            if not (a.is_constant or b.is_constant):
                raise NotExpressible("a product of two positions")
            return [((), b * a.const if a.is_constant else a * b.const)]
        case "maxsi" | "minsi" | "maxui" | "minui" as which:
            if which.endswith("ui"):
                _require_natural(name, a, ranges)
                _require_natural(name, b, ranges)
            first, second = (a, b) if which.startswith("max") else (b, a)
            low, high = bounds(first - second, ranges)
            return [
                ((Within(first - second, 0, max(high, 0) + 1),), a),
                ((Within(first - second, min(low, 0), 0),), b),
            ]
        case "floordivsi":
            return [((), floordiv(a, _divisor(name, b), ranges))]
        case "ceildivsi" | "ceildivui" as which:
            if which == "ceildivui":
                _require_natural(name, a, ranges)
            return [((), -floordiv(-a, _divisor(name, b), ranges))]
        case "divui" | "remui" as which:
            _require_natural(name, a, ranges)
            divide = floordiv if which == "divui" else mod
            return [((), divide(a, _divisor(name, b), ranges))]
        case which:
            # These round towards zero.
            k = _divisor(name, b)
            divide = floordiv if which == "divsi" else mod
            low, high = bounds(a, ranges)
            return [
                ((Within(a, 0, max(high, 0) + 1),), divide(a, k, ranges)),
                ((Within(a, min(low, 0), 0),), -divide(-a, k, ranges)),
            ]


def _divisor(name: str, index: Index) -> int:
    if not index.is_constant or index.const <= 0:
        raise NotExpressible(f"{name} by something else than a positive constant")
    return index.const


def _require_natural(name: str, index: Index, ranges: Ranges) -> None:
    if bounds(index, ranges)[0] < 0:
        raise NotExpressible(f"{name} on an integer that may be negative")


def _in_width(position: Position, operation: ir.Operation, ranges: Ranges) -> Position:
    """The position itself, if no case of it overflows the operation's type."""
    type_ = operation.results[0].type
    width = type_.width if isinstance(type_, ir.IntegerType) else 64
    for _, index in position.cases:
        low, high = bounds(index, ranges)
        if low < -(1 << (width - 1)) or high >= 1 << (width - 1):
            raise NotExpressible(f"{operation.name} may overflow {type_}")
    return position


_CASTS = frozenset(
    (
        "arith.index_cast",
        "arith.index_castui",
        "arith.extsi",
        "arith.extui",
        "arith.trunci",
        "arith.extf",
        "arith.truncf",
        "arith.sitofp",
    )
)


def _cast(operation: ir.Operation, operand: Scalar, ranges: Ranges) -> Scalar:
    name = operation.name
    if isinstance(operand, Position):
        if name == "arith.sitofp":
            return Data(_exact(data_body(operand), operation.results[0].type))
        if name in ("arith.index_castui", "arith.extui"):
            for _, index in operand.cases:
                _require_natural(name, index, ranges)
        return _in_width(operand, operation, ranges)
    if isinstance(operand, Data):
        # As a signed number, a true i1 is -1.
        if name == "arith.extf" or (
            name == "arith.sitofp" and ir.IntegerType(operation.operands[0].type).width > 1
        ):
            return operand
        if name == "arith.truncf" and "roundingmode" not in operation.attributes:
            number = _number(operand.body)
            narrow = None if number is None else rounded(number, operation.results[0].type)
            if narrow is not None:
                return Data(number_body(narrow))
            rounded_once = _is_element(operand.body) and _is_never_widened(operation)
            if rounded_once or _is_yielded(operation):
                # The rounding is that of the result's, or of the arithmetic's, own type.
                return operand
    raise NotExpressible(f"{name} rounds in the middle of an expression")


_PRECISION = {"bf16": 8, "f16": 11, "f32": 24, "f64": 53}
"""Every integer of this many bits is a number of the type."""


def _exact(body: Body, type_: ir.Type) -> Body:
    """The body, whose coefficients are integers; refused where the type may round one."""
    bits = _PRECISION.get(str(type_), 0)
    if any(abs(t.coefficient) > 1 << bits for t in body):
        raise NotExpressible(f"an integer that {type_} may round")
    return body


def _is_element(body: Body) -> bool:
    """Whether the body is one element, or 0 where guards fail."""
    if len(body) != 1 or body[0].coefficient != 1:
        return False
    return len(body[0].reads) == len(body[0].factors) == 1


def _is_yielded(operation: ir.Operation) -> bool:
    users = [use.owner.operation.name for use in operation.results[0].uses]
    return all(name == "linalg.yield" for name in users)


def _is_never_widened(cast: ir.Operation) -> bool:
    """Whether all that the block computes from the narrow number is as narrow: then it computes
    with nothing else, and what the rounding leaves is out of its sight."""
    width = ir.FloatType(cast.results[0].type).width
    seen: set[ir.Value] = set()
    pending = [cast.results[0]]
    while pending:
        for use in pending.pop().uses:
            for result in use.owner.operation.results:
                if isinstance(result.type, ir.FloatType) and result.type.width > width:
                    return False
                if result not in seen:
                    seen.add(result)
                    pending.append(result)
    return True


def _compare(predicate: int, a: Position, b: Position, ranges: Ranges) -> Truth:
    """`arith.cmpi`: the predicates are eq ne slt sle sgt sge ult ule ugt uge."""
    if predicate >= 6:
        for position in (a, b):
            for _, index in position.cases:
                _require_natural("arith.cmpi", index, ranges)
        predicate -= 4
    found: list[Conjunction] = []
    for left_guards, left in a.cases:
        for right_guards, right in b.cases:
            guards = conjunction((*left_guards, *right_guards), ranges)
            if guards is None:
                continue
            for more in _holds(predicate, left - right, ranges):
                both = conjunction((*guards, *more), ranges)
                if both is not None:
                    found.append(both)
    return _truth(found)


def _truth(cases: Iterable[Conjunction]) -> Truth:
    merged = union(cases)
    if len(merged) > PIECE_LIMIT:
        raise NotExpressible(f"a condition of more than {PIECE_LIMIT} cases")
    return Truth(merged)


def _holds(predicate: int, difference: Index, ranges: Ranges) -> tuple[Conjunction, ...]:
    """Where `difference` compares with 0 as the predicate says."""
    low, high = bounds(difference, ranges)
    match predicate:
        case 0 | 1:
            guard = _remainder_is_zero(difference, ranges) or Within(difference, 0, 1)
            equal = conjunction((guard,), ranges)
            if predicate == 0:
                return () if equal is None else (equal,)
            return ((),) if equal is None else negation(equal, ranges)
        case 2:
            guard = Within(difference, min(low, 0), 0)
        case 3:
            guard = Within(difference, min(low, 0), 1)
        case 4:
            guard = Within(difference, 1, max(high, 0) + 1)
        case _:
            guard = Within(difference, 0, max(high, 0) + 1)
    if guard.hi <= guard.lo:
        return ()
    return ((guard,),)


def _remainder_is_zero(index: Index, ranges: Ranges) -> Residue | None:
    """`index = 0` as a residue, where index is `(e mod k) - c` in its stored form."""
    for atom, coefficient in index.terms:
        if isinstance(atom, FloorDiv) and abs(coefficient) == atom.divisor:
            sign = -1 if coefficient > 0 else 1
            rest = linear(index.const, ((a, c) for a, c in index.terms if a != atom)) * sign
            shift = rest - atom.operand
            low, high = bounds(mod(atom.operand, atom.divisor, ranges), ranges)
            if shift.is_constant and low <= -shift.const <= high:
                return residue(rest, atom.divisor)
    return None


_LOGIC = frozenset(("arith.andi", "arith.ori", "arith.xori"))


def _logic(name: str, operands: list[Truth], ranges: Ranges) -> Truth:
    a, b = operands
    match name:
        case "arith.andi":
            return _both(a, b, ranges)
        case "arith.ori":
            rest = _both(_not(a, ranges), b, ranges)
            return _truth((*a.cases, *rest.cases))
        case _:
            one = _both(a, _not(b, ranges), ranges)
            other = _both(_not(a, ranges), b, ranges)
            return _truth((*one.cases, *other.cases))


def _both(a: Truth, b: Truth, ranges: Ranges) -> Truth:
    pairs = (conjunction((*x, *y), ranges) for x in a.cases for y in b.cases)
    return _truth(c for c in pairs if c is not None)


def _not(a: Truth, ranges: Ranges) -> Truth:
    result = Truth(((),))
    for case in a.cases:
        result = _both(result, Truth(negation(case, ranges)), ranges)
    return result


# Selection ----------------------------------------------------------------------------------


def _select(operands: list[Scalar], ranges: Ranges) -> Scalar:
    condition, yes, no = operands
    if isinstance(condition, Comparison):
        if isinstance(yes, Data) and isinstance(no, Data):
            return Data(_select_by_data(condition, yes.body, no.body))
    elif isinstance(condition, Truth):
        if isinstance(yes, Data) and isinstance(no, Data):
            return Data(_limited(_select_body(condition, yes.body, no.body, ranges), ranges))
        other = _not(condition, ranges)
        if isinstance(yes, Position) and isinstance(no, Position):
            chosen = ((condition, yes), (other, no))
            pairs = (((*c, *g), e) for t, p in chosen for c in t.cases for g, e in p.cases)
            return Position(_cases(pairs, ranges))
        if isinstance(yes, Truth) and isinstance(no, Truth):
            first, second = _both(condition, yes, ranges), _both(other, no, ranges)
            return _truth((*first.cases, *second.cases))
    raise NotExpressible("a select on data that is no relu, maximum or minimum")


def _select_body(condition: Truth, yes: Body, no: Body, ranges: Ranges) -> Body:
    body: Body = ()
    for case in condition.cases:
        body += guarded(yes, case)
    if no:
        for case in _not(condition, ranges).cases:
            body += guarded(no, case)
    return body


def _compare_data(predicate: int, a: Body, b: Body) -> Comparison:
    """`arith.cmpf`, with oeq ogt oge olt ole one ord as 1..7 and their unordered twins as 8..14."""
    match predicate:
        case 2 | 3 | 9 | 10:
            return Comparison(a, b, greater=True)
        case 4 | 5 | 11 | 12:
            return Comparison(a, b, greater=False)
        case _:
            raise NotExpressible("a comparison of data for equality or order")


def _select_by_data(condition: Comparison, yes: Body, no: Body) -> Body:
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
