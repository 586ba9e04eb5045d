"""How a rule refuses, and how a derivation is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Parameter = str | int | tuple[str, ...]


class NotApplicable(Exception):  # noqa: N818 - an answer of a rule, not an error
    """The rule's side condition fails; the message says which part of it."""


@dataclass(frozen=True)
class Step:
    """One application of a rule to the core of an expression, with what it takes to replay it."""

    rule: str
    parameters: tuple[tuple[str, Parameter], ...] = ()

    def __str__(self) -> str:
        inside = ", ".join(f"{k}={_text(v)}" for k, v in self.parameters)
        return f"{self.rule}({inside})"

    @property
    def arguments(self) -> Mapping[str, Parameter]:
        return dict(self.parameters)


def _text(value: Parameter) -> str:
    return "+".join(value) if isinstance(value, tuple) else str(value)
