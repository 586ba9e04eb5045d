"""The command `einnet`: parse the arguments, call the verb, return its exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from einnet import __version__
from einnet.cli.guard import run_guarded
from einnet.errors import InputError, Location

EPILOG = """\
examples:
  einnet compile model.onnx --batch 16 -o model.einnet
  einnet run model.einnet --input x.npy --output y.npy
  einnet bench model.onnx --batch 16
  einnet explain model.onnx --batch 16 --subprogram 2
  einnet compile model.onnx --batch 16 --target cuda --precision tf32 -o model.einnet
  einnet measure model.einnet -o records.json
  einnet import model.onnx -o model.mlir       then: einnet-opt model.mlir --einnet-optimize

exit codes:
  0   done
  1   the input, the options or the environment is at fault: one line says where, a hint what to do
  70  a bug in einnet: a report is saved, one line says where

`einnet VERB --help` prints a verb's options. Results change with no environment variable.
"""


class Parser(argparse.ArgumentParser):
    """A parser whose refusals are the user's errors, as any other wrong input is."""

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Any = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Arguments that are not known are refused by the verb's parser, which can say what it
        takes; argparse leaves them to the parser above it."""
        known, others = super().parse_known_args(args, namespace)
        if others:
            self.error(f"unrecognized arguments: {' '.join(others)}")
        return known, others

    def error(self, message: str) -> NoReturn:
        """Raise `InputError` with argparse's message."""
        raise InputError(
            message, location=Location(self.prog), hint=f"{self.prog} --help prints what it takes"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 done, 1 the user's input or environment is at fault, 70 our bug."""
    return run_guarded("einnet", lambda: _run(argv), argv)


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as done:
        # Only after --help and --version.
        return int(done.code or 0)
    return arguments.verb(arguments)


def _parser() -> Parser:
    # Each verb imports what it needs when it runs, so that `einnet --help` is quick and a host
    # without MLIR can run artifacts.
    from einnet.cli import bench, compile_, doctor, explain, import_, measure, run, verify

    parser = Parser(
        prog="einnet",
        description="A tensor-program superoptimizer: derives equivalent programs from a model's "
        "algebra, proves them, times them, and compiles the fastest.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"einnet {__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    for module in (import_, compile_, run, measure, bench, explain, verify, doctor):
        module.add_parser(verbs)
    return parser


if __name__ == "__main__":
    sys.exit(main())
