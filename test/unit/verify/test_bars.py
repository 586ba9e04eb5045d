"""What verifying a derived plan of a large operator may cost: CPU seconds, memory, their growth.

The bars are measured in a child process, whose peak memory is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from verify_cases import Shapes, single

from einnet.verify.certificate import Segment
from einnet.verify.equivalence import Equal, compare

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 2.0
MEGABYTES = 300

CHILD = """
import json, re, sys, time
from pathlib import Path
from random import Random
from bench.holdout import disguised
from bench.rows import plan_program, program_of
from bench.starts import convolution, square, start
from einnet.operators.contraction import estimate
from einnet.operators.cost import CPU
from einnet.operators.product import PRODUCT
from einnet.search.converge import FIRST, search
from einnet.verify.equivalence import compare

starts = {
    "product": lambda: start(
        "L<m:4096,n:4096> S<k:4096> A[m,k] * W[k,n]", A=(4096, 4096), W=(4096, 4096)
    ),
    "convolution": lambda: convolution(1, 512, 512, square(224, 3, padding=1)),
}
begin = disguised(starts[sys.argv[1]](), Random(1))
reference = program_of(begin)
found = search(begin.scope, lambda m: estimate(m, CPU, begin.weights), FIRST, PRODUCT).found
plan = plan_program(reference, found[0].match)
before = time.process_time()
verdict = compare(reference, plan)
seconds = time.process_time() - before
# ru_maxrss would begin with what the parent had at the fork.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(json.dumps([type(verdict).__name__, plan != reference, seconds, peak / 1024]))
"""


@pytest.mark.parametrize("operator", ["product", "convolution"])
def test_a_large_operator_is_verified_in_two_seconds_and_300_megabytes(operator: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", CHILD, operator],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    verdict, differs, seconds, megabytes = json.loads(run.stdout)
    print(f"{operator}: {seconds:.3f} s, {megabytes:.0f} MB")
    assert verdict == "Equal"
    assert differs
    assert seconds < SECONDS
    assert megabytes < MEGABYTES


def proved(shapes: Shapes, reference: str, candidate: str) -> tuple[Segment, float]:
    """The proof and its CPU seconds, the best of three runs."""
    programs = single(shapes, reference), single(shapes, candidate)
    taken: list[float] = []
    segments: list[Segment] = []
    for _ in range(3):
        begin = time.process_time()
        verdict = compare(*programs)
        taken.append(time.process_time() - begin)
        assert isinstance(verdict, Equal)
        segments += verdict.certificate.segments
    assert segments[0] == segments[1] == segments[2]
    return segments[0], min(taken)


Pair = tuple[Shapes, str, str]


def convolution(size: int) -> Pair:
    box = f"n:4,f:{size},h:{size},w:{size}"
    return (
        {"X": (4, 32, size, size), "K": (size, 32, 3, 3)},
        f"L<{box}> S<c:32,r:3,s:3> X[n,c,h+r-1,w+s-1]*K[f,c,r,s]",
        f"L<{box}> S<r:3,s:3> {{L<r:3,s:3,f:{size},n:4,y:{size},x:{size}> S<c:32> "
        "K[f,c,r,s]*X[n,c,y,x]}[r,s,f,n,h+r-1,w+s-1]",
    )


def product(size: int) -> Pair:
    return (
        {"A": (size, 512), "B": (512, size)},
        f"L<m:{size},n:{size}> S<k:512> A[m,k]*B[k,n]",
        f"L<m:{size},n:{size}> S<i:16> {{L<i:16,n:{size},m:{size}> S<j:32> "
        "B[32*i+j,n]*A[m,32*i+j]}[i,n,m]",
    )


@pytest.mark.parametrize("operator", [product, convolution], ids=lambda f: f.__name__)
def test_cost_does_not_depend_on_the_extents(operator: Callable[[int], Pair]) -> None:
    small, few = proved(*operator(64))
    large, many = proved(*operator(4096))
    assert (small.cells, small.positions) == (large.cells, large.positions)
    print(f"{few:.3f} s and {many:.3f} s")
    assert many < 2 * few + 0.02


def test_cost_is_linear_in_the_number_of_cells() -> None:
    def residues(number: int) -> Pair:
        # 20011 is prime: the residues are not digits of the axis.
        quotients = 20011 // number + 1
        return (
            {"A": (quotients, 32), "B": (number, 32)},
            f"L<v:20011> S<c:32> A[v div {number},c]*B[v mod {number},c]",
            f"L<v:20011> S<c:32> A[v div {number},31-c]*B[v mod {number},31-c]",
        )

    (first, few), (second, many) = proved(*residues(128)), proved(*residues(1024))
    assert (first.cells, second.cells) == (128, 1024)
    assert (first.positions, second.positions) == (2 * 128, 2 * 1024)
    print(f"{few:.3f} s and {many:.3f} s")
    assert many < 2 * 8 * few + 0.02
