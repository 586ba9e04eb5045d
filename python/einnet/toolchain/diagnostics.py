"""MLIR's diagnostics as values: what a handler receives, kept after the operation is gone."""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from mlir import ir

from einnet.errors import EinnetError, Location
from einnet.toolchain.mlir import ANONYMOUS, ECHO


class Kind(enum.Enum):
    """Kinds as MLIR prints them."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    REMARK = "remark"


@dataclass(frozen=True)
class Diagnostic:
    """A message about a place in a source; `location` is None for one that has no file.

    `is_advice` marks a note that einnet adds to say what to do.
    """

    kind: Kind
    message: str
    location: Location | None
    notes: tuple[Diagnostic, ...] = ()
    is_advice: bool = False

    @property
    def is_echo(self) -> bool:
        """Whether MLIR only prints the operation here that the diagnostic is about."""
        return self.kind is Kind.NOTE and self.message.startswith(ECHO)


Receiver = Callable[[Diagnostic], None]


@contextmanager
def received(context: ir.Context, receiver: Receiver, filename: str) -> Generator[None]:
    """Hand every diagnostic of `context` to `receiver`; `filename` is a nameless source's name."""

    def handle(diagnostic: ir.Diagnostic) -> bool:
        receiver(_convert(diagnostic, filename))
        return True

    handler = context.attach_diagnostic_handler(handle)
    try:
        yield
    finally:
        handler.detach()  # pyright: ignore[reportAttributeAccessIssue]


@contextmanager
def errors_received(context: ir.Context) -> Generator[None]:
    """Let errors reach the handler too, in their order among the others.

    Outside of this the bindings keep them for the exception that they raise.
    """
    context.emit_error_diagnostics = True
    try:
        yield
    finally:
        context.emit_error_diagnostics = False


def from_error(error: EinnetError) -> Diagnostic:
    """The user's error as a diagnostic; its hint and its command are notes."""
    notes = [
        Diagnostic(Kind.NOTE, f"{label}: {text}", error.location, is_advice=True)
        for label, text in (("hint", error.hint), ("reproduce", error.reproduce))
        if text
    ]
    return Diagnostic(Kind.ERROR, error.message, error.location, tuple(notes))


_KINDS = {
    ir.DiagnosticSeverity.ERROR: Kind.ERROR,
    ir.DiagnosticSeverity.WARNING: Kind.WARNING,
    ir.DiagnosticSeverity.NOTE: Kind.NOTE,
    ir.DiagnosticSeverity.REMARK: Kind.REMARK,
}


def _convert(diagnostic: ir.Diagnostic, filename: str) -> Diagnostic:
    location = file_location(diagnostic.location, filename)
    message = diagnostic.message
    if location is None and diagnostic.location != ir.Location.unknown(diagnostic.location.context):
        message = f"{diagnostic.location}: {message}"
    notes = tuple(_convert(note, filename) for note in diagnostic.notes)
    return Diagnostic(_KINDS[diagnostic.severity], message, location, notes)


def file_location(location: ir.Location, filename: str) -> Location | None:
    """The first file location inside `location`, None for one without."""
    if location.is_a_file():
        name = filename if location.filename == ANONYMOUS else location.filename
        return Location(name, location.start_line, location.start_col)
    if location.is_a_name():
        return file_location(location.child_loc, filename)
    if location.is_a_callsite():
        return file_location(location.callee, filename)
    if location.is_a_fused():
        inner = (file_location(part, filename) for part in location.locations)
        return next((found for found in inner if found is not None), None)
    return None
