"""`einnet compile`: a model to an artifact, with progress and a table of what was found."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from einnet.cli.flags import add_model, add_options, options_of, path_of
from einnet.errors import InputError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from einnet.driver import Compilation
    from einnet.driver_cuda import CudaCompilation
    from einnet.trace import Trace

DESCRIPTION = """\
Searches each contraction of the model for a faster program, proves what it finds, times it, and
writes an artifact: a folder that `einnet run` executes. Weights of an .mlir file are read from the
.safetensors file beside it. A table says what was found and how it was proved.

With --target cuda the artifact holds whole programs, variants, for a GPU. The GPU here measures
them; where there is none, nothing is written unless --no-measure chooses by estimates or --records
by what `einnet measure` wrote on a host that has one."""


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "compile",
        help="optimize a model, prove it, write an artifact",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=path_of,
        required=True,
        metavar="FOLDER",
        help="artifact to write; one that is there is replaced, anything else is left alone",
    )
    parser.add_argument(
        "--records",
        type=path_of,
        metavar="FILE",
        help="choose by what `einnet measure` recorded of an artifact of this model",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress and no table")
    add_options(parser)
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    options = options_of(arguments)
    if arguments.records is not None and options.target != "cuda":
        raise InputError(
            "--records is of the target cuda: the CPU target measures what it compiles",
            hint="--target cuda",
        )
    from einnet.cli.measure import print_progress
    from einnet.driver import compile_file, write
    from einnet.runtime.cuda.records import load_records
    from einnet.runtime.folder import require_destination
    from einnet.trace import Trace

    require_destination(arguments.output)
    records = load_records(arguments.records) if arguments.records is not None else None
    trace = Trace() if arguments.quiet else Trace(print_progress)
    compilation = compile_file(
        arguments.model,
        options,
        trace,
        batch=arguments.batch,
        entry=arguments.entry,
        records=records,
    )
    with trace.stage("writing the artifact"):
        write(compilation, arguments.output, options)
    if not arguments.quiet:
        _print(compilation, trace)
        print(f"wrote {arguments.output}")
    return 0


def _print(compilation: Compilation | CudaCompilation, trace: Trace) -> None:
    from einnet.cli.report import print_compilation
    from einnet.cli.report_cuda import print_cuda_compilation
    from einnet.driver import Compilation

    if isinstance(compilation, Compilation):
        print_compilation(compilation, trace)
    else:
        print_cuda_compilation(compilation, trace)
