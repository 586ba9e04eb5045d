"""`einnet measure`: time the variants of an artifact on the GPU here; neither MLIR nor search.

A host needs NumPy, ml_dtypes, cuda-bindings, nvmath-python and nvidia-cudnn-frontend for it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from einnet.cli.flags import natural, path_of, whole
from einnet.errors import Location, ToolchainError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from einnet.runtime.cuda.artifact import CudaArtifact
    from einnet.runtime.cuda.records import Records

DESCRIPTION = """\
Measures an artifact for cuda on this host's GPU: the algorithms of its library calls, the schedules
of its kernels, then its variants against each other, each checked against the first. Whatever has
not run before runs in a process of its own, so a variant that crashes or hangs is left out. The
records go to a file, by which `einnet compile --records` chooses on any host. Progress goes to
stderr, a table of the variants to stdout."""


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "measure", help="time the variants of an artifact on the GPU here", description=DESCRIPTION
    )
    parser.add_argument("artifact", type=Path, help="folder that `einnet compile` wrote")
    parser.add_argument(
        "-o",
        "--output",
        type=path_of,
        required=True,
        metavar="FILE",
        help=".json file to write the records to",
    )
    parser.add_argument(
        "--rounds",
        type=whole(1, 100_000),
        default=30,
        metavar="N",
        help="times that each variant is timed, hot and cold; at most 100,000 (default: 30)",
    )
    parser.add_argument(
        "--seed", type=natural, default=0, metavar="N", help="seed of data and orders (default: 0)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress and no table")
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from einnet.output import require_writable
    from einnet.runtime.cuda.artifact import load_cuda_artifact
    from einnet.runtime.cuda.measure import measure_artifact
    from einnet.runtime.cuda.records import save_records

    require_writable(arguments.output)
    # Here and not only in the child: what is damaged is refused before a process is started.
    artifact = load_cuda_artifact(arguments.artifact)
    require_gpu(artifact)
    records = measure_artifact(
        arguments.artifact,
        rounds=arguments.rounds,
        seed=arguments.seed,
        # Algorithms need not be searched again; times are compared round by round, so all are new.
        known=artifact.records and replace(artifact.records, variants={}),
        say=(lambda _: None) if arguments.quiet else print_progress,
    )
    save_records(records, arguments.output)
    if not arguments.quiet:
        print(*variant_table(records, tuple(artifact.variants), artifact.chosen), sep="\n")
        print(f"wrote {arguments.output}")
    return 0


def require_gpu(artifact: CudaArtifact) -> None:
    """Raise ToolchainError unless there is a GPU that the artifact's kernels run on."""
    from einnet.runtime.cuda.artifact import best_chip
    from einnet.toolchain.doctor import find_gpus

    gpu = find_gpus()[0]
    if any(artifact.cubins.values()) and best_chip(artifact.cubins, gpu.capability) is None:
        raise ToolchainError(
            f"the artifact has kernels for {', '.join(artifact.cubins)}; this is {gpu}",
            location=Location(str(artifact.folder)),
            hint=f"compile it for this GPU: --chips {gpu.chip}",
        )


def print_progress(line: str) -> None:
    """A line about what is being done, beside the output; as it happens, also in a pipe."""
    print(line, file=sys.stderr, flush=True)


def variant_table(records: Records | None, names: tuple[str, ...], chosen: str) -> list[str]:
    """The variants of an artifact, the fastest first: hot and cold medians, how each compares with
    the original, and what is special about it."""
    from einnet.cli.columns import format_columns, format_microseconds
    from einnet.runtime.cuda.forms import fastest_original, winner

    samples = {n: s for n, s in records.variants.items() if n in names} if records else {}
    order = sorted(names, key=lambda n: samples[n].median if n in samples else float("inf"))
    original = fastest_original(samples)
    base = None if original is None else samples[original]
    rows: list[tuple[str, ...]] = []
    for place, name in enumerate(order):
        notes = ["chosen in the artifact"] if name == chosen else []
        mine = samples.get(name)
        if mine is None:
            notes.append("not measured" if not records else "failed or not measured")
            rows.append((name, "-", "-", "-", "-", ", ".join(notes)))
            continue
        if place == 0:
            taken = winner(samples) == name
            notes.insert(0, "fastest" if taken else "fastest, within the noise of the original")
        against = "-" if base is None else f"{base.median / mine.median:.2f}x"
        rows.append((
            name, format_microseconds(mine.median), format_microseconds(mine.spread),
            format_microseconds(mine.cold_median), against, ", ".join(notes),
        ))  # fmt: skip
    lines = [environment_line(records)] if records else []
    headings = ("variant", "median", "spread", "cold", "original / this", "")
    return [*lines, *format_columns(headings, rows, right=(1, 2, 3, 4))]


def environment_line(records: Records) -> str:
    """Where and in what precision records were taken, in one line."""
    taken = records.environment
    versions = {
        "driver": taken.driver,
        "CUDA": taken.cuda,
        "cuBLASLt": taken.cublaslt,
        "cuDNN": taken.cudnn,
    }
    known = ", ".join(f"{name} {version or 'unknown'}" for name, version in versions.items())
    return f"{taken.precision} on {taken.gpu}: {known}"
