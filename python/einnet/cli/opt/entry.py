"""The command: parse, run each part of the input, print, exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from einnet.cli.guard import INTERNAL_ERROR, USER_ERROR, run_guarded, save_report
from einnet.cli.opt.blackbox import BlackBox, Crash, isolated
from einnet.cli.opt.command import Command, parse_arguments
from einnet.errors import Location

PROGRAM = "einnet-opt"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; `argv` is without the program's name. Returns the exit code.

    Without `argv` the work is done in a child process, whose crash becomes an error.
    """
    if argv is not None:
        return run_guarded(PROGRAM, lambda: _run(parse_arguments(argv), BlackBox()), argv)
    arguments = sys.argv[1:]

    def work(box: BlackBox) -> int:
        return run_guarded(PROGRAM, lambda: _run(parse_arguments(arguments), box), arguments)

    return isolated(PROGRAM, work, lambda crash: report(crash, arguments))


def _run(command: Command, box: BlackBox) -> int:
    if command.show is not None:
        from einnet.cli.opt.listing import describe

        print(describe(command.show), end="")
        return 0
    # Here and not above: importing MLIR takes a quarter of a second.
    from einnet.cli.opt.run import run

    return run(command, box)


def report(crash: Crash, arguments: Sequence[str]) -> int:
    """Say that MLIR crashed, where, and what shows it again."""
    activity = crash.activity
    name = crash.signal.name
    if activity.ours:
        path = save_report(
            [PROGRAM, *arguments], f"{name} while {activity.what}; MLIR's message is on stderr"
        )
        print(f"{PROGRAM}: internal error; the report is in {path}", file=sys.stderr)
        return INTERNAL_ERROR
    place = Location(activity.file, activity.line, activity.column)
    print(f"{place}: error: MLIR crashed ({name}) while {activity.what}", file=sys.stderr)
    print(f"{place}: note: hint: what MLIR said, if anything, is above", file=sys.stderr)
    if activity.pipeline is not None:
        _reproduce(crash, activity.pipeline, parse_arguments(arguments), place)
    return USER_ERROR


def _reproduce(crash: Crash, pipeline: str, command: Command, place: Location) -> None:
    from einnet.cli.opt import reproducers

    reproducer = reproducers.Reproducer(pipeline, command.passes.verify_each)
    path = command.reporting.crash or command.reporting.always
    if path is not None and not reproducers.is_bytecode(crash.content):
        reproducers.write(path, crash.content.decode(), reproducer)
        print(f"{place}: note: reproducer generated at `{path}`", file=sys.stderr)
        return
    shown = reproducers.command(
        crash.content, reproducer, ours=False, unregistered=command.reading.unregistered
    )
    print(f"{place}: note: reproduce: {shown}", file=sys.stderr)
