"""`einnet verify`: exit codes, messages, pictures, data of weights, artifacts checked again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpu_artifacts import write as write_for_gpu
from matplotlib.image import imread

from einnet.cli.main import main
from einnet.cli.proofs import format_chance
from einnet.cli.verify import BAD_INPUT, DIFFERENT, EQUAL, UNDECIDED
from einnet.runtime.folder import MANIFEST, write_manifest
from einnet.weights import Weights

GENERIC = """linalg.generic {{indexing_maps = [
      affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>],
      iterator_types = ["parallel", "parallel"]}}
      ins({0} : tensor<8x8xf32>) outs({1} : tensor<8x8xf32>)"""


def function(body: str, arguments: str = "%x: tensor<8x8xf32>", name: str = "main") -> str:
    """A function whose body makes %r of 8x8 f32."""
    return (
        f"func.func @{name}({arguments}) -> tensor<8x8xf32> {{\n"
        f"  %zero = arith.constant dense<0.0> : tensor<8x8xf32>\n"
        f"  {body}\n  return %r : tensor<8x8xf32>\n}}\n"
    )


def binary(operation: str, left: str, right: str, result: str = "%r") -> str:
    return (
        f"{result} = linalg.{operation} ins({left}, {right} : tensor<8x8xf32>, tensor<8x8xf32>)"
        " outs(%zero : tensor<8x8xf32>) -> tensor<8x8xf32>"
    )


def unary(operation: str, operand: str = "%x", result: str = "%r") -> str:
    return (
        f"{result} = linalg.{operation} ins({operand} : tensor<8x8xf32>)"
        " outs(%zero : tensor<8x8xf32>) -> tensor<8x8xf32>"
    )


SQUARE = function(binary("matmul", "%x", "%x"))
DOUBLE = function(binary("add", "%x", "%x"))


def corner(inserted: str) -> str:
    """DOUBLE with its element [7, 0] computed by itself: %t is right, %p is half of it."""
    return function(
        f"""%p = tensor.extract_slice %x[7, 0] [1, 1] [1, 1] : tensor<8x8xf32> to tensor<1x1xf32>
  %e = tensor.empty() : tensor<1x1xf32>
  %t = linalg.add ins(%p, %p : tensor<1x1xf32>, tensor<1x1xf32>) outs(%e : tensor<1x1xf32>)
      -> tensor<1x1xf32>
  {binary("add", "%x", "%x", "%d")}
  %r = tensor.insert_slice {inserted} into %d[7, 0] [1, 1] [1, 1]
      : tensor<1x1xf32> into tensor<8x8xf32>"""
    )


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Verify:
    """Runs the verb in a folder of its own."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ran:
        try:
            status = main(["verify", *arguments])
        except SystemExit as left:
            assert isinstance(left.code, int)
            status = left.code
        printed = self.capsys.readouterr()
        return Ran(status, printed.out, printed.err)

    def pair(self, a: str, b: str, *options: str) -> Ran:
        (self.folder / "a.mlir").write_text(a)
        (self.folder / "b.mlir").write_text(b)
        return self("a.mlir", "b.mlir", *options)


@pytest.fixture
def verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Verify:
    monkeypatch.chdir(tmp_path)
    return Verify(tmp_path, capsys)


# Verdicts -----------------------------------------------------------------------------------


def test_equal(verify: Verify) -> None:
    ran = verify.pair(DOUBLE, corner("%t"))
    assert (ran.status, ran.err) == (EQUAL, "")
    assert ran.out.startswith("equal: 1 output compared on ")
    assert "a wrong answer has a chance below" in ran.out


def test_different_with_a_counterexample(verify: Verify) -> None:
    ran = verify.pair(DOUBLE, corner("%p"))
    assert (ran.status, ran.err) == (DIFFERENT, "")
    first, box, at = ran.out.splitlines()
    assert "8x8xf32): 1 position of 64 (1.6 %) in 1 cell not shown equal" in first
    assert box == "  [7, 0]"
    assert at.startswith("at [7, 0]: ") and " in a.mlir, " in at and " in b.mlir," in at


