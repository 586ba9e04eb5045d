"""Constants in the IR: scalars as exact fractions, small dense tensors element by element."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from mlir import ir

from einnet.bridge.refusal import NotExpressible

DENSE_LIMIT = 64
"""A dense constant of more elements stays opaque."""


def operation_of(value: ir.Value) -> ir.Operation | None:
    """The operation that defines the value, None for a block argument."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return None
    return owner.operation


def scalar_attribute(attribute: ir.Attribute) -> Fraction | None:
    """A number as an exact fraction; None for another kind of attribute or no finite number."""
    if isinstance(attribute, ir.FloatAttr):
        # What the bindings hand out is a double.
        if ir.FloatType(attribute.type).width > 64:
            return None
        return Fraction(attribute.value) if math.isfinite(attribute.value) else None
    if isinstance(attribute, ir.BoolAttr | ir.IntegerAttr):
        return Fraction(int(attribute.value))
    return None


def constant_of(value: ir.Value) -> Fraction | None:
    """The finite number that a scalar, or every element of a tensor, is known to be."""
    operation = operation_of(value)
    if operation is None:
        return None
    if operation.name in ("linalg.fill", "tensor.splat", "arith.extf"):
        return constant_of(operation.operands[0])
    if operation.name == "arith.truncf":
        wide = constant_of(operation.operands[0])
        return (
            None
            if wide is None or "roundingmode" in operation.attributes
            else rounded(wide, value.type)
        )
    if operation.name != "arith.constant" or not is_number(value.type):
        return None
    attribute = operation.attributes["value"]
    if isinstance(attribute, ir.DenseElementsAttr):
        if not attribute.is_splat:
            return None
        attribute = attribute.get_splat_value()
    return scalar_attribute(attribute)


def is_number(type_: ir.Type) -> bool:
    """Whether the type is one of numbers, or of tensors of them, whose attributes can be read."""
    if isinstance(type_, ir.ShapedType):
        type_ = type_.element_type
    return isinstance(type_, ir.FloatType | ir.IntegerType | ir.IndexType)


def _has_numpy_type(type_: ir.Type) -> bool:
    if isinstance(type_, ir.IntegerType):
        return type_.width in (1, 8, 16, 32, 64)
    return isinstance(type_, ir.F16Type | ir.F32Type | ir.F64Type | ir.IndexType)


def rounded(number: Fraction, type_: ir.Type) -> Fraction | None:
    """The number, which f64 holds, as a value of a narrower type; None if that is no number."""
    if isinstance(type_, ir.ShapedType):
        type_ = type_.element_type
    narrow = {"f32": np.float32, "f16": np.float16}.get(str(type_))
    if narrow is None:
        return None
    # What is too large becomes an infinity, which is the answer here and no reason to warn.
    with np.errstate(over="ignore"):
        value = float(narrow(float(number)))
    return Fraction(value) if math.isfinite(value) else None


def dense_elements(attribute: ir.Attribute) -> list[tuple[tuple[int, ...], Fraction]]:
    """Position and value of every non-zero element of a small dense constant."""
    if not isinstance(attribute, ir.DenseElementsAttr):
        raise NotExpressible("the constant's elements are not in the IR")
    type_ = ir.ShapedType(attribute.type)
    shape = tuple(type_.shape)
    if math.prod(shape) > DENSE_LIMIT:
        raise NotExpressible(f"the dense constant has more than {DENSE_LIMIT} elements")
    if not _has_numpy_type(type_.element_type):
        raise NotExpressible(f"MLIR 22 does not hand out elements of type {type_.element_type}")
    # The bindings describe neither the buffer nor its element type to the type checker.
    array = np.array(attribute).reshape(shape)  # pyright: ignore[reportCallIssue, reportArgumentType]
    elements: list[tuple[tuple[int, ...], Fraction]] = []
    for position, element in np.ndenumerate(array):
        number = element.item()
        if not math.isfinite(number):
            raise NotExpressible("the constant holds an infinity or a NaN")
        if number:
            elements.append((position, Fraction(number)))
    return elements
