"""The command `einnet`: parse the arguments, call the verb, return its exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from einnet import __version__
from einnet.cli.guard import run_guarded


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 done, 1 the user's input or environment is at fault, 70 our bug."""
    return run_guarded("einnet", lambda: _run(argv), argv)


def _run(argv: Sequence[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    return arguments.verb(arguments)


def _parser() -> argparse.ArgumentParser:
    # Each verb imports what it needs when it runs, so that `einnet --help` is quick and a host
    # without MLIR can run artifacts.
    from einnet.cli import bench, compile_, doctor, import_, run

    parser = argparse.ArgumentParser(
        prog="einnet", description="A tensor-program superoptimizer: derive, verify, compile, run."
    )
    parser.add_argument("--version", action="version", version=f"einnet {__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    for module in (import_, compile_, run, bench, doctor):
        module.add_parser(verbs)
    return parser


if __name__ == "__main__":
    sys.exit(main())
