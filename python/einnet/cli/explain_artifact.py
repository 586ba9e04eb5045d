"""`einnet explain` of an artifact for a GPU: what it runs, what was measured, why it is right.

Needs neither MLIR nor a GPU.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

from einnet.cli.columns import format_columns, format_microseconds
from einnet.cli.measure import variant_table
from einnet.cli.proofs import Proofs, format_chance, read_proofs
from einnet.codegen.gpu.host import (
    Buffer,
    ConvolutionCall,
    HostProgram,
    KernelLaunch,
    MatrixProduct,
    Step,
    key_of,
)
from einnet.errors import InputError, Location
from einnet.runtime.cuda.artifact import CudaArtifact, load_cuda_artifact
from einnet.runtime.cuda.records import Records
from einnet.runtime.folder import (
    CERTIFICATE,
    REBUILD,
    TRACE,
    read_json,
    read_manifest,
    require_listed,
)
from einnet.verify.certificate import Certificate


def explain_artifact(folder: Path, variant: str | None) -> list[str]:
    """The lines that explain an artifact and a variant of it, the chosen one if none is named.

    Raises InputError for what is no artifact for cuda or not whole, and for a variant that it
    lacks.
    """
    artifact = load_cuda_artifact(folder)
    require_listed(folder, read_manifest(folder), (CERTIFICATE, TRACE))
    name = variant or artifact.chosen
    if name not in artifact.variants:
        raise InputError(
            f"there is no variant '{name}'",
            location=Location(str(folder)),
            hint=f"variants: {', '.join(artifact.variants)}",
        )
    lines = [
        f"{folder}: for {', '.join(artifact.cubins) or 'no chip'} in {artifact.precision},"
        f" {_count(len(artifact.variants), 'variant')}",
        "",
        *_steps(artifact, name),
    ]
    if name == artifact.chosen:
        lines += ["", *_subprograms(folder / TRACE)]
    table = variant_table(artifact.records, tuple(artifact.variants), artifact.chosen)
    lines += ["", "variants", *table]
    if artifact.records is None:
        lines.append("  chosen by estimates: nothing was measured")
    return [*lines, "", *_proof(read_proofs(folder))]


def _steps(artifact: CudaArtifact, name: str) -> list[str]:
    """A variant step by step, with the algorithm or schedule that was found fastest."""
    program = artifact.variants[name]
    launches = sum(isinstance(s, KernelLaunch) for s in program.steps)
    rows = [
        (str(number), *_described(step, program, artifact.records), _flow(step))
        for number, step in enumerate(program.steps, 1)
    ]
    title = (
        f"variant '{name}': {_count(launches, 'kernel')} and"
        f" {_count(len(program.calls), 'library call')},"
        f" {_mib(program.arena)} of temporaries, {_mib(program.constants)} of constants"
    )
    shapes = [
        f"  {role} {_shape(program.buffer(buffer))}"
        for role, names in (("input", program.inputs), ("output", program.outputs))
        for buffer in names
    ]
    headings = ("", "step", "computes", "how", "alone", "reads -> writes")
    return [title, *shapes, *format_columns(headings, rows, right=(0, 4))]


def _described(
    step: Step, program: HostProgram, records: Records | None
) -> tuple[str, str, str, str]:
    """What a step is, what it computes, how, and the microseconds that it took by itself."""
    if isinstance(step, KernelLaunch):
        symbol, seconds = step.symbol, None
        if records is not None and step.symbol in records.kernels:
            symbol = records.kernels[step.symbol].symbol
            seconds = records.kernels[step.symbol].seconds.get(symbol)
        written = program.buffer(step.arguments[-1])
        computes = f"{_short(step.label)} {_dims(written.shape)} {written.dtype}".lstrip()
        how = f"{prod(step.grid)} blocks of {prod(step.block)}"
        if symbol != step.symbol:
            how = "the schedule measured fastest"
        return symbol, computes, how, _time(seconds)
    record = records.calls.get(key_of(step)) if records is not None else None
    how, seconds = "the library's first algorithm", None
    if record is not None and record.algorithm:
        how, seconds = str(record.algorithm.get("name", "")), record.seconds
    kind = "matmul" if isinstance(step, MatrixProduct) else "convolution"
    if isinstance(step, ConvolutionCall) and step.transposed:
        kind = "transposed convolution"
    return kind, _call(step), how, _time(seconds)


def _call(step: MatrixProduct | ConvolutionCall) -> str:
    """The sizes of a library call, its types and its epilogue."""
    if isinstance(step, MatrixProduct):
        sizes = f"{step.m}x{step.n}x{step.k}"
        sizes = f"{step.batch} of {sizes}" if step.batch > 1 else sizes
    else:
        sizes = f"{_dims(step.x.extents)} by {_dims(step.w.extents)}"
        sizes += f" stride {_dims(step.stride)}" if set(step.stride) != {1} else ""
        sizes += f" dilation {_dims(step.dilation)}" if set(step.dilation) != {1} else ""
        sizes += f" groups {step.groups}" if step.groups > 1 else ""
    types = step.dtype if step.dtype == step.result else f"{step.dtype} to {step.result}"
    added = [*(["bias"] if step.bias else []), *([step.activation] if step.activation else [])]
    epilogue = "".join(f" + {part}" for part in added)
    tf32 = " as tf32" if (step.dtype, step.precision) == ("f32", "tf32") else ""
    return f"{_short(step.label)} {sizes} {types}{tf32}{epilogue}".lstrip()


def _short(label: str) -> str:
    """The first of the operations that were fused, and how many more there are."""
    first, *others = label.split("+")
    return f"{first} and {len(others)} more" if others else first


def _flow(step: Step) -> str:
    read, written = step.arguments[: -step.outputs], step.arguments[-step.outputs :]
    return f"{' '.join(read)} -> {' '.join(written)}"


def _subprograms(path: Path) -> list[str]:
    """What each contraction was derived to in the chosen variant. Raises InputError for a file
    that does not say it."""
    stored: Any = read_json(path)
    try:
        rows = [_subprogram(record) for record in stored]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"not the trace of a compilation: {error!r}",
            location=Location(str(path)),
            hint=REBUILD,
        ) from error
    headings = ("subprogram", "computed by", "derivation", "expression")
    return ["subprograms of the chosen variant", *format_columns(headings, rows)]


def _subprogram(record: dict[str, Any]) -> tuple[str, ...]:
    candidate = record["candidates"][record["chosen"]]
    steps = " ".join(str(rule) for rule, _ in candidate["steps"]) or "none"
    operator, mutant = candidate["operator"], candidate.get("mutant")
    words = f"{operator}, mutant {mutant}" if mutant else str(operator)
    return str(record["subprogram"]), words, steps, str(record["expression"])


def _proof(proofs: Proofs) -> list[str]:
    """Why the chosen variant is right."""
    lines: list[str] = []
    if proofs.variant is not None:
        lines.append(_proved("the chosen variant equals the model", proofs.variant))
    if proofs.module is not None:
        lines.append(_proved("optimized.mlir equals the imported module", proofs.module))
    elif proofs.unproved:
        lines.append(f"optimized.mlir is not proved by itself: {proofs.unproved}")
    return lines or ["there is no certificate"]


def _proved(what: str, proof: Certificate) -> str:
    return (
        f"proved: {what}, on {proof.cells} cells at {proof.positions} positions,"
        f" {len(proof.segments)} segments, {len(proof.primes)} rounds; probability of a wrong"
        f" accept at most {format_chance(proof.error_bound)}"
    )


def _shape(buffer: Buffer) -> str:
    return f"{buffer.name}: {_dims(buffer.shape) or 'scalar'} {buffer.dtype}"


def _dims(extents: tuple[int, ...]) -> str:
    return "x".join(map(str, extents))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _time(seconds: float | None) -> str:
    return format_microseconds(None if seconds is None else 1e6 * seconds)
