"""A run of einnet-opt: read, split, run each part, write."""

from __future__ import annotations

import sys
from pathlib import Path

from einnet.cli.guard import USER_ERROR
from einnet.cli.opt import reproducers, times
from einnet.cli.opt.blackbox import BlackBox
from einnet.cli.opt.command import Command
from einnet.cli.opt.expectations import check
from einnet.cli.opt.part import run_part
from einnet.cli.opt.session import Session
from einnet.cli.opt.sources import Renderer, Source, read_input, severe_enough, split
from einnet.errors import EinnetError, Location
from einnet.output import require_writable, write_file
from einnet.passes.module_pass import MODULE
from einnet.toolchain.diagnostics import Diagnostic, Kind, Receiver, from_error


def run(command: Command, box: BlackBox) -> int:
    """Run the command; returns the exit code. Raises EinnetError for what is not about a part."""
    output = None if command.writing.file is None else Path(command.writing.file)
    if output is not None:
        require_writable(output)
    session = Session(command, box)
    session.check_names()
    if command.reading.implicit_module and not command.reading.reproducer:
        session.pipeline_for(MODULE)  # before the input is read: its errors are not the input's
    source = read_input(command.file, command.filename)
    parts, warnings = split(source, command.reading.split)
    reporting = command.reporting
    renderer = Renderer(source, reporting.notes, reporting.operations)
    diagnostics: list[Diagnostic] = []

    def receive(diagnostic: Diagnostic) -> None:
        if diagnostic.message == reproducers.UNKNOWN:
            return
        diagnostics.append(diagnostic)
        if reporting.verify is None and severe_enough(diagnostic.kind, reporting.level):
            sys.stderr.write(renderer.render(diagnostic))
            sys.stderr.flush()

    for warning in warnings:
        receive(warning)
    # As mlir-opt does: each part gets its turn, so that one run shows all errors.
    results = [_result(part, session, receive) for part in parts]
    failed = None in results
    if reporting.verify is not None:
        wrong = check(diagnostics, renderer, only_expected=reporting.verify == "only-expected")
        sys.stderr.write("".join(wrong))
        failed = bool(wrong)
    written = f"{command.writing.marker}\n".encode().join(result or b"" for result in results)
    if output is None:
        _to_stdout(written)
    elif not failed:
        write_file(output, [written])
    if command.watching.times is not None:
        watch = session.stopwatch
        sys.stderr.write(times.report(watch.rows, watch.total, command.watching.times))
    return USER_ERROR if failed else 0


def _result(part: Source, session: Session, receive: Receiver) -> bytes | None:
    """The result of a part; None if it failed, and `receive` got an error that says so."""
    errors = 0

    def counted(diagnostic: Diagnostic) -> None:
        nonlocal errors
        errors += diagnostic.kind is Kind.ERROR
        receive(diagnostic)

    try:
        result = run_part(part, session, counted)
    except EinnetError as error:
        counted(from_error(error))
        return None
    if result is None and not errors:
        message = "a pass failed without saying why"
        receive(Diagnostic(Kind.ERROR, message, Location(part.filename)))
    return result


def _to_stdout(written: bytes) -> None:
    """Bytecode needs the bytes; a stream that someone put in stdout's place may take text only."""
    sys.stdout.flush()
    if hasattr(sys.stdout, "buffer"):
        sys.stdout.buffer.write(written)
    else:
        sys.stdout.write(written.decode())
