"""Small programs, what can be done to their text, and commands run on it in a forked process.

Every second case is damaged, and mostly refused. The other ones are edited as a programmer would:
every occurrence of a token alike, so that most of them are programs, of another meaning.
"""

from __future__ import annotations

import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = (
    """\
func.func @main(%a: tensor<6x5xf32>, %b: tensor<5x4xf32>, %c: tensor<4x3xf32>) -> tensor<6x3xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<6x4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<6x4xf32>) -> tensor<6x4xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<6x5xf32>, tensor<5x4xf32>)
      outs(%f : tensor<6x4xf32>) -> tensor<6x4xf32>
  %e2 = tensor.empty() : tensor<6x3xf32>
  %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<6x3xf32>) -> tensor<6x3xf32>
  %q = linalg.matmul ins(%p, %c : tensor<6x4xf32>, tensor<4x3xf32>)
      outs(%f2 : tensor<6x3xf32>) -> tensor<6x3xf32>
  return %q : tensor<6x3xf32>
}
""",
    """\
#in = affine_map<(n, f, h, w, c, r, s) -> (n, c, h + r, w + s)>
#weight = affine_map<(n, f, h, w, c, r, s) -> (f, c, r, s)>
#out = affine_map<(n, f, h, w, c, r, s) -> (n, f, h, w)>
module attributes {einnet.note = "a convolution"} {
  func.func @main(%x: tensor<1x2x6x6xf32>, %k: tensor<3x2x3x3xf32>) -> tensor<1x3x4x4xf32> {
    %zero = arith.constant dense<0.000000e+00> : tensor<1x3x4x4xf32>
    %y = linalg.generic {indexing_maps = [#in, #weight, #out], iterator_types = ["parallel",
        "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"],
        einnet.label = "p"} ins(%x, %k : tensor<1x2x6x6xf32>, tensor<3x2x3x3xf32>)
        outs(%zero : tensor<1x3x4x4xf32>) {
    ^bb0(%i: f32, %w: f32, %acc: f32):
      %m = arith.mulf %i, %w : f32
      %sum = arith.addf %acc, %m : f32
      linalg.yield %sum : f32
    } -> tensor<1x3x4x4xf32>
    return %y : tensor<1x3x4x4xf32>
  }
}
""",
    """\
func.func @main(%x: tensor<1x2x5x5xf32>, %k: tensor<4x2x2x2xf32>, %b: tensor<1x4x3x3xf32>)
    -> tensor<1x4x3x3xf32> {
  %zero = arith.constant 0.0 : f32
  %pad = tensor.pad %x low[0, 0, 0, 0] high[0, 0, 1, 1] {
  ^bb0(%i: index, %j: index, %k2: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<1x2x5x5xf32> to tensor<1x2x6x6xf32>
  %y = linalg.conv_2d_nchw_fchw {strides = dense<2> : tensor<2xi64>, dilations = dense<1> :
      tensor<2xi64>, einnet.label = "p"} ins(%pad, %k : tensor<1x2x6x6xf32>, tensor<4x2x2x2xf32>)
      outs(%b : tensor<1x4x3x3xf32>) -> tensor<1x4x3x3xf32>
  return %y : tensor<1x4x3x3xf32>
}
""",
    """\
func.func private @helper(f32) -> f32
func.func @main(%a: tensor<3x4xf32>, %n: index, %d: tensor<?x4xf32>) -> (tensor<4x3xf32>, index) {
  %e = tensor.empty() : tensor<4x3xf32>
  %t = linalg.transpose ins(%a : tensor<3x4xf32>) outs(%e : tensor<4x3xf32>) permutation = [1, 0]
  %c0 = arith.constant 0 : index
  %dim = tensor.dim %d, %c0 : tensor<?x4xf32>
  %r = linalg.add {einnet.label = "p"} ins(%t, %t : tensor<4x3xf32>, tensor<4x3xf32>)
      outs(%e : tensor<4x3xf32>) -> tensor<4x3xf32>
  %s = scf.for %i = %c0 to %n step %dim iter_args(%v = %n) -> (index) {
    %w = arith.addi %v, %i : index
    scf.yield %w : index
  }
  return %r, %s : tensor<4x3xf32>, index
}
""",
    """\
func.func @main(%a: tensor<2x6x5xf32>, %b: tensor<2x5x4xf32>, %bias: tensor<4xf32>)
    -> tensor<2x6x4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x6x4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<2x6x4xf32>) -> tensor<2x6x4xf32>
  %p = linalg.batch_matmul {einnet.label = "p"} ins(%a, %b : tensor<2x6x5xf32>, tensor<2x5x4xf32>)
      outs(%f : tensor<2x6x4xf32>) -> tensor<2x6x4xf32>
  %w = linalg.broadcast ins(%bias : tensor<4xf32>) outs(%e : tensor<2x6x4xf32>) dimensions = [0, 1]
  %s = linalg.add ins(%p, %w : tensor<2x6x4xf32>, tensor<2x6x4xf32>)
      outs(%e : tensor<2x6x4xf32>) -> tensor<2x6x4xf32>
  %r = linalg.max ins(%s, %f : tensor<2x6x4xf32>, tensor<2x6x4xf32>)
      outs(%e : tensor<2x6x4xf32>) -> tensor<2x6x4xf32>
  return %r : tensor<2x6x4xf32>
}
""",
)

