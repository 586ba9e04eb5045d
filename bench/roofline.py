"""What the hardware allows: the time below which no implementation of an operator can come."""

from __future__ import annotations

from dataclasses import dataclass

PRECISIONS = ("fp32", "tf32", "fp16", "bf16")

ELEMENT: dict[str, str] = {"fp32": "f32", "tf32": "f32", "fp16": "f16", "bf16": "bf16"}
"""The element type in memory of each precision; tf32 is a way to multiply f32."""

ELEMENT_BYTES: dict[str, int] = {"fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2}


@dataclass(frozen=True)
class Machine:
    """Peak rates: dense floating-point operations a second by precision, bytes a second."""

    name: str
    flops: dict[str, float]
    bandwidth: float


H100 = Machine(
    "NVIDIA H100 80GB HBM3",
    {"fp32": 67e12, "tf32": 494e12, "fp16": 989e12, "bf16": 989e12},
    3.0e12,
)
"""Data-sheet rates of the tensor cores, and the bandwidth that a copy between device buffers
reaches (the data sheet's 3.35e12 counts what no kernel gets)."""


def roof_microseconds(machine: Machine, precision: str, flops: float, bytes_: float) -> float:
    """The longer of the times for the arithmetic and for moving the bytes once."""
    return 1e6 * max(flops / machine.flops[precision], bytes_ / machine.bandwidth)
