"""einnet-opt beside mlir-opt: for MLIR's passes alone, both print the same, byte for byte."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from einnet.cli.opt import main
from einnet.toolchain import tools

FILES = {
    "good.mlir": """\
func.func @f() -> i32 {
  %0 = arith.constant 1 : i32
  %1 = arith.constant 1 : i32
  %2 = arith.addi %0, %1 : i32
  return %2 : i32
}
func.func @g() { return }
""",
    "one.mlir": "func.func @f(%a: i32) -> i32 { return %a : i32 }\n",
    "parts.mlir": """\
func.func @a() { return }
//---8<---
func.func @a() { return }
// -----
func.func @b() { return } // ----- func.func @c() { return }
// ----
""",
    "wrong.mlir": """\
func.func @f() {
  return %x : i32
}
// -----
func.func @a() {return}
	func.func @a() {return}
// -----
func.func @g(%a: tensor<?xi32>) {
  return
}
""",
    "expected.mlir": """\
// expected-error@+2 {{use of undeclared}}
func.func @f() {
  return %x : i32 // expected-note-re {{fo{{o+}}}}
}
// -----
// expected-error@below {{redefinition of}}
// expected-error@below {{expected}}
func.func @a() {return} func.func @a() {return}
// -----
func.func @f(%t: tensor<4xf32>) {
  // expected-error-re@+1 {{op was {{not|never}} bufferized}}
  "test.use"(%t) : (tensor<4xf32>) -> ()
  // expected-remark@above {{nothing}}
  "test.use"(%t) : (tensor<4xf32>) -> ()
  return
  // expected-warning@-2 {{not bufferized}}
}
""",
    "attributes.mlir": """\
func.func @f() -> (tensor<8xi32>, tensor<3xi64>) {
  %0 = arith.constant dense<[1,2,3,4,5,6,7,8]> : tensor<8xi32>
  %1 = arith.constant dense_resource<blob> : tensor<3xi64>
  return %0, %1 : tensor<8xi32>, tensor<3xi64>
}
{-# dialect_resources: { builtin: {
  blob: "0x08000000010000000000000002000000000000000300000000000000" } } #-}
""",
    "elements.mlir": """\
func.func @f() -> tensor<8xi32> {
  %0 = arith.constant dense<[1,2,3,4,5,6,7,8]> : tensor<8xi32>
  return %0 : tensor<8xi32>
}
""",
    "places.mlir": """\
func.func @f(%a: i32) -> i32 {
  %0 = arith.addi %a, %a : i32 loc("name"("x.py":1:2))
  return %0 : i32 loc(fused["a.py":3:4, callsite("f" at "b.py":5:6)])
}
""",
    "matmul.mlir": """\
