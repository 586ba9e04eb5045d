"""Cells and positions do not grow with the extents; neither do time and memory."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import dataclass

import pytest
from verify_cases import Shapes, single

from einnet.verify.equivalence import Equal, compare


@dataclass(frozen=True)
class Workload:
    shapes: Shapes
    reference: str
    candidate: str
    cells: int
    positions: int


def convolution(n: int, c: int, f: int, size: int) -> Workload:
    box = f"n:{n},f:{f},h:{size},w:{size}"
    return Workload(
        {"X": (n, c, size, size), "K": (f, c, 3, 3)},
        f"L<{box}> S<c:{c},r:3,s:3> X[n,c,h+r-1,w+s-1]*K[f,c,r,s]",
        f"L<{box}> S<r:3,s:3> {{L<r:3,s:3,f:{f},n:{n},y:{size},x:{size}> S<c:{c}> "
        "K[f,c,r,s]*X[n,c,y,x]}[r,s,f,n,h+r-1,w+s-1]",
        9,
        9 * (2 if n == 1 else 3) + 6,
    )


def transposed(n: int, c: int, f: int, size: int, positions: int) -> Workload:
    box = f"n:{n},f:{f},h:{2 * size},w:{2 * size}"
    return Workload(
        {"X": (n, c, size, size), "W": (c, f, 4, 4)},
        f"L<{box}> S<c:{c},r:4,s:4> X[n,c,(h+1-r) div 2,(w+1-s) div 2]*W[c,f,r,s]"
        "*[(h+1-r) mod 2=0]*[(w+1-s) mod 2=0]",
        f"L<{box}> S<a:2,b:2> {{L<n:{n},y:{size},x:{size},r:4,s:4,f:{f}> S<c:{c}> "
        "X[n,c,y,x]*W[c,f,r,s]}"
        "[n,(h+1) div 2-a,(w+1) div 2-b,2*a+(h+1) mod 2,2*b+(w+1) mod 2,f]",
        16,
        positions,
    )


WORKLOADS = {
    "conv 3x3, 512 to 512, 7x7": convolution(1, 512, 512, 7),
    "conv 3x3, 512 to 512, 224x224": convolution(1, 512, 512, 224),
    "conv transposed 4x4 stride 2, 448 to 256, 2x2": transposed(16, 448, 256, 2, 48),
    "conv transposed 4x4 stride 2, 64 to 3, 16x16": transposed(16, 64, 3, 16, 64),
    "product 4096": Workload(
        {"A": (4096, 4096), "B": (4096, 4096)},
        "L<m:4096,n:4096> S<k:4096> A[m,k]*B[k,n]",
        "L<m:4096,n:4096> S<i:64> {L<i:64,n:4096,m:4096> S<j:64> B[64*i+j,n]*A[m,64*i+j]}[i,n,m]",
        1,
        3,
    ),
    "three products 512": Workload(
        {"A": (512, 512), "B": (512, 512), "C": (512, 512)},
        "L<m:512,n:512> S<k:512> {L<m:512,k:512> S<j:512> A[m,j]*B[j,k]}[m,k]*C[k,n]",
        "L<m:512,n:512> S<j:512> A[m,j]*{L<j:512,n:512> S<k:512> B[j,k]*C[k,n]}[j,n]",
        # With both sums at one point these are one and the same.
        0,
        0,
    ),
    # PET's tiles without halo, and what they leave out on either side.
    "conv 5x5 as tiles of 10x38 and their seams": Workload(
        {"X": (1, 48, 38, 38), "K": (48, 48, 5, 5)},
        "L<f:48,h:38,w:38> S<c:48,r:5,s:5> X[0,c,h+r-2,w+s-2]*K[f,c,r,s]",
        "L<f:48,h:38,w:38> S<c:48,r:5,s:5> "
        + " + ".join(
            f"X[0,c,h+r-2,w+s-2]*K[f,c,r,s]*[{lo} <= h mod 10+r-2 < {lo + 10}]"
            for lo in (-10, 0, 10)
        ),
        5 * 14,
        204,
    ),
    "merged image 16x56x56": Workload(
        {"X": (16, 64, 56, 56), "K": (64, 64, 3, 3)},
        "L<f:64,m:50176> S<c:64,r:3,s:3> "
        "X[m div 3136,c,(m div 56) mod 56+r-1,m mod 56+s-1]*K[f,c,r,s]",
        "L<f:64,m:50176> S<r:3,s:3> {L<r:3,s:3,f:64,n:16,y:56,x:56> S<c:64> "
        "K[f,c,r,s]*X[n,c,y,x]}[r,s,f,m div 3136,(m div 56) mod 56+r-1,m mod 56+s-1]",
        9,
        33,
    ),
}


@pytest.mark.parametrize("work", WORKLOADS.values(), ids=WORKLOADS)
def test_cost_does_not_grow_with_the_extents(work: Workload) -> None:
    reference = single(work.shapes, work.reference)
    candidate = single(work.shapes, work.candidate)
    start = time.process_time()
    verdict = compare(reference, candidate)
    seconds = time.process_time() - start
    assert isinstance(verdict, Equal)
    (segment,) = verdict.certificate.segments
    assert (segment.cells, segment.positions) == (work.cells, work.positions)
    assert seconds < 2
    tracemalloc.start()
    try:
        compare(reference, candidate)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100e6
    figures = f"{segment.cells} cells, {segment.positions} positions"
    print(f"{figures}, {seconds:.3f} s, {peak / 1e6:.0f} MB")
