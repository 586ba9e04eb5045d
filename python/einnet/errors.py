"""The user's errors. An internal error is any other exception that escapes to the command line.

Three kinds of failure are never mixed: a rule that does not apply yields no rewrite; the user's
input or environment is at fault (an `EinnetError`, one located line and what to do, exit code 1);
our bug (anything else: the command line saves a report and exits with 70).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """Where in the user's input: `line` and `column` count from 1; 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return (
            f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"
        )


class EinnetError(Exception):
    """The user's input or environment is at fault.

    `message` says what is wrong, `location` where, `hint` what to do about it, `reproduce` is a
    command that shows the failure alone.
    """

    def __init__(
        self,
        message: str,
        *,
        location: Location | None = None,
        hint: str | None = None,
        reproduce: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.location = location
        self.hint = hint
        self.reproduce = reproduce

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        lines = [f"{where}error: {self.message}"]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        if self.reproduce:
            lines.append(f"  reproduce: {self.reproduce}")
        return "\n".join(lines)


class InputError(EinnetError):
    """A file, an operator or an option that cannot be used as given."""


class ToolchainError(EinnetError):
    """A tool, a library or a device that is missing or of the wrong version."""