func.func @f(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>, %c: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %p = linalg.matmul ins(%a, %b : tensor<2x3xf32>, tensor<3x4xf32>)
      outs(%c : tensor<2x4xf32>) -> tensor<2x4xf32>
  return %p : tensor<2x4xf32>
}
""",
}
ALL = "--mlir-print-ir-after-all"
NESTED = "builtin.module(func.func(cse,canonicalize),func.func(sccp),any(cse),canonicalize,inline)"
FLAT = "builtin.module(func.func(cse,canonicalize),func.func(sccp),canonicalize)"
BUFFERIZE = ["--allow-unregistered-dialect", "--one-shot-bufferize"]

CASES = [
    ["good.mlir"],
    ["good.mlir", "--cse", "--canonicalize=max-iterations=2"],
    ["good.mlir", "-p", NESTED],
    ["good.mlir", f"--pass-pipeline={NESTED}", ALL],
    ["good.mlir", f"--pass-pipeline={FLAT}", "--mlir-print-ir-before=sccp,canonicalize"],
    ["good.mlir", "-p", FLAT, "--mlir-print-ir-before-all", "--mlir-print-ir-after=cse"],
    ["good.mlir", "--cse", "--sccp", ALL, "--mlir-print-ir-after-change"],
    ["good.mlir", "--cse", "--mlir-print-ir-after-change"],
    ["good.mlir", "-p", NESTED, ALL, "--mlir-print-ir-module-scope", "--mlir-disable-threading"],
    ["good.mlir", "-p", NESTED, "--dump-pass-pipeline"],
    ["good.mlir", "--affine-loop-tile=tile-size=4", "--cse", "--dump-pass-pipeline"],
    ["good.mlir", "--dump-pass-pipeline", "--tosa-to-linalg-pipeline"],
    ["good.mlir", "--dump-pass-pipeline"],
    ["good.mlir", "--mlir-print-debuginfo"],
    ["good.mlir", "--cse", ALL, "--mlir-print-debuginfo"],
    ["good.mlir", "--verify-each=false", "--cse"],
    ["good.mlir", "--emit-bytecode"],
    ["good.mlir", "--emit-bytecode", "--emit-bytecode-version=1"],
    ["one.mlir", "--no-implicit-module", "--pass-pipeline=func.func(cse)"],
    ["one.mlir", "--no-implicit-module", "--cse", ALL, "--mlir-print-debuginfo"],
    ["good.bytecode", "--mlir-print-debuginfo"],
    ["good.bytecode", "--cse"],
    ["parts.mlir", "--split-input-file"],
    ["parts.mlir", "--split-input-file=//---8<---", "--output-split-marker=//@@"],
    ["parts.mlir", "--split-input-file", "--output-split-marker="],
    ["wrong.mlir"],
    ["wrong.mlir", "--split-input-file"],
    ["wrong.mlir", "--split-input-file", "--mlir-print-op-on-diagnostic=false"],
    ["wrong.mlir", "--split-input-file", "--verify-diagnostics", "--cse"],
    ["expected.mlir", "--split-input-file", "--verify-diagnostics", *BUFFERIZE],
    ["expected.mlir", "--split-input-file", "--verify-diagnostics=only-expected", *BUFFERIZE],
    ["attributes.mlir", "--mlir-elide-elementsattrs-if-larger=4"],
    ["elements.mlir", "--mlir-elide-elementsattrs-if-larger", "4", "--canonicalize", ALL],
    ["attributes.mlir", "--mlir-elide-resource-strings-if-larger=10"],
    ["places.mlir", "--mlir-print-debuginfo"],
    ["places.mlir", "--mlir-print-debuginfo", "--mlir-pretty-debuginfo"],
    ["places.mlir", "--mlir-print-debuginfo", "--mlir-print-local-scope"],
    ["places.mlir", "--mlir-print-debuginfo", "--mlir-use-nameloc-as-prefix"],
    ["matmul.mlir", "--mlir-print-op-generic"],
    ["matmul.mlir", "--linalg-generalize-named-ops", "--mlir-print-local-scope"],
    ["matmul.mlir", "--mlir-print-skip-regions"],
    ["matmul.mlir", "--mlir-print-assume-verified"],
    ["good.mlir", "--show-dialects"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    mlir_opt(folder, ["good.mlir", "--emit-bytecode", "-o", "good.bytecode"])
    return folder


def mlir_opt(folder: Path, arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
    # Threads would print around passes on several functions in any order.
    command = [tools.require("mlir-opt").path, *arguments, "--mlir-disable-threading"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False)


def without_quirk(text: str) -> str:
    """mlir-opt 22 checks expected-* comments of an input that fails even if nobody asks it to."""
    lines = text.splitlines(keepends=True)
    odd = [i for i, line in enumerate(lines) if re.search(r"was not produced$", line)]
    return "".join(line for i, line in enumerate(lines) if not any(0 <= i - o < 3 for o in odd))


@pytest.mark.parametrize("arguments", CASES, ids=" ".join)
def test_the_same(
    folder: Path,
    arguments: list[str],
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    theirs = mlir_opt(folder, arguments)
    status = main(arguments)
    captured = capfdbinary.readouterr()
    assert captured.out == theirs.stdout
    stderr = theirs.stderr.decode()
    assert captured.err.decode() == (
        stderr if "--verify-diagnostics" in "".join(arguments) else without_quirk(stderr)
    )
    assert status == theirs.returncode


def test_failing_passes_print_the_same_and_how_to_see_it_again(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "fails.mlir").write_text(
        'func.func @f(%t: tensor<4xf32>) {\n\t"test.use"(%t) : (tensor<4xf32>) -> ()\nreturn\n}\n',
        encoding="utf-8",
    )
    arguments = ["fails.mlir", "--cse", *BUFFERIZE, "--mlir-print-ir-after-failure"]
    theirs = mlir_opt(folder, arguments)
    assert main(arguments) == theirs.returncode == 1
    err = capfd.readouterr().err
    assert err.startswith(theirs.stderr.decode())
    assert re.fullmatch(r"fails.mlir: note: reproduce: .*mlir-opt .*\n", err[len(theirs.stderr) :])


def test_times_have_the_same_rows(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    pipeline = "builtin.module(cse,func.func(canonicalize,sccp),inline)"
    for display in ("tree", "list"):
        arguments = [
            "good.mlir",
            "-p",
            pipeline,
            "--mlir-timing",
            f"--mlir-timing-display={display}",
        ]
        theirs = mlir_opt(folder, arguments).stderr.decode()
        assert main(arguments) == 0
        ours, other = (
            [re.sub(r"^ .*%\)|\d+\.\d+ seconds", "", line) for line in text.splitlines()]
            for text in (capfd.readouterr().err, theirs)
        )
        if display == "list":  # which is in the order of times
            ours, other = (sorted(r for r in rows if "Pipe" not in r) for rows in (ours, other))
        assert ours == other


def test_reproducers_run_in_both(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    pipeline = "builtin.module(cse,func.func(canonicalize{max-iterations=3}))"
    arguments = ["good.mlir", "-p", pipeline, "--mlir-generate-reproducer=again.mlir"]
    assert main(arguments) == 0
    result = capfd.readouterr().out
    assert main(["again.mlir", "--run-reproducer"]) == 0
    assert capfd.readouterr().out == result
    theirs = mlir_opt(folder, ["again.mlir", "--run-reproducer"]).stdout.decode()
    assert theirs.startswith(result.rstrip("\n"))
    made = mlir_opt(folder, [*arguments[:-1], "--mlir-generate-reproducer=theirs.mlir"])
    assert made.returncode == 0
    assert main(["theirs.mlir", "--run-reproducer"]) == 0
    assert capfd.readouterr().out == result
