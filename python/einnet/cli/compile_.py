"""`einnet compile`: a model to an artifact, with progress and a table of what was found."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from einnet.cli.flags import add_model, add_options, options_of

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DESCRIPTION = """\
Searches each contraction of the model for a faster program, proves what it finds, times it, and
writes an artifact: a folder that `einnet run` executes. Weights of an .mlir file are read from the
.safetensors file beside it. A table says what was found and how it was proved."""


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "compile", help="optimize a model, prove it, write an artifact", description=DESCRIPTION
    )
    add_model(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="artifact to write; one that is there is replaced, anything else is left alone",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress and no table")
    add_options(parser)
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    options = options_of(arguments)
    from einnet.cli.report import print_compilation, print_progress
    from einnet.driver import compile_file, write
    from einnet.runtime.folder import require_destination
    from einnet.trace import Trace

    require_destination(arguments.output)
    trace = Trace() if arguments.quiet else Trace(print_progress)
    compilation = compile_file(
        arguments.model, options, trace, batch=arguments.batch, entry=arguments.entry
    )
    with trace.stage("writing the artifact"):
        write(compilation, arguments.output, options)
    if not arguments.quiet:
        print_compilation(compilation, trace)
        print(f"wrote {arguments.output}")
    return 0