WITH_PRODUCTS = tuple(p for p in PROGRAMS if "scf.for" not in p)

PIPELINES = (
    "--einnet-optimize=measure=false candidates=1",
    "--einnet-split-summation=label=p iterators=d2",
    "--einnet-optimize=measure=false candidates=1 mutate=false strategy=explorative",
    "--einnet-substitute=label=p with=t0=d0,t1=d1+1",
)

OPTIMIZE = PIPELINES[0]

SUBSTITUTIONS = ("t0=d1,t1=d0", "t0=d0+d1,t1=d1")
"""Of the first two iterators, which every product has."""

_TOKEN = re.compile(rb'"[^"\n]*"|[%#@!^]?[\w.$]+|->|[^\s\w]')


def damaged(text: str, random_: random.Random) -> bytes:
    """The text with one to three things done to it; not always valid UTF-8."""
    data = text.encode()
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        data = random_.choice((*_DAMAGES, _exchange))(data, random_)
    return data


def edited(text: str, random_: random.Random) -> bytes:
    """The text with one or two edits that often leave it a program."""
    data = text.encode()
    for _ in range(random_.choice((1, 1, 2))):
        data = random_.choice(_EDITS)(data, random_)
    return data


def _flip(data: bytes, random_: random.Random) -> bytes:
    at = random_.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random_.randrange(8)]) + data[at + 1 :]


def _truncate(data: bytes, random_: random.Random) -> bytes:
    return data[: random_.randrange(1, len(data))]


def _tokens(data: bytes) -> list[re.Match[bytes]]:
    return list(_TOKEN.finditer(data)) or list(re.finditer(rb"(?s).", data))


def _delete(data: bytes, random_: random.Random) -> bytes:
    token = random_.choice(_tokens(data))
    return data[: token.start()] + data[token.end() :] + b"\n"


def _duplicate(data: bytes, random_: random.Random) -> bytes:
    token = random_.choice(_tokens(data))
    return data[: token.end()] + b" " + token.group() + data[token.end() :]


def _swap(data: bytes, random_: random.Random) -> bytes:
    tokens = _tokens(data)
    first, second = sorted(
        (random_.choice(tokens), random_.choice(tokens)), key=lambda token: token.start()
    )
    if first.end() > second.start():
        return data
    middle = data[first.end() : second.start()]
    parts = (data[: first.start()], second.group(), middle, first.group(), data[second.end() :])
    return b"".join(parts)


def _number(data: bytes, random_: random.Random) -> bytes:
    """Another number in place of one: types that do not fit, and empty or huge extents."""
    numbers = list(re.finditer(rb"\d+", data))
    if not numbers:
        return data
    number = random_.choice(numbers)
    other = random_.choice((b"0", b"1", b"2", b"7", b"4294967296", b"99999999999999999999"))
    return data[: number.start()] + other + data[number.end() :]


