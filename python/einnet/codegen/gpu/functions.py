"""Scalar arithmetic of kernels: what `bridge.scalar` has, with no call of a library in f32."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

from mlir import ir
from mlir.dialects import arith, llvm

from einnet.bridge.scalar import Float, Integer
from einnet.codegen.approximations import Approximations
from einnet.codegen.gpu.host import BYTES
from einnet.errors import InputError
from einnet.expr.nodes import Read
from einnet.expr.program import Definition

Arithmetic = Float | Integer

_FLOATS = ("f64", "f32", "f16", "bf16")

_CONTRACT = arith.FastMathFlags.contract
# A quotient may be wrong in its last two bits: division proper takes ten times as long.
_FAST = _CONTRACT | arith.FastMathFlags.afn
_APPROXIMATIONS = Approximations(_FAST)


class DeviceFloat(Float):
    """f32 or f64. A product and a sum may become one fused operation.

    f32 needs no library, and `tanh`, `erf` and `sigmoid` divide approximately. f64's `tanh`,
    `erf`, `exp` and `log` are `math` operations, which `convert-gpu-to-nvvm` makes calls of
    libdevice.
    """

    def add(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.addf(a, b, fastmath=_CONTRACT)

    def subtract(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.subf(a, b, fastmath=_CONTRACT)

    def multiply(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.mulf(a, b, fastmath=_CONTRACT)

    def call(self, function: str, arguments: list[ir.Value]) -> ir.Value:
        x = arguments[0]
        if function == "sqrt":
            return self._square_root(x)
        if function == "rsqrt":
            return self.call("reciprocal", [self._square_root(x)])
        if function == "abs":
            return self._magnitude(x)
        if function == "sigmoid":
            one = self.constant(Fraction(1))
            growth = self.call("exp", [self.negate(x)])
            return arith.divf(one, self.add(growth, one), fastmath=_FAST)
        if isinstance(self.type, ir.F32Type):
            if function == "tanh":
                return _APPROXIMATIONS.tanh(x)
            if function == "erf":
                return _APPROXIMATIONS.erf(x)
            if function == "exp":
                return _APPROXIMATIONS.exp(x)
            if function == "log":
                return _APPROXIMATIONS.log(x)
        return super().call(function, arguments)

    def _square_root(self, x: ir.Value) -> ir.Value:
        # `math.sqrt` would become a call of libdevice, and so would `llvm.intr.sqrt`.
        found = llvm.call_intrinsic(self.type, "llvm.sqrt", [x], [], [])
        return cast(ir.Value, found)

    def _magnitude(self, x: ir.Value) -> ir.Value:
        """All bits of x but its sign."""
        bits = ir.IntegerType.get_signless(ir.FloatType(self.type).width)
        rest = arith.constant(bits, (1 << (bits.width - 1)) - 1)
        return arith.bitcast(self.type, arith.andi(arith.bitcast(bits, x), rest))


class DeviceInteger(Integer):
    """Signed integers of one type; the smaller operand of every comparison is exact."""

    def call(self, function: str, arguments: list[ir.Value]) -> ir.Value:
        if function == "abs":
            return arith.maxsi(arguments[0], self.negate(arguments[0]))
        return super().call(function, arguments)


def arithmetic_type(definition: Definition) -> str:
    """The element type that a kernel computes in: f64 if it meets one, f32 for other floating-point
    types, else the result's own. What only moves elements moves them as they are.

    Raises InputError for element types that do not go together.
    """
    named = {t.dtype for t in (*definition.operands, definition.result)}
    stored = {storage(dtype) for dtype in named}
    if len(named) == 1 and _only_moves(definition):
        return stored.pop()
    result = definition.result.dtype
    if result in _FLOATS and "f64" in named:
        return "f64"
    if result in _FLOATS:
        return "f32"
    if named == {result} and result != "i1":
        return result
    raise InputError(
        f"no kernel computes '{definition.result.name}' of type {result} from elements of type "
        + ", ".join(sorted({t.dtype for t in definition.operands}) or ["f32"])
    )


def storage(dtype: str) -> str:
    """The element type of a tensor's buffer. Raises InputError for one that no buffer has."""
    if dtype == "i1":
        return "i8"
    if dtype not in BYTES:
        raise InputError(
            f"no kernel computes with elements of type {dtype}",
            hint=f"there are: {', '.join(BYTES)}",
        )
    return dtype


def _only_moves(definition: Definition) -> bool:
    """Whether every element of the result is one that is read, or 0."""
    scope = definition.scope
    if scope.summation or len(scope.body) != 1:
        return not scope.body
    factors = scope.term.factors
    return scope.term.coefficient == 1 and len(factors) == 1 and isinstance(factors[0], Read)


def arithmetic_of(dtype: str) -> Arithmetic:
    """The arithmetic of an element type that `arithmetic_type` gave."""
    type_ = ir.Type.parse(dtype)
    return DeviceFloat(type_) if isinstance(type_, ir.FloatType) else DeviceInteger(type_)
