"""Kernels assembled many at a time, and what ptxas has to say of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from einnet.codegen.gpu.assemble import Resources, assemble
from einnet.codegen.gpu.frame import Kernel


def together(kernels: Iterable[Kernel]) -> str:
    """One module of all kernels."""
    begin, end = "", ""
    functions: list[str] = []
    for kernel in {k.symbol: k for k in kernels}.values():
        first, second, *body, before, last = kernel.module.strip().splitlines()
        begin, end = f"{first}\n{second}\n", f"\n{before}\n{last}\n"
        functions += body
    assert begin.startswith("module attributes"), begin
    return begin + "\n".join(functions) + end


def check_resources(kernels: Sequence[Kernel], chip: str) -> dict[str, Resources]:
    found = dict(assemble(together(kernels), chip).resources)
    assert set(found) == {k.symbol for k in kernels}
    for symbol, needs in found.items():
        assert needs.spill_bytes == needs.local_bytes == 0, f"{symbol}: {needs}"
        assert needs.registers <= 128, f"{symbol}: {needs}"
        assert needs.static_shared_bytes <= 48 * 1024, f"{symbol}: {needs}"
    return found
