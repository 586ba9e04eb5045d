"""Write test/corpus/named/: every named convolution and pooling of linalg, a file each.

    python tools/generate_corpus.py

The shapes follow from the letters of an operation's name: `conv_2d_nhwc_hwcf` reads an input of
[n, h, w, c] and a filter of [h, w, c, f]. The names are those of the MLIR that is installed: an
operation that a new version brings gets a file. What is optimized today, each file claims of itself
(`corpus_claims.py`), so a look at the difference belongs to running this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlir.dialects import linalg

from corpus_claims import with_claim

FOLDER = Path(__file__).resolve().parents[1] / "test" / "corpus" / "named"

OUTPUT = {"n": 2, "g": 2, "c": 4, "f": 6, "m": 3, "d": 2, "h": 4, "w": 3}
KERNEL = {"d": 2, "h": 3, "w": 2}
SPACE = "dhw"

ZERO_POINTS = (
    "  %zx = arith.constant 3 : i32\n  %zw = arith.constant -5 : i32\n",
    ", %zx, %zw",
    ", i32, i32",
)
NO_ZERO_POINTS = ("", "", "")


@dataclass(frozen=True)
class Layouts:
    """What the axes of the operands are, a letter each; a pooling's `filter` has only space."""

    input: str
    filter: str
    output: str


@dataclass(frozen=True)
class Step:
    """Strides and dilations, the same on every spatial axis."""

    stride: int
    dilation: int

    def input_size(self, axis: str) -> int:
        return (OUTPUT[axis] - 1) * self.stride + (KERNEL[axis] - 1) * self.dilation + 1

    def attributes(self, rank: int) -> str:
        return (
            f" {{dilations = dense<{self.dilation}> : tensor<{rank}xi64>,"
            f" strides = dense<{self.stride}> : tensor<{rank}xi64>}}"
        )


UNIT = Step(1, 1)
WIDE = Step(2, 3)


def layouts_of_convolution(name: str) -> Layouts:
    """The layouts of `conv_2d_nchw_fchw`, `depthwise_conv_1d_nwc_wcm` or plain `conv_3d`."""
    letters = [part for part in name.split("_") if part not in ("depthwise", "conv", "q")]
    rank, *layouts = letters
    if not layouts:
        space = SPACE[-int(rank[0]) :]
        return Layouts(space, space, space)
    read, kernel = layouts
    if name.startswith("depthwise"):
        return Layouts(read, kernel, read + "m" if kernel.endswith("m") else read)
    return Layouts(read, kernel, read.replace("c", "f"))


def shapes(layouts: Layouts, step: Step) -> tuple[tuple[int, ...], ...]:
    """The shapes of input, filter and output."""
    sizes = {**OUTPUT, **{axis: step.input_size(axis) for axis in SPACE}}
    kernel = {**OUTPUT, **KERNEL}
    return (
        tuple(sizes[axis] for axis in layouts.input),
        tuple(kernel[axis] for axis in layouts.filter),
        tuple(OUTPUT[axis] for axis in layouts.output),
    )


def tensor(shape: Sequence[int], element: str) -> str:
    return f"tensor<{''.join(f'{extent}x' for extent in shape)}{element}>"


def convolution(
    name: str, function: str, step: Step, read: str, result: str, *, accumulates: bool = False
) -> str:
    """A function around one convolution that adds to an argument or to zeros."""
    layouts = layouts_of_convolution(name)
    given = shapes(layouts, step)
    x, w, y = (tensor(s, e) for s, e in zip(given, (read, read, result), strict=True))
    rank = sum(axis in SPACE for axis in layouts.input)
    constants, operands, types = ZERO_POINTS if name.endswith("_q") else NO_ZERO_POINTS
    attributes = "" if len(layouts.input) == rank else step.attributes(rank)
    body = (
        f"{constants}  %y = linalg.{name}{attributes}\n"
        f"      ins(%x, %w{operands} : {x}, {w}{types})\n"
        f"      outs(%init : {y}) -> {y}\n"
        f"  return %y : {y}\n}}\n"
    )
    if accumulates:
        return f"func.func @{function}(%x: {x}, %w: {w}, %init: {y}) -> {y} {{\n{body}"
    return f"func.func @{function}(%x: {x}, %w: {w}) -> {y} {{\n{filled(y, result, '0')}{body}"


def pooling(name: str, function: str, step: Step, element: str) -> str:
    """A function around one pooling from the neutral element of its reduction."""
    layout = name.split("_")[1]
    window = "".join(axis for axis in layout if axis in SPACE)
    given = shapes(Layouts(layout, window, layout), step)
    x, k, y = (tensor(s, element) for s in given)
    return (
        f"func.func @{function}(%x: {x}) -> {y} {{\n"
        f"{filled(y, element, neutral(name, element))}"
        f"  %window = tensor.empty() : {k}\n"
        f"  %y = linalg.{name}{step.attributes(len(window))}\n"
        f"      ins(%x, %window : {x}, {k}) outs(%init : {y}) -> {y}\n"
        f"  return %y : {y}\n}}\n"
    )


def neutral(name: str, element: str) -> str:
    """What the pooling begins with, in MLIR's syntax."""
    if "sum" in name:
        return "0"
    bits = int(element[1:])
    if element.startswith("f"):
        return "0xFF800000" if "max" in name else "0x7F800000"
    if "unsigned" in name:
        return "0" if "max" in name else "-1"
    return str(-(2 ** (bits - 1)) if "max" in name else 2 ** (bits - 1) - 1)


def filled(type_: str, element: str, value: str) -> str:
    number = "0.0" if value == "0" and element.startswith("f") else value
    return (
        f"  %value = arith.constant {number} : {element}\n"
        f"  %empty = tensor.empty() : {type_}\n"
        f"  %init = linalg.fill ins(%value : {element}) outs(%empty : {type_}) -> {type_}\n"
    )


def file_of(name: str) -> str:
    """All functions around the operation."""
    head = f"// linalg.{name} as frontends emit it. Written by tools/generate_corpus.py.\n"
    if name.startswith("pooling"):
        kinds = {"bytes": "i8"} if "unsigned" in name else {"plain": "f32", "integers": "i32"}
        functions = [pooling(name, function, UNIT, kind) for function, kind in kinds.items()]
        last = "i32" if "unsigned" in name else "f32"
        functions.append(pooling(name, "strided", WIDE, last))
    elif name.endswith("_q"):
        functions = [convolution(name, "quantized", UNIT, "i8", "i32")]
        functions.append(convolution(name, "accumulated", WIDE, "i8", "i32", accumulates=True))
    else:
        functions = [
            convolution(name, "plain", UNIT, "f32", "f32"),
            convolution(name, "strided", WIDE, "f32", "f32", accumulates=True),
            convolution(name, "bytes", UNIT, "i8", "i32"),
            convolution(name, "widened", WIDE, "f16", "f32"),
        ]
    return head + "\n" + "\n".join(functions)


def names(operations: Mapping[str, object]) -> list[str]:
    """The convolutions and poolings among the classes of operations."""
    found = [str(getattr(kind, "OPERATION_NAME", "")) for kind in operations.values()]
    short = {name.removeprefix("linalg.") for name in found}
    return sorted(n for n in short if n.startswith(("conv_", "depthwise_conv_", "pooling_")))


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names(vars(linalg)):
        (FOLDER / f"{name}.mlir").write_text(with_claim(file_of(name)), encoding="utf-8")


if __name__ == "__main__":
    main()
