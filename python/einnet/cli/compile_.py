"""`einnet compile`: a model to an artifact, with progress and a table of what was found."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from einnet.cli.flags import add_options, options_of

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("compile", help="optimize a model, prove it, write an artifact")
    parser.add_argument("model", help=".onnx file, .mlir file in linalg, or - for .mlir on stdin")
    parser.add_argument("-o", "--output", type=Path, required=True, help="artifact folder to write")
    parser.add_argument("--batch", type=int, help="value of an ONNX model's symbolic batch")
    parser.add_argument("--quiet", action="store_true", help="no progress and no table")
    add_options(parser)
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    options = options_of(arguments)
    from einnet.cli.report import print_compilation
    from einnet.driver import compile_file, write
    from einnet.trace import Trace

    def listen(message: str) -> None:
        print(message, file=sys.stderr)

    trace = Trace() if arguments.quiet else Trace(listen)
    compilation = compile_file(arguments.model, options, trace, batch=arguments.batch)
    with trace.stage("writing the artifact"):
        write(compilation, arguments.output, options)
    if not arguments.quiet:
        print_compilation(compilation, trace)
        print(f"wrote {arguments.output}")
    return 0
