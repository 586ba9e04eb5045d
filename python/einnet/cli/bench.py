"""`einnet bench`: the unoptimized program, the optimized one and ONNX Runtime, in one run."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from einnet.cli.flags import add_options, options_of

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "bench", help="time a model unoptimized, optimized and in ONNX Runtime, in one run"
    )
    parser.add_argument("model", help=".onnx file, or .mlir file in linalg")
    parser.add_argument("--batch", type=int, help="value of an ONNX model's symbolic batch")
    parser.add_argument("--runs", type=int, default=50, help="timed runs of each (default: 50)")
    parser.add_argument("--json", type=Path, help="file for raw samples and environment")
    add_options(parser)
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    options = options_of(arguments)
    from einnet.cli.report import print_benchmark
    from einnet.driver import benchmark, compile_file
    from einnet.trace import Trace

    def listen(message: str) -> None:
        print(message, file=sys.stderr)

    compilation = compile_file(arguments.model, options, Trace(listen), batch=arguments.batch)
    result = benchmark(compilation, options, arguments.runs)
    threads = "1 thread" if options.threads == 1 else f"{options.threads} threads"
    print_benchmark(result.samples, list(result.notes), f"{arguments.model}, {threads}")
    if arguments.json is not None:
        record: dict[str, Any] = {
            "model": str(arguments.model),
            "environment": result.environment,
            "errors": result.errors,
            "tolerance": result.tolerance,
            "samples": {name: s.to_json() for name, s in result.samples.items()},
        }
        arguments.json.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return 0 if result.correct else 1