def test_undecided_with_a_reason(verify: Verify) -> None:
    sigmoid = GENERIC.format("%x", "%zero")
    rounded = f"""%r = {sigmoid} {{
  ^bb0(%i: f32, %o: f32):
    %k = arith.fptosi %i : f32 to i32
    %f = arith.sitofp %k : i32 to f32
    linalg.yield %f : f32 }} -> tensor<8x8xf32>"""
    ran = verify.pair(function(rounded), DOUBLE)
    assert (ran.status, ran.err) == (UNDECIDED, "")
    assert ran.out.startswith("undecided: output 0 (") and "an opaque result is unknown" in ran.out


def test_several_outputs(verify: Verify) -> None:
    def two(second: str) -> str:
        return (
            "func.func @main(%x: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {\n"
            "  %zero = arith.constant dense<0.0> : tensor<8x8xf32>\n"
            f"  {binary('add', '%x', '%x', '%r')}\n  {second}\n"
            "  return %r, %s : tensor<8x8xf32>, tensor<8x8xf32>\n}\n"
        )

    ran = verify.pair(two(unary("exp", result="%s")), two(unary("tanh", result="%s")))
    assert ran.status == DIFFERENT
    assert "different: output 1 (" in ran.out and ran.out.endswith("1 of 2 outputs are equal\n")
    ran = verify.pair(two(unary("exp", result="%s")), two(unary("exp", result="%s")))
    assert ran.status == EQUAL and "2 outputs" in ran.out


def test_an_entry_is_chosen(verify: Verify) -> None:
    both = SQUARE.replace("@main", "@one") + DOUBLE.replace("@main", "@two")
    assert verify.pair(both, both, "--entry", "two").status == EQUAL
    ran = verify.pair(both, both)
    assert ran.status == BAD_INPUT
    assert "a.mlir: error: there is no function @main with a body" in ran.err
    assert "@one, @two" in ran.err and "--entry" in ran.err


def test_arguments_with_names_may_be_in_another_order(verify: Verify) -> None:
    named = [f'%{n}: tensor<8x8xf32> {{einnet.name = "{n}"}}' for n in "xy"]
    body = binary("matmul", "%x", "%y")
    straight, turned = (function(body, ", ".join(n)) for n in (named, named[::-1]))
    assert verify.pair(straight, turned).status == EQUAL
    plain = [f"%{n}: tensor<8x8xf32>" for n in "xy"]
    straight, turned = (function(body, ", ".join(n)) for n in (plain, plain[::-1]))
    assert verify.pair(straight, turned).status == DIFFERENT


# Bad input ----------------------------------------------------------------------------------

OTHERS = {
    "a result of another type": (
        SQUARE.replace("8x8", "4x4"),
        [],
        ["b.mlir:1:1: error: not a function like @main of a.mlir", "matched by name"],
    ),
    "more arguments": (
        function(binary("matmul", "%x", "%y"), "%x: tensor<8x8xf32>, %y: tensor<8x8xf32>"),
        [],
        ["b.mlir:1:1: error: not a function", "it takes 2 tensors, the other 1"],
    ),
    "text that does not parse": (
        "func.func @main(",
        [],
        ["b.mlir:1:16: error: "],
    ),
    "no such function": (DOUBLE, ["--entry", "f"], ["a.mlir: error: there is no function @f"]),
    "a shape that is not static": (
        "func.func @main(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {\n"
        "  return %x : tensor<?x8xf32>\n}",
        [],
        ["b.mlir:1:"],
    ),
    "another kind of picture": (DOUBLE, ["--picture", "p.jpg"], ["the picture is a .png file"]),
    "no rounds": (DOUBLE, ["--rounds", "0"], ["einnet verify: error: "]),
    "an unknown option": (DOUBLE, ["--fast"], ["--fast"]),
}


@pytest.mark.parametrize(("text", "options", "said"), OTHERS.values(), ids=OTHERS)
def test_bad_input(verify: Verify, text: str, options: list[str], said: list[str]) -> None:
    ran = verify.pair(SQUARE, text, *options)
    assert (ran.status, ran.out) == (BAD_INPUT, "")
    for part in said:
        assert part in ran.err
    assert "Traceback" not in ran.err