def _drop_line(data: bytes, random_: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    del lines[random_.randrange(len(lines))]
    return b"".join(lines) or b"\n"


def _rename(data: bytes, random_: random.Random) -> bytes:
    """One token in place of another of its kind, everywhere."""
    groups = (
        (b"f32", b"f64", b"bf16", b"i32", b"f16"),
        (b"arith.mulf", b"arith.addf", b"arith.subf", b"arith.maximumf", b"arith.divf"),
        (b"linalg.add", b"linalg.mul", b"linalg.max", b"linalg.sub", b"linalg.div"),
        (b"0.0", b"1.0", b"-2.5", b"0x7FC00000", b"-0.0", b"1.0e+39"),
        (b"0.000000e+00", b"1.500000e+00"),
    )
    present = [group for group in groups if any(token in data for token in group)]
    if not present:
        return data
    group = random_.choice(present)
    old = random_.choice([token for token in group if token in data])
    new = random_.choice([token for token in group if token != old])
    return re.sub(
        rb"(?<![\w.])(x?)" + re.escape(old) + rb"(?![\w.])|(?<=x)" + re.escape(old) + rb"\b",
        lambda match: (match.group(1) or b"") + new,
        data,
    )


def _resize(data: bytes, random_: random.Random) -> bytes:
    """Another extent in place of one, in all types."""
    extents = sorted(set(re.findall(rb"(?<=[<x])\d+(?=x)", data)))
    if not extents:
        return data
    old, new = random_.choice(extents), b"%d" % random_.choice((1, 2, 3, 5, 7, 8, 9, 16))
    return re.sub(rb"(?<=[<x])" + old + rb"(?=x)", new, data)


def _reread(data: bytes, random_: random.Random) -> bytes:
    """Another sum in one result of the affine maps, or others of two operands of one type."""
    sums = list(re.finditer(rb"\b([a-z]) \+ ([a-z])\b", data))
    pairs = list(re.finditer(rb"(?<=ins\()(%\w+), (%\w+)(?= : (tensor<[^>]*>), \3\))", data))
    if not sums + pairs:
        return data
    found = random_.choice(sums + pairs)
    first, second = found.group(1, 2)
    if found in sums:
        new = random_.choice((b"%s - %s", b"%s * 2 + %s", b"%s + %s * 2")) % (first, second)
    else:
        new = b"%s, %s" % random_.choice(((second, first), (first, first), (second, second)))
    return data[: found.start()] + new + data[found.end() :]


def _exchange(data: bytes, random_: random.Random) -> bytes:
    """Two tokens of one kind in each other's place."""
    kind = random_.choice((rb"%\w+", rb"\b\d+\b", rb"(?<=[(, ])[a-z]\d?(?=[,) ])", rb"#\w+"))
    found = list(re.finditer(kind, data))
    if len(found) < 2:
        return data
    first, second = sorted(random_.sample(found, 2), key=lambda token: token.start())
    middle = data[first.end() : second.start()]
    return b"".join(
        (data[: first.start()], second.group(), middle, first.group(), data[second.end() :])
    )


_EDITS = (_rename, _resize, _resize, _reread)

_DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip,
    _truncate,
    _delete,
    _duplicate,
    _swap,
    _number,
    _drop_line,
)


@dataclass(frozen=True)
class Outcome:
    """What a command did; `status` is negative for a signal, None for one that did not end."""

    status: int | None
    stdout: str
    stderr: str


def case(seed: int) -> tuple[bytes, str]:
    """The input and the flag of a seed; odd ones are damaged, even ones edited."""
    random_ = random.Random(seed)
    if seed % 2:
        return damaged(PROGRAMS[seed // 2 % len(PROGRAMS)], random_), random_.choice(PIPELINES)
    substitution = f"--einnet-substitute=label=p with={random_.choice(SUBSTITUTIONS)}"
    program = WITH_PRODUCTS[seed // 2 % len(WITH_PRODUCTS)]
    return edited(program, random_), random_.choice((OPTIMIZE, OPTIMIZE, substitution))


def einnet_opt(arguments: list[str], folder: Path, timeout: float) -> Outcome:
    """Run the command as a process does, forked from this one, which has loaded it already."""
    from einnet.cli.opt import main

    return _forked(main, ["einnet-opt", *arguments], folder, timeout)


def einnet_verify(arguments: list[str], folder: Path, timeout: float) -> Outcome:
    """`einnet verify`, likewise."""
    from einnet.cli.main import main

    return _forked(main, ["einnet", "verify", *arguments], folder, timeout)


def _forked(main: Callable[[], int], words: list[str], folder: Path, timeout: float) -> Outcome:
    out, err = folder / "out", folder / "err"
    child = os.fork()
    if child == 0:
        os.setsid()
        for path, descriptor in ((out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.argv = words
        status = main()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    deadline = time.monotonic() + timeout
    status: int | None = None
    while status is None and time.monotonic() < deadline:
        ended, code = os.waitpid(child, os.WNOHANG)
        status = os.waitstatus_to_exitcode(code) if ended else None
        time.sleep(0 if ended else 0.005)
    if status is None:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return Outcome(status, out.read_text(errors="replace"), err.read_text(errors="replace"))
