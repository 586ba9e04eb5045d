"""An artifact for CUDA: a folder that a host with a GPU runs and measures, without MLIR.

manifest.json          what the folder is, its chips, precision and chosen variant, file hashes
variants.json          host programs by name: all variants that are still in the race
alternatives.json      other schedules of kernels, by the symbol of the one that variants launch
kernels/CHIP/SYMBOL.cubin
                       machine code of the generated kernels, for each chip
constants.safetensors  weights and prepared constants by content key, shared by the variants
records.json           measurements: algorithms of library calls, times of variants; may be empty
optimized.mlir         the chosen program as the search left it: ordinary linalg
certificate.json  trace.json  environment.json
                       why it is right, how it was derived, where it was built
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from einnet.codegen.gpu.host import HostProgram, KernelLaunch
from einnet.errors import InputError, Location, ToolchainError
from einnet.runtime.cuda.algorithm import Unsupported
from einnet.runtime.cuda.device import Device, open_device
from einnet.runtime.cuda.executor import CudaProgram, check_program
from einnet.runtime.cuda.records import Records, environment_of
from einnet.runtime.folder import (
    CONSTANTS,
    MANIFEST,
    OPTIMIZED,
    REBUILD,
    check_files,
    read_json,
    read_manifest,
    replacing,
    require_target,
    write_json,
    write_manifest,
    write_reports,
)
from einnet.weights import Weights

Array = NDArray[Any]

TARGET = "cuda"
VARIANTS = "variants.json"
ALTERNATIVES = "alternatives.json"
KERNELS = "kernels"
RECORDS = "records.json"

Cubins = Mapping[str, Mapping[str, bytes]]
"""Machine code by chip (such as sm_90a), then by symbol."""

Alternatives = Mapping[str, tuple[KernelLaunch, ...]]
"""Launches that may take the place of a kernel's, by its symbol; they have no arguments of their
own."""


@dataclass(frozen=True)
class CudaArtifact:
    """What an artifact for CUDA holds; constants are mapped from the file.

    `chosen` is the variant that runs unless another is asked for. Not every chip needs the kernels
    of every variant.
    """

    folder: Path
    precision: str
    chosen: str
    variants: Mapping[str, HostProgram]
    cubins: Cubins
    constants: Mapping[str, Array]
    alternatives: Alternatives
    records: Records | None = None

    @property
    def program(self) -> HostProgram:
        """The chosen variant."""
        return self.variants[self.chosen]


def write_cuda_artifact(
    folder: Path,
    *,
    precision: str,
    chosen: str,
    variants: Mapping[str, HostProgram],
    cubins: Cubins,
    constants: Mapping[str, Array],
    alternatives: Alternatives | None = None,
    optimized: str,
    records: Records | None = None,
    certificate: object = None,
    trace: object = None,
    environment: object = None,
) -> None:
    """Write the artifact `folder`, or replace it if it is one already; it appears complete or not
    at all.

    Constants that no variant reads are left out. InputError: `folder` is something else, or cannot
    be written. ValueError: a variant is not whole on any chip, or there is none of the chosen name.
    """
    if chosen not in variants:
        raise ValueError(f"there is no variant {chosen!r} to choose")
    for program in variants.values():
        errors = [
            _problem(program, kernels, constants) for kernels in (cubins or {"": {}}).values()
        ]
        if all(errors):
            raise ValueError(f"variant of {program.name}: {errors[0]}")
    used = {b.content for p in variants.values() for b in p.buffers if b.role == "constant"}
    with replacing(folder) as made:
        write_json(made / VARIANTS, {name: p.to_json() for name, p in variants.items()})
        others = {s: [asdict(a) for a in found] for s, found in (alternatives or {}).items()}
        write_json(made / ALTERNATIVES, others)
        for chip, kernels in cubins.items():
            directory = made / KERNELS / _file_name(chip)
            directory.mkdir(parents=True)
            for symbol, cubin in kernels.items():
                (directory / f"{_file_name(symbol)}.cubin").write_bytes(cubin)
        Weights({key: constants[key] for key in sorted(used)}).save(made / CONSTANTS)
        write_json(made / RECORDS, records.to_json() if records else {})
        (made / OPTIMIZED).write_text(optimized, encoding="utf-8")
        write_reports(made, certificate=certificate, trace=trace, environment=environment)
        entries = {
            "target": TARGET,
            "chips": sorted(cubins),
            "precision": precision,
            "chosen": chosen,
        }
        write_manifest(made, entries)


def load_cuda_artifact(folder: Path) -> CudaArtifact:
    """Read an artifact; neither CUDA nor a GPU is needed.

    InputError: not an artifact, of an unknown version or another target, or a file is missing or
    not what the manifest says.
    """
    manifest = read_manifest(folder)
    require_target(folder, manifest, TARGET)
    check_files(folder, manifest, (VARIANTS, ALTERNATIVES, CONSTANTS, RECORDS))
    match manifest:
        case {"chips": [*chips], "precision": str(precision), "chosen": str(chosen)}:
            pass
        case _:
            raise InputError(
                "manifest: lacks chips, a precision or a chosen variant",
                location=Location(str(folder / MANIFEST)),
                hint=REBUILD,
            )
    variants = _variants(folder / VARIANTS)
    if chosen not in variants:
        raise InputError(
            f"lacks the chosen variant '{chosen}'",
            location=Location(str(folder / VARIANTS)),
            hint=REBUILD,
        )
    return CudaArtifact(
        folder=folder,
        precision=precision,
        chosen=chosen,
        variants=variants,
        cubins={str(chip): _cubins(folder / KERNELS / str(chip)) for chip in chips},
        constants=Weights.load(folder / CONSTANTS),
        alternatives=_alternatives(folder / ALTERNATIVES),
        records=_records(folder / RECORDS),
    )


def executable(
    artifact: CudaArtifact,
    variant: str | None = None,
    device: Device | None = None,
    records: Records | None = None,
) -> CudaProgram:
    """A variant of an artifact (the chosen one) on a device (GPU 0), ready to run.

    Library calls use the algorithms of `records` (the artifact's) if these are of this environment,
    else their library's first choice. InputError: no such variant, or the artifact is not whole.
    ToolchainError: no GPU, no kernels for it, no memory, or a library is missing or refuses.
    """
    name = variant or artifact.chosen
    where = Location(str(artifact.folder))
    if name not in artifact.variants:
        raise InputError(
            f"there is no variant '{name}'",
            location=where,
            hint=f"variants: {', '.join(artifact.variants)}",
        )
    device = device or open_device()
    records = records or artifact.records
    program = artifact.variants[name]
    if records is not None and records.environment == environment_of(device, artifact.precision):
        program = with_kernels(program, records, artifact.alternatives)
    cubins = cubins_for(artifact, program, device)
    here = environment_of(device, artifact.precision) if records and program.calls else None
    algorithms = records.algorithms(here) if records and here else {}
    if problem := _problem(program, cubins, artifact.constants):
        raise InputError(f"variant '{name}': {problem}", location=where, hint=REBUILD)
    try:
        return CudaProgram(program, device, cubins, artifact.constants, algorithms)
    except Unsupported as error:
        raise ToolchainError(
            f"variant '{name}' does not run on {device.properties.name}: {error}",
            location=where,
            hint="compile for this GPU and its libraries, or choose another variant:"
            f" {', '.join(artifact.variants)}",
        ) from error


def best_chip(chips: Mapping[str, object], capability: tuple[int, int]) -> str | None:
    """The chip whose machine code runs best on a GPU; None if none does.

    Machine code runs on the same major version from its minor version on; that of a chip whose name
    ends in "a" on exactly that one.
    """
    best: tuple[int, str] | None = None
    for chip in chips:
        found = re.fullmatch(r"sm_(\d+)(\d)(a?)", chip)
        if not found:
            continue
        major, minor, exact = int(found[1]), int(found[2]), bool(found[3])
        runs = (major, minor) == capability if exact else minor <= capability[1]
        if major == capability[0] and runs:
            best = max(best or (-1, ""), (2 * minor + exact, chip))
    return best[1] if best else None


def cubins_for(artifact: CudaArtifact, program: HostProgram, device: Device) -> Mapping[str, bytes]:
    """Machine code by symbol that runs on a device, all kernels of the program among it.

    Raises ToolchainError if the artifact has none.
    """
    if not program.symbols:
        return {}
    having = {
        chip: kernels
        for chip, kernels in artifact.cubins.items()
        if all(symbol in kernels for symbol in program.symbols)
    }
    chip = best_chip(having, device.properties.capability)
    if chip is None:
        major, minor = device.properties.capability
        raise ToolchainError(
            f"the artifact has kernels for {', '.join(having) or 'no chip'};"
            f" {device.properties.name} is sm_{major}{minor}",
            location=Location(str(artifact.folder)),
            hint=f"compile it for sm_{major}{minor}",
        )
    return having[chip]


def _problem(
    program: HostProgram, kernels: Mapping[str, bytes], constants: Mapping[str, Array]
) -> str | None:
    """Why a program is not whole, if it is not."""
    try:
        check_program(program, kernels, constants)
    except ValueError as error:
        return str(error)
    return None


def _variants(path: Path) -> dict[str, HostProgram]:
    data = _read_object(path)
    try:
        return {name: HostProgram.from_json(program) for name, program in data.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"not host programs: {error!r}", location=Location(str(path)), hint=REBUILD
        ) from error


def with_kernels(program: HostProgram, records: Records, alternatives: Alternatives) -> HostProgram:
    """The program with the schedules of its kernels that were found fastest."""
    steps = list(program.steps)
    for position, step in enumerate(steps):
        if isinstance(step, KernelLaunch) and step.symbol in records.kernels:
            wanted = records.kernels[step.symbol].symbol
            for other in alternatives.get(step.symbol, ()):
                if other.symbol == wanted:
                    steps[position] = replace(
                        step, symbol=wanted, grid=other.grid, block=other.block, shared=other.shared
                    )
    return replace(program, steps=tuple(steps))


def _alternatives(path: Path) -> dict[str, tuple[KernelLaunch, ...]]:
    data = _read_object(path)
    try:
        return {
            symbol: tuple(KernelLaunch.from_json(launch) for launch in cast(list[object], found))
            for symbol, found in data.items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"not launches of kernels: {error!r}", location=Location(str(path)), hint=REBUILD
        ) from error


def _cubins(directory: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted(directory.glob("*.cubin"))}


def _records(path: Path) -> Records | None:
    data = _read_object(path)
    return Records.from_json(data, Location(str(path))) if data else None


def _read_object(path: Path) -> dict[str, object]:
    data = read_json(path)
    if not isinstance(data, dict):
        raise InputError("not a JSON object", location=Location(str(path)), hint=REBUILD)
    return cast(dict[str, object], data)


def _file_name(name: str) -> str:
    """A chip or symbol as the name of a file: neither has anything but letters, digits and _."""
    if not re.fullmatch(r"\w+", name, re.ASCII):
        raise ValueError(f"not a name of a chip or kernel: {name!r}")
    return name
