"""`einnet bench`: the optimized program beside the unoptimized one and others, in one run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from einnet.cli.flags import add_model, add_options, options_of, path_of, whole
from einnet.errors import InputError, Location

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from einnet.cli.bench_cuda import GpuBenchmark

DESCRIPTION = """\
Compiles the model, then runs it optimized, unoptimized and, if it is ONNX, in ONNX Runtime: in one
process, on the same random inputs, interleaved. Outputs are compared with a double-precision
reference; the exit code is 1 if one is further from it than rounding allows.

With --device cuda it compiles for the GPU here, and runs the chosen variant and the original, in
which libraries compute every operator as the model has it. An artifact for cuda can take the place
of the model: no compiler is needed then, and the two are compared with each other."""


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "bench",
        help="time a model optimized, unoptimized and in ONNX Runtime",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(parser)
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        help="what to run on (default: what --target or the artifact says, else cpu)",
    )
    parser.add_argument(
        "--runs",
        type=whole(1, 100_000),
        default=50,
        metavar="N",
        help="timed runs of each, on a GPU rounds of 20 (default: 50, at most 100000)",
    )
    parser.add_argument(
        "--json",
        type=path_of,
        metavar="FILE",
        help="file for all samples, errors and the environment",
    )
    add_options(parser)
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    from einnet.output import require_writable

    if arguments.json is not None:
        require_writable(arguments.json)
    if os.path.isdir(arguments.model):
        return _run_artifact(arguments)
    if arguments.device is not None:
        if (arguments.device, arguments.target) == ("cpu", "cuda"):
            raise InputError(
                "--device cpu and --target cuda: what is compiled for one is run there"
            )
        arguments.target = arguments.device
    return _run_cuda(arguments) if arguments.target == "cuda" else _run_cpu(arguments)


def _run_cpu(arguments: argparse.Namespace) -> int:
    options = options_of(arguments)
    from einnet.cli.bench_cpu import benchmark
    from einnet.cli.measure import print_progress
    from einnet.cli.report import print_benchmark
    from einnet.driver import Compilation, compile_file
    from einnet.trace import Trace

    compilation = compile_file(
        arguments.model,
        options,
        Trace(print_progress),
        batch=arguments.batch,
        entry=arguments.entry,
    )
    assert isinstance(compilation, Compilation)
    result = benchmark(compilation, options, arguments.runs)
    threads = "1 thread" if options.threads == 1 else f"{options.threads} threads"
    print_benchmark(result.samples, list(result.notes), f"{arguments.model}, {threads}")
    record: dict[str, object] = {
        "environment": result.environment,
        "errors": result.errors,
        "tolerance": result.tolerance,
        "notes": result.notes,
        "samples": {name: s.to_json() for name, s in result.samples.items()},
    }
    return _finish(arguments, record, result.correct)


def _run_cuda(arguments: argparse.Namespace) -> int:
    options = options_of(arguments)
    from einnet.cli.bench_cuda import bench_compilation
    from einnet.cli.measure import print_progress
    from einnet.driver import compile_file
    from einnet.driver_cuda import CudaCompilation
    from einnet.toolchain.doctor import find_gpus
    from einnet.trace import Trace

    find_gpus()
    compilation = compile_file(
        arguments.model,
        options,
        Trace(print_progress),
        batch=arguments.batch,
        entry=arguments.entry,
    )
    assert isinstance(compilation, CudaCompilation)
    result = bench_compilation(compilation, options, arguments.runs)
    _print(result, arguments.model)
    return _finish(arguments, result.to_json(), result.correct)


def _run_artifact(arguments: argparse.Namespace) -> int:
    from einnet.cli.bench_cuda import bench_artifact
    from einnet.runtime.folder import read_manifest, require_target, target_of

    folder = Path(arguments.model)
    manifest = read_manifest(folder)
    if arguments.device is not None:
        require_target(folder, manifest, arguments.device)
    if target_of(manifest) == "cpu":
        raise InputError(
            "this is an artifact for the CPU, with nothing in it to compare with",
            location=Location(str(folder)),
            hint="bench the model that it was compiled from",
        )
    result = bench_artifact(folder, arguments.runs, arguments.seed)
    _print(result, arguments.model)
    return _finish(arguments, result.to_json(), result.correct)


def _print(result: GpuBenchmark, name: str) -> None:
    from einnet.cli.columns import format_columns, format_microseconds

    taken = result.environment
    base = result.samples["einnet"]
    rows = [
        (
            side,
            format_microseconds(s.median),
            format_microseconds(s.spread),
            format_microseconds(s.cold_median),
            f"{s.median / base.median:.2f}x",
            f"{result.errors[side]:.1e}" if side in result.errors else "-",
        )
        for side, s in result.samples.items()
    ]
    print(f"{name}, {taken.precision} on {taken.gpu}; einnet is the variant '{result.variant}'")
    headings = ("program", "median", "spread", "cold", "against einnet", "error")
    print(*format_columns(headings, rows, right=(1, 2, 3, 4, 5)), sep="\n")
    print(f"errors in {taken.precision} against {result.reference}: {result.allowed:.1e} allowed")
    for note in result.notes:
        print(note)


def _finish(arguments: argparse.Namespace, record: Mapping[str, object], correct: bool) -> int:
    """Write what --json asks for, and say so if an output is wrong."""
    from einnet.output import write_file

    if arguments.json is not None:
        text = json.dumps({"model": str(arguments.model), **record}, indent=1)
        write_file(arguments.json, [text.encode()])
    if not correct:
        print("einnet: error: an output is further off than rounding allows", file=sys.stderr)
    return 0 if correct else 1
