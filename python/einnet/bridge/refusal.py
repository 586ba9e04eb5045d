"""How the bridge says that an operation is beyond the expression language, or an expression beyond
MLIR's operations."""

from __future__ import annotations

from dataclasses import dataclass


class NotExpressible(Exception):  # noqa: N818 - it is no error: the operation stays as it is
    """The operation has no expression; the text says why. Only `lift` catches it."""


class NotEmittable(Exception):  # noqa: N818 - an answer about the expression, not an error
    """No operation computes the expression: element types that lack the arithmetic, or a library
    product that cannot be read in place. The text says why."""


@dataclass(frozen=True)
class Refusal:
    """An operation that was left opaque: its label, its handle and the reason."""

    label: str
    handle: int
    reason: str