def test_missing_files(verify: Verify) -> None:
    (verify.folder / "a.mlir").write_text(SQUARE)
    (verify.folder / "folder").mkdir()
    for arguments, said in (
        (("a.mlir",), "a.mlir: error: the second argument is missing: B.mlir"),
        (("a.mlir", "none.mlir"), "none.mlir: error: cannot be read: No such file or directory"),
        (("a.mlir", "folder"), "folder: error: this is a folder, not a function"),
        (("-", "-"), "standard input is one module, not two"),
        ((), "einnet verify: error: "),
    ):
        ran = verify(*arguments)
        assert (ran.status, ran.out) == (BAD_INPUT, ""), arguments
        assert said in ran.err
    (verify.folder / "bytes.mlir").write_bytes(b"ML\xefR\xff\xfe")
    assert "bytecode is not accepted" in verify("a.mlir", "bytes.mlir").err


# Data ---------------------------------------------------------------------------------------


def resource(blob: str | None, key: str = "w") -> str:
    constant = f"%c = arith.constant dense_resource<{key}> : tensor<8x8xf32>\n  "
    data = f'{{-# dialect_resources: {{ builtin: {{ {key}: "0x04000000{blob}" }} }} #-}}\n'
    return function(constant + binary("add", "%x", "%c")) + (data if blob else "")


def test_resources_are_their_data_not_their_keys(verify: Verify) -> None:
    one, two = "0000803f" * 64, "0000803F" * 63 + "00000040"
    assert verify.pair(resource(one), resource(one)).status == EQUAL
    assert verify.pair(resource(one), resource(one.upper(), "another")).status == EQUAL
    assert verify.pair(resource(one), resource(two)).status == UNDECIDED
    ran = verify.pair(resource(None), resource(None))
    assert ran.status == BAD_INPUT
    assert "a.mlir:1:1: error: the module does not hold the data of dense_resource<w>" in ran.err


WITH_WEIGHT = function(
    binary("matmul", "%x", "%w"),
    '%x: tensor<8x8xf32>, %w: tensor<8x8xf32> {einnet.weight = "w"}',
)


def weights(folder: Path, **arrays: Mapping[str, Any]) -> None:
    for stem, named in arrays.items():
        Weights(named).save(folder / f"{stem}.safetensors")


def test_weights_of_one_name_may_hold_other_data(verify: Verify) -> None:
    ones = np.ones((8, 8), np.float32)
    more = ones.copy()
    more[7, 0] += 2.0**-23
    assert verify.pair(WITH_WEIGHT, WITH_WEIGHT).status == EQUAL
    weights(verify.folder, a={"w": ones}, b={"w": ones.copy()})
    assert verify.pair(WITH_WEIGHT, WITH_WEIGHT).status == EQUAL
    weights(verify.folder, b={"v": ones})
    assert verify.pair(WITH_WEIGHT, WITH_WEIGHT.replace('"w"', '"v"')).status == EQUAL
    weights(verify.folder, b={"w": more})
    ran = verify.pair(WITH_WEIGHT, WITH_WEIGHT)
    assert ran.status == DIFFERENT
    assert "note: the data of w of b.mlir is not in a.mlir" in ran.out
    # The last row alone differs, and column 0 of the product with it.
    assert ran.out.splitlines()[-2].startswith("at [") and ", 0]: " in ran.out.splitlines()[-2]


def test_weights_with_other_data_may_compute_the_same(verify: Verify) -> None:
    one = np.arange(64, dtype=np.float32).reshape(8, 8)
    weights(verify.folder, a={"w": one}, b={"w": one / 2})
    twice = binary("matmul", "%x", "%w", "%h") + "\n  " + binary("add", "%h", "%h")
    ran = verify.pair(WITH_WEIGHT, WITH_WEIGHT.replace(binary("matmul", "%x", "%w"), twice))
    assert ran.status == UNDECIDED
    assert "the data of w of b.mlir is not in a.mlir; with it they agree" in ran.out
    # What no output depends on may hold anything.
    unread = function(
        binary("add", "%x", "%x"),
        '%x: tensor<8x8xf32>, %w: tensor<8x8xf32> {einnet.weight = "w"}',
    )
    assert verify.pair(unread, unread.replace("@main", "@main ")).status == EQUAL


