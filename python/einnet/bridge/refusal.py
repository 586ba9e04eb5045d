"""How the bridge says that an operation is beyond the expression language."""

from __future__ import annotations

from dataclasses import dataclass


class NotExpressible(Exception):  # noqa: N818 - it is no error: the operation stays as it is
    """The operation has no expression; the text says why. Only `lift` catches it."""


@dataclass(frozen=True)
class Refusal:
    """An operation that was left opaque: its label, its handle and the reason."""

    label: str
    handle: int
    reason: str
