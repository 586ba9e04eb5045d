"""Inputs in the forms that other tools produce: valid afterwards, and they compute the same.

test/corpus/ holds them, `corpus.py` says what an input may claim of itself. einnet-opt and what
runs its result are forks of this process: an abort of MLIR is one failure and not the end.
"""

from __future__ import annotations

import importlib
import multiprocessing
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest

from einnet.toolchain import tools

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fuzz"))

from malformed import einnet_opt  # pyright: ignore[reportMissingImports]

from corpus import (
    MUTATE,
    OPTIMIZE,
    ROOT,
    Claims,
    Comparison,
    claims_of,
    compare,
    from_json,
    functions_of,
    require_claims,
    to_json,
)

INPUTS = sorted(ROOT.rglob("*.mlir"))
SECONDS = 120.0
SEED = 7

UNOPTIMIZED = re.compile(
    r"named/(conv|depthwise_conv)_.*_q"  # integers
    r"|named/pooling_\w+_(max|min)(_unsigned)?"  # no sums
    r"|products/quantized"
    r"|typed/no_products"
)
"""Inputs of which nothing is optimized."""

MUTATED = ("torch/infogan", "products/batch_matmul", "typed/transposed_convolution")
"""Inputs that are run with mutants and several candidates too."""

# All ninety inputs take two and a half minutes of one core, of the twelve that `make test` may take
# of two. The inputs typed by hand differ most from each other, and all of them run; the others
# are families, convolutions by name and models of one importer, and every fifth stands for them.
ALWAYS = [p for p in INPUTS if p.parent.name == "typed"]
OTHERS = [p for p in INPUTS if p.parent.name != "typed"]


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """What a run needs, loaded once: every run is a fork of this process."""
    for module in ("einnet.cli.opt.run", "einnet.driver", "einnet.passes.labelled"):
        importlib.import_module(module)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT).with_suffix(""))


@pytest.mark.parametrize("path", [*ALWAYS, *OTHERS[::5]], ids=name_of)
def test_a_sample(path: Path, tmp_path: Path) -> None:
    check(path, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in OTHERS if p not in OTHERS[::5]], ids=name_of)
def test_the_others(path: Path, tmp_path: Path) -> None:
    check(path, tmp_path)


@pytest.mark.parametrize("name", MUTATED)
def test_with_mutants(name: str, tmp_path: Path) -> None:
    check(ROOT / f"{name}.mlir", tmp_path, MUTATE)


def test_a_pass_that_does_nothing_fails_on_every_input() -> None:
    kept: set[str] = set()
    for path in INPUTS:
        text = path.read_text(encoding="utf-8")
        functions = functions_of(text)
        try:
            require_claims(functions, functions, claims_of(text))
        except AssertionError:
            continue
        kept.add(name_of(path))
    assert kept == {name_of(path) for path in INPUTS if UNOPTIMIZED.fullmatch(name_of(path))}


def check(path: Path, folder: Path, flag: str = OPTIMIZE) -> list[Comparison]:
    """Optimize the input, let mlir-opt verify the result, compare both by running them."""
    text = path.read_text(encoding="utf-8")
    claims = claims_of(text)
    unknown = ["--allow-unregistered-dialect"] if "--allow-unregistered-dialect" in text else []
    outcome = einnet_opt([str(path), flag, *unknown], folder, SECONDS)
    assert outcome.status == 0, f"status {outcome.status}: {outcome.stderr}"
    result = folder / "result.mlir"
    result.write_text(outcome.stdout, encoding="utf-8")
    for command in (
        ["mlir-opt", str(result), *unknown],
        *([["FileCheck", str(path), "--input-file", str(result)]] if claims.checked else []),
    ):
        tool = str(tools.require(command[0]).path)
        done = subprocess.run([tool, *command[1:]], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command[0]}: {done.stderr}\n{outcome.stdout}"
    return _compared(text, outcome.stdout, claims, folder)


def _compared(before: str, after: str, claims: Claims, folder: Path) -> list[Comparison]:
    """`compare` in a child."""
    report = folder / "report"

    def child() -> None:
        try:
            report.write_text(to_json(compare(before, after, claims, SEED)))
        except Exception:  # noqa: BLE001 - the parent fails with it
            report.write_text(traceback.format_exc())
            sys.exit(1)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
    said = report.read_text() if report.exists() else "nothing"
    assert process.exitcode == 0, f"status {process.exitcode}: {said}\n{after}"
    return from_json(said)


@pytest.mark.parametrize(
    ("claim", "old", "new", "message"),
    [
        ("", "arith.addf", "arith.subf", "of what is allowed"),
        ("", "@f", "@g", "gone"),
        ("// LEFT ALONE @f: no tensors", "arith.addf", "arith.subf", "changed"),
        ("// LEFT ALONE: a reason", "module", "module @named", "changed"),
        ("// OPTIMIZED @f", "arith.addf", "arith.addf", "is not optimized"),
        ("// OPTIMIZED @f", "arith.addf", "arith.subf", "is not optimized"),
        ("// OPTIMIZED @g", "arith.addf", "arith.addf", "not there"),
        ("// LEFT ALONE @f", "arith.addf", "arith.addf", "cannot be read"),
    ],
)
def test_a_false_claim_is_found(claim: str, old: str, new: str, message: str) -> None:
    text = """module {
func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = arith.addf %a, %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}
}"""
    with pytest.raises(AssertionError, match=message):
        compare(text, text.replace(old, new), claims_of(f"{claim}\n"), SEED)


def test_there_are_at_least_forty() -> None:
    assert len(INPUTS) >= 40


def main() -> None:
    """Print the table: every input, what happened to its functions, process seconds."""
    from tempfile import TemporaryDirectory

    chosen = [p for p in INPUTS if not sys.argv[1:] or any(a in str(p) for a in sys.argv[1:])]
    for path in chosen:
        begin = time.monotonic()
        with TemporaryDirectory() as folder:
            try:
                found = check(path, Path(folder))
                what = " ".join(
                    f"@{c.function}:{'optimized' if c.changed else 'left'}"
                    + ("" if c.error is None else f"({c.error:.2g})")
                    for c in found
                )
            except AssertionError as error:
                what = f"FAILED {str(error)[:1500]}"
        print(f"{name_of(path)} | {what} | {time.monotonic() - begin:.1f}", flush=True)


if __name__ == "__main__":
    main()