def test_functions_of_weights_with_other_data(verify: Verify) -> None:
    one = np.arange(64, dtype=np.float32).reshape(8, 8)
    product, kept = binary("matmul", "%x", "%w", "%h"), binary("max", "%h", "%zero")
    double = binary("max", "%h", "%zero", "%k") + "\n  " + binary("add", "%k", "%k")
    plain, twice = (
        WITH_WEIGHT.replace(binary("matmul", "%x", "%w"), f"{product}\n  {last}")
        for last in (kept, double)
    )
    weights(verify.folder, a={"w": 2 * one}, b={"w": one})
    # Only the function itself shows that relu(2 x) is 2 relu(x).
    ran = verify.pair(plain, twice)
    assert ran.status == UNDECIDED
    assert "the data of w of b.mlir is not in a.mlir; with it they agree" in ran.out
    ran = verify.pair(plain, plain)
    assert ran.status == DIFFERENT
    assert "note: the data of w of b.mlir is not in a.mlir" in ran.out


# Pictures -----------------------------------------------------------------------------------


def shares(path: Path) -> tuple[float, float]:
    """How much of a picture is red, and bluish grey."""
    pixels = imread(path)[..., :3]
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    failing = (red > 0.5) & (green < 0.3) & (blue < 0.3)
    equal = (abs(red - 0.93) < 0.02) & (abs(blue - 0.97) < 0.02)
    return float(failing.mean()), float(equal.mean())


def test_a_picture_of_a_failing_corner(verify: Verify) -> None:
    ran = verify.pair(DOUBLE, corner("%p"), "--picture", "p.png")
    assert ran.status == DIFFERENT
    failing, equal = shares(verify.folder / "p.png")
    # One position of 64; borders take a part of both.
    assert 1 / 90 < failing / (failing + equal) < 1 / 40
    pixels = imread(verify.folder / "p.png")[..., :3]
    rows, columns = np.nonzero((pixels[..., 0] > 0.5) & (pixels[..., 1] < 0.3))
    shown = np.nonzero(abs(pixels[..., 2] - 0.97) < 0.02)
    # Row 7, column 0: in the lower left corner.
    assert rows.min() > np.quantile(shown[0], 0.8)
    assert columns.max() < np.quantile(shown[1], 0.2)


def test_a_picture_of_equal_outputs(verify: Verify) -> None:
    assert verify.pair(DOUBLE, corner("%t"), "--picture", "p.png").status == EQUAL
    failing, equal = shares(verify.folder / "p.png")
    assert failing == 0 and equal > 0.2


# Artifacts ----------------------------------------------------------------------------------

