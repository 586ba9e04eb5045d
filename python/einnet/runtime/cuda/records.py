"""What was measured on a GPU: algorithms by library call, times by variant. One JSON file.

Records count only in the environment they were taken in: another is a miss, never an error.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from einnet.errors import InputError, Location
from einnet.output import write_file
from einnet.runtime.cuda.algorithm import Record
from einnet.runtime.cuda.device import Device
from einnet.runtime.cuda.timing import GpuSamples

SCHEMA = "einnet.records"
VERSION = 1


@dataclass(frozen=True)
class Environment:
    """What times and algorithms depend on, beside the program. Versions are "" if unknown or not
    installed; `driver` is the release and `cuda` the newest version it supports."""

    gpu: str
    driver: str
    cuda: str
    cublaslt: str
    cudnn: str
    precision: str


@dataclass(frozen=True)
class CallRecord:
    """The algorithm found fastest for a library call, as its library's module writes it, and the
    seconds it took.

    `{}` and 0.0: none was found, or looking for one crashed or hung; it is not looked for again,
    and the library's first choice runs.
    """

    algorithm: Record
    seconds: float


@dataclass(frozen=True)
class KernelRecord:
    """The symbol of the schedule found fastest for a kernel, and seconds of those that ran by
    symbol; none where trying them crashed or hung."""

    symbol: str
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Records:
    """Measurements of one environment: of calls by `key_of`, of kernels by the symbol that a
    variant launches, of variants by name."""

    environment: Environment
    calls: Mapping[str, CallRecord] = field(default_factory=dict[str, CallRecord])
    kernels: Mapping[str, KernelRecord] = field(default_factory=dict[str, KernelRecord])
    variants: Mapping[str, GpuSamples] = field(default_factory=dict[str, GpuSamples])

    def algorithms(self, environment: Environment) -> dict[str, Record]:
        """Algorithms by the key of the call; none if the records are of another environment."""
        if environment != self.environment:
            return {}
        return {key: call.algorithm for key, call in self.calls.items()}

    def to_json(self) -> dict[str, object]:
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "environment": asdict(self.environment),
            "calls": {key: asdict(call) for key, call in self.calls.items()},
            "kernels": {symbol: asdict(kernel) for symbol, kernel in self.kernels.items()},
            "variants": {name: samples.to_json() for name, samples in self.variants.items()},
        }

    @staticmethod
    def from_json(data: object, location: Location) -> Records:
        """The inverse of `to_json`. An InputError at `location` says what is wrong."""
        match data:
            case {
                "schema": "einnet.records",
                "version": 1,
                "environment": {**environment},
                "calls": {**calls},
                "kernels": {**kernels},
                "variants": {**variants},
            }:
                pass
            case {"schema": "einnet.records", "version": version} if version != VERSION:
                raise InputError(
                    f"the records' version is {version}, this einnet reads {VERSION}",
                    location=location,
                    hint="measure again with this einnet",
                )
            case _:
                raise _malformed("a part of them is missing", location)
        return Records(
            _environment(cast(dict[str, object], environment), location),
            {str(key): _call(str(key), call, location) for key, call in calls.items()},
            {str(symbol): _kernel(str(symbol), k, location) for symbol, k in kernels.items()},
            {str(name): _samples(str(name), s, location) for name, s in variants.items()},
        )


def save_records(records: Records, path: Path) -> None:
    """Write the file; InputError if it cannot be written."""
    write_file(path, [(json.dumps(records.to_json(), indent=1) + "\n").encode()])


def load_records(path: Path) -> Records:
    """Read a file that `save_records` wrote. InputError: there is none, or it is something else."""
    location = Location(str(path))
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", location=location) from error
    except (ValueError, RecursionError) as error:
        raise _malformed(f"not JSON: {error}", location) from error
    return Records.from_json(data, location)


def environment_of(device: Device, precision: str) -> Environment:
    """The environment of what is measured on a device here and now."""
    properties = device.properties
    return Environment(
        gpu=properties.name,
        driver=properties.driver,
        cuda=properties.cuda,
        cublaslt=_version("nvmath.bindings.cublasLt", "get_version"),
        cudnn=_version("cudnn", "backend_version"),
        precision=precision,
    )


def _version(module: str, function: str) -> str:
    """What the library says its version is; "" if it or its Python package is not installed."""
    try:
        return str(getattr(importlib.import_module(module), function)())
    except (ImportError, RuntimeError, OSError):  # as these packages say that a library is missing
        return ""


def _environment(data: dict[str, object], location: Location) -> Environment:
    names = [f.name for f in fields(Environment)]
    values: dict[str, Any] = {name: data.get(name) for name in names}
    for name, value in values.items():
        if not isinstance(value, str):
            raise _malformed(f"environment: '{name}' is not a string", location)
    return Environment(**values)


def _call(key: str, data: object, location: Location) -> CallRecord:
    match data:
        case {"algorithm": {**algorithm}, "seconds": int() | float() as seconds}:
            return CallRecord({str(k): v for k, v in algorithm.items()}, float(seconds))
        case _:
            raise _malformed(f"call {key} lacks an algorithm or seconds", location)


def _kernel(symbol: str, data: object, location: Location) -> KernelRecord:
    match data:
        case {"symbol": str(best), "seconds": {**seconds}}:
            times = cast(dict[str, Any], seconds)
            return KernelRecord(best, {str(s): float(t) for s, t in times.items()})
        case _:
            raise _malformed(f"kernel {symbol} lacks a symbol or seconds", location)


def _samples(name: str, data: object, location: Location) -> GpuSamples:
    try:
        return GpuSamples.from_json(data)
    except ValueError as error:
        raise _malformed(f"variant {name}: {error}", location) from error


def _malformed(why: str, location: Location) -> InputError:
    return InputError(
        f"not records of measurements: {why}",
        location=location,
        hint="`einnet measure` writes such files",
    )
