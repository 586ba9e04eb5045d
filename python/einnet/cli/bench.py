"""`einnet bench`: the optimized program, the unoptimized one and ONNX Runtime, in one run."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from einnet.cli.flags import add_model, add_options, options_of, positive

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DESCRIPTION = """\
Compiles the model, then runs it optimized, unoptimized and, if it is ONNX, in ONNX Runtime: in one
process, on the same random inputs, interleaved. Outputs are compared with a double-precision
reference; the exit code is 1 if one is further from it than rounding allows."""


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "bench",
        help="time a model optimized, unoptimized and in ONNX Runtime",
        description=DESCRIPTION,
    )
    add_model(parser)
    parser.add_argument(
        "--runs", type=positive, default=50, metavar="N", help="timed runs of each (default: 50)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="file for all samples, errors and the environment"
    )
    add_options(parser)
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    options = options_of(arguments)
    from einnet.cli.report import print_benchmark, print_progress
    from einnet.driver import benchmark, compile_file
    from einnet.output import require_writable, write_file
    from einnet.trace import Trace

    if arguments.json is not None:
        require_writable(arguments.json)
    compilation = compile_file(
        arguments.model,
        options,
        Trace(print_progress),
        batch=arguments.batch,
        entry=arguments.entry,
    )
    result = benchmark(compilation, options, arguments.runs)
    threads = "1 thread" if options.threads == 1 else f"{options.threads} threads"
    print_benchmark(result.samples, list(result.notes), f"{arguments.model}, {threads}")
    if arguments.json is not None:
        record: dict[str, Any] = {
            "model": str(arguments.model),
            "environment": result.environment,
            "errors": result.errors,
            "tolerance": result.tolerance,
            "notes": result.notes,
            "samples": {name: s.to_json() for name, s in result.samples.items()},
        }
        write_file(arguments.json, [json.dumps(record, indent=1).encode()])
    if not result.correct:
        print("einnet: error: an output is further off than rounding allows", file=sys.stderr)
    return 0 if result.correct else 1
