"""Casts between element types, which change no value of the expression language.

A number that is rounded and then used in a wider type is refused: programs compute with what the
rounding leaves.
"""

from __future__ import annotations

from mlir import ir

from einnet.bridge.constants import rounded
from einnet.bridge.positions import in_width, require_natural
from einnet.bridge.refusal import NotExpressible
from einnet.bridge.sums import number_of
from einnet.bridge.values import Data, Position, Scalar, data_body, number_body
from einnet.expr.index import Ranges
from einnet.expr.nodes import Body

CASTS = frozenset(
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

_PRECISION = {"bf16": 8, "f16": 11, "f32": 24, "f64": 53}
"""Every integer of this many bits is a number of the type."""


def cast(operation: ir.Operation, operand: Scalar, ranges: Ranges) -> Scalar:
    """The operand itself, or a constant rounded. Raises NotExpressible where it may change."""
    name = operation.name
    if isinstance(operand, Position):
        if name == "arith.sitofp":
            return Data(_exact(data_body(operand), operation.results[0].type))
        if name in ("arith.index_castui", "arith.extui"):
            for _, index in operand.cases:
                require_natural(name, index, ranges)
        return in_width(operand, operation, ranges)
    if isinstance(operand, Data):
        # As a signed number, a true i1 is -1.
        if name == "arith.extf" or (
            name == "arith.sitofp" and ir.IntegerType(operation.operands[0].type).width > 1
        ):
            return operand
        if name == "arith.truncf" and "roundingmode" not in operation.attributes:
            number = number_of(operand.body)
            narrow = None if number is None else rounded(number, operation.results[0].type)
            if narrow is not None:
                return Data(number_body(narrow))
            rounded_once = _is_element(operand.body) and _is_never_widened(operation)
            if rounded_once or _is_yielded(operation):
                # The rounding is that of the result's, or of the arithmetic's, own type.
                return operand
    raise NotExpressible(f"{name} rounds in the middle of an expression")


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
