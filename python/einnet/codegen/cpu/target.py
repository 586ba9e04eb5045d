"""Instruction sets: what compiled code needs, and what this host has."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from einnet.errors import InputError

NATIVE = "native"

_V2 = frozenset({"cx16", "popcnt", "sse4_1", "sse4_2", "ssse3"})
_V3 = _V2 | {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"}
_V4 = _V3 | {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}
# LLVM's architecture levels, with the flags of /proc/cpuinfo that stand for each.
_LEVELS: dict[str, frozenset[str]] = {
    "x86-64": frozenset(),
    "x86-64-v2": _V2,
    "x86-64-v3": _V3,
    "x86-64-v4": _V4,
}
# Flags that LLVM may turn into instructions under `native`, beside the levels'.
_NATIVE_PREFIXES = ("avx", "sse", "sha", "vaes", "vpclmul", "gfni", "fma", "bmi", "adx", "xop")


@dataclass(frozen=True)
class Target:
    """A machine that code is compiled for: LLVM's name of the CPU, and the flags it must have."""

    machine: str
    cpu: str
    flags: frozenset[str]

    def runs_here(self) -> bool:
        return self.machine == platform.machine() and self.flags <= _host_flags()

    def to_json(self) -> dict[str, object]:
        return {"machine": self.machine, "cpu": self.cpu, "flags": sorted(self.flags)}


def make_target(cpu: str = NATIVE) -> Target:
    """`native`, this host exactly; or a level such as `x86-64-v3`, for other hosts too."""
    machine = platform.machine()
    if cpu == NATIVE:
        return Target(machine, cpu, _host_flags())
    if machine != "x86_64" or cpu not in _LEVELS:
        valid = [NATIVE, *(_LEVELS if machine == "x86_64" else ())]
        raise InputError(f"unknown CPU '{cpu}'", hint=f"valid here: {', '.join(valid)}")
    return Target(machine, cpu, _LEVELS[cpu])


@cache
def _host_flags() -> frozenset[str]:
    """Of `/proc/cpuinfo`, those that matter to compiled code; empty where there is no such file."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            known = set(value.split())
            return frozenset(
                flag for flag in known if flag in _V4 or flag.startswith(_NATIVE_PREFIXES)
            )
    return frozenset()
