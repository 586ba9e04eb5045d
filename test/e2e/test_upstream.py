"""Upstream passes alone lower what the optimizer makes of the corpus, for the same numbers.

test/codegen/upstream.mlir has the pipeline, and shows it on one program of several layers. Here it
runs over every input whose functions take and give tensors of f32: `@check` calls each on small
integers, whose sums are exact in any order, and prints what comes out.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from einnet.toolchain import tools

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fuzz"))

from malformed import einnet_opt  # pyright: ignore[reportMissingImports]

from corpus import OPTIMIZE, ROOT, functions_of

LIT_FILE = Path(__file__).resolve().parents[1] / "codegen" / "upstream.mlir"
LOWER = re.findall(r"^// DEFINE:(.*?)\\?$", LIT_FILE.read_text(encoding="utf-8"), re.MULTILINE)
(PASSES,) = re.findall(r"--pass-pipeline='(.*?)'", "".join(line.strip() for line in LOWER))
SECONDS = 120.0

TENSOR = r"tensor<(?:\d+x)*f32>"
SIGNATURE = re.compile(rf"func\.func @(\w+)\(((?:%arg\d+: {TENSOR}(?:, )?)+)\) -> ({TENSOR}) \{{")

SUPPORT = """
func.func private @printMemrefF32(tensor<*xf32>)

// An integer between -3 and 3 that depends on the position.
func.func private @noise(%n: index) -> f32 {
  %a = arith.constant 7919 : index
  %b = arith.constant 101 : index
  %seven = arith.constant 7 : index
  %m = arith.muli %n, %a : index
  %r = arith.remui %m, %b : index
  %d = arith.remui %r, %seven : index
  %i = arith.index_cast %d : index to i32
  %f = arith.sitofp %i : i32 to f32
  %three = arith.constant 3.0 : f32
  %v = arith.subf %f, %three : f32
  return %v : f32
}
"""


def names_and_types(text: str) -> list[tuple[str, list[str], str]]:
    """The functions of f32 alone, with the types of their arguments and of their result."""
    found = (SIGNATURE.search(function) for function in functions_of(text).values())
    return [(f[1], re.findall(TENSOR, f[2]), f[3]) for f in found if f is not None]


NOT_LOWERED = (
    "lowered/winograd",  # the transforms
    "products/mmt4d",  # linalg.pack
    "typed/dynamic",  # arithmetic on whole tensors, as in all below
    "typed/element_types",
    "typed/odd_types",
    "typed/tiled_loops",
    "typed/transposed_convolution",
)
"""Inputs that the pipeline does not lower themselves."""

EXCEPTED = (
    *NOT_LOWERED,
    "typed/degenerate",  # gives memory that nothing was written to
    "typed/effects_and_states",  # prints
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT).with_suffix(""))


def is_plain(path: Path) -> bool:
    """Whether functions can be added to the input, and some can be called."""
    text = path.read_text(encoding="utf-8")
    plain = not re.search(r"^module|@check\b|@noise\b|allow-unregistered", text, re.MULTILINE)
    return plain and name_of(path) not in EXCEPTED and bool(names_and_types(text))


# A fifth of the inputs, as in test_corpus.py: each takes a second.
INPUTS = [p for p in sorted(ROOT.rglob("*.mlir")) if is_plain(p)]


def with_check(text: str) -> str:
    """The module with `@check`, which calls every function of f32."""
    lines: list[str] = []
    for number, (name, arguments, result) in enumerate(names_and_types(text)):
        operands: list[str] = []
        for position, type_ in enumerate(arguments):
            value = f"%x{number}_{position}"
            lines += filled(value, type_, 13 * position + 1)
            operands.append(value)
        call = f"call @{name}({', '.join(operands)}) : ({', '.join(arguments)}) -> {result}"
        lines += [
            f"%y{number} = {call}",
            f"%u{number} = tensor.cast %y{number} : {result} to tensor<*xf32>",
            f"call @printMemrefF32(%u{number}) : (tensor<*xf32>) -> ()",
        ]
    body = "\n  ".join([*lines, "return"])
    return f"{text}\n{SUPPORT}\nfunc.func @check() {{\n  {body}\n}}\n"


def filled(value: str, type_: str, seed: int) -> list[str]:
    """Operations that make a tensor of noise."""
    rank = type_.count("x")
    indices = [f"%i{axis}" for axis in range(rank)]
    lines = [f"%n0 = arith.constant {seed} : index"]
    for axis, index in enumerate(indices):
        lines += [
            f"%k{axis} = arith.constant {2 * axis + 17 if axis else 1} : index",
            f"%m{axis} = arith.muli {index}, %k{axis} : index",
            f"%n{axis + 1} = arith.addi %n{axis}, %m{axis} : index",
        ]
    lines += [
        f"%v = func.call @noise(%n{rank}) : (index) -> f32",
        "tensor.yield %v : f32",
    ]
    block = f"^bb0({', '.join(f'{i}: index' for i in indices)}):" if rank else "^bb0:"
    return [f"{value} = tensor.generate {{", block, *lines, f"}} : {type_}"]


def lowered(path: Path) -> str:
    """The module in the LLVM dialect."""
    return ran([str(tools.require("mlir-opt").path), f"--pass-pipeline={PASSES}"], path)


def results(path: Path) -> list[str]:
    """What `@check` prints, less the addresses."""
    runner = tools.require("mlir-runner").path
    libraries = ("runner_utils", "c_runner_utils")
    shared = ",".join(f"{runner.parent.parent}/lib/libmlir_{name}.so" for name in libraries)
    command = [str(runner), "-e", "check", "--entry-point-result=void", f"--shared-libs={shared}"]
    return [line for line in ran(command, path).splitlines() if "base@" not in line]


def ran(command: Sequence[str], path: Path) -> str:
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"{path}: {done.stderr}"
    return done.stdout


def check(path: Path, folder: Path) -> None:
    original, optimized = folder / "original.mlir", folder / "optimized.mlir"
    original.write_text(with_check(path.read_text(encoding="utf-8")), encoding="utf-8")
    outcome = einnet_opt([str(original), OPTIMIZE], folder, SECONDS)
    assert outcome.status == 0, outcome.stderr
    optimized.write_text(outcome.stdout, encoding="utf-8")
    found: list[list[str]] = []
    for module in (original, optimized):
        text = lowered(module)
        foreign = re.search(r"(?:= |^ +)(?!llvm\.)(?:[a-z]\w*)\.[\w.]+ ", text, re.MULTILINE)
        assert foreign is None, f"{module}: {foreign}"
        module.write_text(text, encoding="utf-8")
        found.append(results(module))
    assert any(re.search(r"[1-9]", line) for line in found[0]), "nothing but zeros"
    assert found[0] == found[1]


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """What a run needs, loaded once: every run is a fork of this process."""
    for module in ("einnet.cli.opt.run", "einnet.driver", "einnet.passes.labelled"):
        importlib.import_module(module)


@pytest.mark.parametrize("path", INPUTS[::5], ids=name_of)
def test_a_sample(path: Path, tmp_path: Path) -> None:
    check(path, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in INPUTS if p not in INPUTS[::5]], ids=name_of)
def test_the_others(path: Path, tmp_path: Path) -> None:
    check(path, tmp_path)


@pytest.mark.parametrize("name", NOT_LOWERED)
def test_the_exceptions_are_upstream(name: str) -> None:
    with pytest.raises(AssertionError, match="bufferize"):
        lowered(ROOT / f"{name}.mlir")


def test_there_are_many() -> None:
    assert len(INPUTS) >= 45