MODEL = """\
func.func @main(%x: tensor<4x6xf32> {einnet.name = "x"},
    %w: tensor<6x5xf32> {einnet.weight = "w"}) -> tensor<4x5xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x5xf32>
  %r = linalg.matmul ins(%x, %w : tensor<4x6xf32>, tensor<6x5xf32>)
      outs(%zero : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %r : tensor<4x5xf32>
}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "m.mlir").write_text(MODEL)
    arrays = {"w": np.arange(30, dtype=np.float32).reshape(6, 5)}
    Weights(arrays).save(folder / "m.safetensors")
    assert main(["compile", str(folder / "m.mlir"), "-o", str(folder / "m.einnet")]) == 0
    return folder


@pytest.fixture
def artifact(compiled: Path, verify: Verify) -> Path:
    """A copy of an artifact beside its model, in the current folder."""
    shutil.copytree(compiled, verify.folder, dirs_exist_ok=True)
    verify.capsys.readouterr()
    return verify.folder / "m.einnet"


def signed(artifact: Path) -> None:
    """Write the manifest anew, as who tampers with an artifact could."""
    path = artifact / MANIFEST
    entries = json.loads(path.read_text())
    path.unlink()
    left_out = {"schema", "version", "files", "digest"}
    write_manifest(artifact, {k: v for k, v in entries.items() if k not in left_out})


def test_an_artifact_equals_its_model(verify: Verify, artifact: Path) -> None:
    ran = verify("m.einnet", "m.mlir")
    assert (ran.status, ran.err) == (EQUAL, "")
    stored = json.loads((artifact / "certificate.json").read_text())
    first, *_, last = ran.out.splitlines()
    assert first == "m.einnet: the certificate of optimized.mlir"
    assert f"seed {stored['seed']}, modulo {stored['primes'][0]}, " in ran.out
    assert last.startswith("equal: 1 output")


@pytest.mark.usefixtures("artifact")
def test_an_artifact_needs_its_model(verify: Verify) -> None:
    ran = verify("m.einnet")
    assert ran.status == BAD_INPUT
    assert "the second argument is missing: MODEL, the model that it was compiled" in ran.err
    assert verify("m.mlir", "m.einnet").status == BAD_INPUT


@pytest.mark.usefixtures("artifact")
def test_an_artifact_of_another_model(verify: Verify) -> None:
    other = MODEL.replace(
        "  return %r",
        "  %s = linalg.exp ins(%r : tensor<4x5xf32>) outs(%zero : tensor<4x5xf32>)"
        " -> tensor<4x5xf32>\n  return %s",
    )
    (verify.folder / "n.mlir").write_text(other)
    assert verify("m.einnet", "n.mlir").status == DIFFERENT


@pytest.mark.parametrize("resigned", [False, True])
def test_tampering_with_the_module(verify: Verify, artifact: Path, resigned: bool) -> None:
    module = artifact / "optimized.mlir"
    before, returned, after = module.read_text().rpartition("return ")
    value, type_ = after.split("\n")[0].split(" : ")
    twice = f"%twice = linalg.add ins({value}, {value} : {type_}, {type_}) outs({value} : {type_})"
    module.write_text(f"{before}{twice} -> {type_}\n{returned}{after.replace(value, '%twice')}")
    if resigned:
        signed(artifact)
    ran = verify("m.einnet", "m.mlir")
    assert ran.status == (DIFFERENT if resigned else BAD_INPUT)
    assert resigned or "optimized.mlir" in ran.err


TAMPERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "other primes": lambda c: {**c, "primes": [1073741827, 1073741831]},
    "no primes": lambda c: {**c, "primes": []},
    "no segments": lambda c: {k: v for k, v in c.items() if k != "segments"},
    "a segment cut short": lambda c: {**c, "segments": [{"cells": 1}]},
    "a list": lambda c: [c],
    "text": lambda _: "equal",
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_tampering_with_the_certificate(verify: Verify, artifact: Path, change: Any) -> None:
    path = artifact / "certificate.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    assert verify("m.einnet", "m.mlir").status == BAD_INPUT
    signed(artifact)
    ran = verify("m.einnet", "m.mlir")
    assert ran.status == BAD_INPUT
    assert "certificate.json: error: not a certificate" in ran.err


def test_a_certificate_of_the_chosen_variant_only(verify: Verify, artifact: Path) -> None:
    path = artifact / "certificate.json"
    proof = json.loads(path.read_text())
    path.write_text(json.dumps({"program": proof, "module": None, "unproved": "too many cells"}))
    signed(artifact)
    ran = verify("m.einnet", "m.mlir")
    assert ran.status == EQUAL
    assert "of optimized.mlir: none: too many cells" in ran.out


def test_an_artifact_for_a_gpu(verify: Verify, artifact: Path) -> None:
    proof = json.loads((artifact / "certificate.json").read_text())
    for name, optimized in (("right", MODEL), ("wrong", MODEL.replace("dense<0.0>", "dense<1.0>"))):
        certificate = {"program": proof, "module": proof, "unproved": None}
        write_for_gpu(verify.folder / name, optimized=optimized, certificate=certificate)
    assert verify("right", "m.mlir").status == EQUAL
    assert verify("wrong", "m.mlir").status == DIFFERENT


# Mistakes that compile refuses too ----------------------------------------------------------

WEIGHTED = function(
    binary("matmul", "%x", "%w"),
    '%x: tensor<8x8xf32>, %w: tensor<8x8xf32> {einnet.weight = "w"}',
)


def test_functions_that_return_nothing(verify: Verify) -> None:
    nothing = "func.func @main(%x: tensor<4xf32>) {\n  return\n}\n"
    called = (
        "func.func private @g(%x: tensor<4xf32>)\nfunc.func @main(%x: tensor<4xf32>) {\n"
        "  call @g(%x) : (tensor<4xf32>) -> ()\n  return\n}\n"
    )
    for pair in ((called, nothing), (nothing, nothing), (called, called)):
        ran = verify.pair(*pair)
        assert (ran.status, ran.out) == (BAD_INPUT, "")
        assert "the functions return nothing, so there is nothing to compare" in ran.err


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"w": np.zeros((8, 7), np.float32)}, "the weight 'w' is float32[8, 7], the function"),
        ({"w": np.zeros((8, 8), np.float64)}, "the weight 'w' is float64[8, 8], the function"),
        ({"v": np.zeros((8, 8), np.float32)}, "the weight 'w' is missing"),
    ],
)
@pytest.mark.parametrize("side", "ab")
def test_weights_that_do_not_fit(
    verify: Verify, stored: dict[str, Any], message: str, side: str
) -> None:
    Weights(stored).save(verify.folder / f"{side}.safetensors")
    ran = verify.pair(WEIGHTED, WEIGHTED)
    assert (ran.status, ran.out) == (BAD_INPUT, "")
    assert f"{side}.safetensors: error: {message}" in ran.err


def test_two_inputs_of_one_name(verify: Verify) -> None:
    twice = ", ".join(f'%{n}: tensor<8x8xf32> {{einnet.name = "x"}}' for n in "ab")
    ran = verify.pair(*[function(binary("matmul", "%a", "%b"), twice)] * 2)
    assert (ran.status, ran.out) == (BAD_INPUT, "")
    assert "a.mlir:1:1: error: two inputs of @main have the name 'x'" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.mlir", "b.mlir", "--batch", "7"], "--batch is for an ONNX model"),
        (["a.onnx", "b.onnx", "--entry", "f"], "--entry is for an .mlir file"),
        (["", "b.mlir"], "argument A: the name is empty"),
        (["a.mlir", ""], "argument B: the name is empty"),
        (["a.mlir", "b.mlir", "--entry", ""], "argument --entry: the name is empty"),
        (["a" * 300, "b.mlir"], "cannot be read: File name too long"),
        (["a.mlir", "a" * 300 + ".onnx"], "there is no such file"),
        (["a.mlir", "b.mlir", "--rounds", "100000000000"], "from 1 to 10000"),
        (["deep.mlir", "b.mlir"], "deep.mlir:1:2056: error: nested more than 256 deep"),
        (["folder", "b.mlir"], "folder: error: not an artifact: there is no manifest.json in it"),
        (["damaged", "b.mlir"], "damaged/manifest.json: error: damaged, or not an artifact's"),
    ],
)
def test_mistakes(verify: Verify, arguments: list[str], message: str) -> None:
    for name in ("a.mlir", "b.mlir", "a.onnx", "b.onnx"):
        (verify.folder / name).write_text(SQUARE)
    (verify.folder / "deep.mlir").write_text("module {" * 20_000 + "}" * 20_000)
    (verify.folder / "folder").mkdir()
    (verify.folder / "damaged").mkdir()
    (verify.folder / "damaged" / MANIFEST).touch()
    ran = verify(*arguments)
    assert (ran.status, ran.out) == (BAD_INPUT, "")
    assert message in ran.err


def test_a_bound_too_small_for_a_float_is_not_zero(verify: Verify) -> None:
    ran = verify.pair(DOUBLE, corner("%t"), "--rounds", "1000")
    assert (ran.status, ran.err) == (EQUAL, "")
    assert ran.out.endswith("in 1000 rounds: a wrong answer has a chance below 1e-300\n")


def test_bounds_are_rounded_up() -> None:
    shown = {1.0: "1e+00", 0.21: "3e-01", 9.1e-18: "1e-17", 1e-299: "1e-299", 0.0: "1e-300"}
    for bound, text in shown.items():
        assert format_chance(bound) == text and float(text) >= bound
