"""The commands as a user types them: one small model from ONNX to numbers, and wrong inputs.

The command itself runs once, as a process; the rest calls its `main`, which is the same but for the
time that an interpreter and its imports take.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from einnet.cli.main import main
from einnet.codegen.cpu.call import Array
from einnet.errors import ToolchainError
from einnet.toolchain.doctor import Finding
from einnet.weights import Weights


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


def process(*arguments: str | Path) -> Done:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "einnet.cli.main", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def einnet(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """The command in this process."""

    def run(*arguments: str | Path) -> Done:
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run


def model() -> onnx.ModelProto:
    """A transposed convolution 4x4 s2 p1, batch normalisation, ReLU, a 3x3 convolution, tanh."""
    random = np.random.default_rng(0)

    def tensor(name: str, *shape: int) -> onnx.TensorProto:
        values = random.uniform(0.1, 0.4, shape).astype(np.float32)
        return helper.make_tensor(name, TensorProto.FLOAT, shape, values.tobytes(), raw=True)

    nodes = [
        helper.make_node(
            "ConvTranspose", ["x", "up"], ["a"], kernel_shape=[4, 4], strides=[2, 2], pads=[1] * 4
        ),
        helper.make_node("BatchNormalization", ["a", "scale", "shift", "mean", "var"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Conv", ["c", "kernel"], ["d"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Tanh", ["d"], ["y"]),
    ]
    weights = [tensor("up", 6, 5, 4, 4), tensor("kernel", 3, 5, 3, 3)]
    weights += [tensor(name, 5) for name in ("scale", "shift", "mean", "var")]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 6, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3, 8, 8])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A folder with small.onnx, small.einnet and x.npy, and what the compilation said."""
    folder = tmp_path_factory.mktemp("small")
    onnx.save(model(), folder / "small.onnx")
    x = np.random.default_rng(1).standard_normal((2, 6, 4, 4)).astype(np.float32)
    np.save(folder / "x.npy", x)
    done = process("compile", folder / "small.onnx", "-o", folder / "small.einnet")
    assert done.status == 0, done.err
    return folder, done


def test_the_artifact_computes_the_model(compiled: tuple[Path, Done], einnet: Callable[..., Done]):
    folder, _ = compiled
    done = einnet(
        "run", folder / "small.einnet", "--input", folder / "x.npy", "--output", folder / "y.npy"
    )
    assert done.status == 0, done.err
    x = np.load(folder / "x.npy")
    (expected,) = ReferenceEvaluator(model()).run(None, {"x": x})
    np.testing.assert_allclose(np.load(folder / "y.npy"), np.asarray(expected), atol=2e-6)


def test_both_convolutions_are_derived_to_products(compiled: tuple[Path, Done]):
    folder, done = compiled
    assert "proved: the final module equals the imported one" in done.out
    choices = json.loads((folder / "small.einnet" / "trace.json").read_text())
    assert len(choices) == 2
    for choice in choices:
        names = set(choice["samples"])
        assert "original" in names and any(name.startswith("matmul") for name in names)
        assert choice["visited"] <= 200
    certificate = json.loads((folder / "small.einnet" / "certificate.json").read_text())
    assert certificate["error_bound"] < 1e-9 and certificate["segments"]


def test_choosing_by_estimate_takes_derived_plans(
    compiled: tuple[Path, Done], einnet: Callable[..., Done]
):
    folder, _ = compiled
    out = folder / "estimated.einnet"
    done = einnet("compile", folder / "small.onnx", "-o", out, "--no-measure", "--quiet")
    assert done.status == 0 and done.out == "", done.err
    choices = json.loads((out / "trace.json").read_text())
    assert all(c["chosen"].startswith("matmul") and c["steps"] for c in choices)


MATMUL = """
func.func @NAME(%a: tensor<8x4xTYPE>, %b: tensor<4x16xTYPE>ATTRIBUTES) -> tensor<8x16xTYPE> {
  %z = arith.constant ZERO : TYPE
  %e = tensor.empty() : tensor<8x16xTYPE>
  %i = linalg.fill ins(%z : TYPE) outs(%e : tensor<8x16xTYPE>) -> tensor<8x16xTYPE>
  %m = linalg.matmul ins(%a, %b : tensor<8x4xTYPE>, tensor<4x16xTYPE>)
    outs(%i : tensor<8x16xTYPE>) -> tensor<8x16xTYPE>
  return %m : tensor<8x16xTYPE>
}
"""


def matmul(name: str = "main", type_: str = "f32", attributes: str = "") -> str:
    text = MATMUL.replace("NAME", name).replace("ATTRIBUTES", attributes)
    return text.replace("ZERO", "0" if type_ == "i32" else "0.0").replace("TYPE", type_)


ALIASES = """
func.func @main(%a: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  return %a, %a : tensor<4xf32>, tensor<4xf32>
}
"""
NO_OUTPUTS = "func.func @main(%a: tensor<4xf32>) { return }"
SELECTS = """
func.func @main(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.cmpf olt, %a, %b : tensor<4xf32>
  %r = arith.select %c, %a, %b : tensor<4xi1>, tensor<4xf32>
  return %r : tensor<4xf32>
}
"""
IN_A_LOOP = """
func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %r = scf.for %i = %c0 to %c4 step %c1 iter_args(%t = %a) -> tensor<4xf32> {
    %n = math.exp %t : tensor<4xf32>
    scf.yield %n : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}
"""


@pytest.mark.parametrize(
    ("text", "inputs", "expected"),
    [
        (matmul(type_="f64"), [np.ones((8, 4)), np.ones((4, 16))], [np.full((8, 16), 4.0)]),
        (
            matmul(type_="i32"),
            [np.ones((8, 4), np.int32), np.ones((4, 16), np.int32)],
            [np.full((8, 16), 4, np.int32)],
        ),
        (ALIASES, [np.ones(4, np.float32)], [np.ones(4, np.float32)] * 2),
        (NO_OUTPUTS, [np.ones(4, np.float32)], []),
        (
            SELECTS,
            [np.array([1, 5, 3, 7], np.float32), np.array([4, 2, 6, 0], np.float32)],
            [np.array([1, 2, 3, 0], np.float32)],
        ),
    ],
    ids=["f64", "i32", "aliases", "no-outputs", "select"],
)
def test_functions_that_are_hardly_models(
    tmp_path: Path,
    einnet: Callable[..., Done],
    text: str,
    inputs: list[Array],
    expected: list[Array],
):
    (tmp_path / "m.mlir").write_text(text)
    done = einnet("compile", tmp_path / "m.mlir", "-o", tmp_path / "m", "--quiet")
    assert done == Done(0, "", "")
    arguments: list[str] = []
    for number, array in enumerate(inputs):
        # Any byte order and layout: a .npy file is what it is.
        foreign = np.asarray(array, array.dtype.newbyteorder(), order="F")
        np.save(tmp_path / f"{number}.npy", foreign)
        arguments.append(f"--input=arg{number}={tmp_path / f'{number}.npy'}")
    arguments += [f"--output=result{n}={tmp_path / f'out{n}'}" for n in range(len(expected))]
    done = einnet("run", tmp_path / "m", *arguments)
    assert done.status == 0, done.err
    for number, array in enumerate(expected):
        np.testing.assert_array_equal(np.load(tmp_path / f"out{number}"), array)


def test_bench_compares_with_a_reference_and_onnx_runtime(
    compiled: tuple[Path, Done], einnet: Callable[..., Done], tmp_path: Path
):
    folder, _ = compiled
    flags = ("--no-measure", "--runs", "2", "--json", tmp_path / "b.json")
    done = einnet("bench", folder / "small.onnx", *flags)
    assert done.status == 0, done.err
    record = json.loads((tmp_path / "b.json").read_text())
    assert set(record["samples"]) == {"einnet", "unoptimized", "ONNX Runtime"}
    assert len(record["samples"]["einnet"]["wall"]) == 2
    assert max(record["errors"].values()) <= record["tolerance"] < 1e-4


def test_bench_goes_on_without_a_peer(
    einnet: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [4]) for n in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ports[:1], ports[1:])
    onnx.save(helper.make_model(graph, ir_version=8), tmp_path / "m.onnx")

    def refuse(*_: object) -> None:
        raise ToolchainError("ONNX Runtime is not installed")

    monkeypatch.setattr("einnet.cli.bench_cpu.onnxruntime_runner", refuse)
    done = einnet("bench", tmp_path / "m.onnx", "--no-measure", "--runs", "1")
    assert done.status == 0, done.err
    assert "not in the table: error: ONNX Runtime is not installed" in done.out


def test_bench_of_what_has_no_expression(einnet: Callable[..., Done], tmp_path: Path):
    (tmp_path / "m.mlir").write_text(matmul(type_="i32"))
    done = einnet("bench", tmp_path / "m.mlir", "--runs", "1")
    assert done.status == 0, done.err
    assert "against the unoptimized program" in done.out


def test_import_writes_the_weights_beside(
    compiled: tuple[Path, Done], einnet: Callable[..., Done], tmp_path: Path
):
    folder, _ = compiled
    done = einnet("import", folder / "small.onnx")
    assert "func.func @main" in done.out and "weights are not part of the text" in done.err
    assert einnet("import", folder / "small.onnx", "-o", tmp_path / "m.mlir") == Done(0, "", "")
    assert (tmp_path / "m.mlir").read_text() == done.out
    assert list(Weights.load(tmp_path / "m.safetensors")) == [
        "up",
        "scale",
        "shift",
        "mean",
        "var",
        "kernel",
    ]


def test_doctor_names_every_part_and_fails_for_required_ones_only(
    einnet: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
):
    done = einnet("doctor")
    assert done.status == 0 and "mlir-opt" in done.out and "Finding(" not in done.out
    missing = Finding("blas", None, None, False, "pip install blas", True, "products")
    assert all(f" {part} " in done.out for part in ("GPU", "cuBLASLt", "cuDNN", "ptxas"))
    monkeypatch.setattr("einnet.toolchain.doctor.examine", lambda: (missing,))
    done = einnet("doctor")
    assert done.status == 1 and "pip install blas" in done.out


@pytest.mark.parametrize(
    "arguments", [(), *((v,) for v in ("import", "compile", "run", "measure", "bench"))]
)
def test_help(arguments: tuple[str, ...], einnet: Callable[..., Done]):
    done = einnet(*arguments, "--help")
    assert done.status == 0 and done.out.startswith("usage: einnet") and not done.err


@pytest.fixture(scope="module")
def wrong(compiled: tuple[Path, Done]) -> Path:
    """The folder with what is wrong beside what is right."""
    folder, _ = compiled
    for name in ("text.onnx", "text.mlir", "text.txt"):
        (folder / name).write_text("this is no model\n")
    small = (folder / "small.onnx").read_bytes()
    (folder / "cut.onnx").write_bytes(small[: len(small) // 2])
    (folder / "empty.onnx").write_bytes(b"")
    (folder / "bytes.mlir").write_bytes(b"\xff\xfe\x00")
    (folder / "folder.onnx").mkdir()
    (folder / "two.mlir").write_text(matmul("f") + matmul("g"))
    (folder / "weight.mlir").write_text(matmul(attributes=' {einnet.weight = "w"}'))
    (folder / "loop.mlir").write_text(IN_A_LOOP)
    np.save(folder / "wrong.npy", np.zeros((2, 6, 4, 5), np.float32))
    np.savez(folder / "many.npz", x=np.zeros(1))
    (folder / "cut.npy").write_bytes((folder / "x.npy").read_bytes()[:150])
    (folder / "empty.npy").write_bytes(b"")
    damaged = shutil.copytree(folder / "small.einnet", folder / "damaged.einnet")
    (damaged / "program.so").write_bytes(b"")
    return folder


TO = ("-o", "m.einnet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "einnet: error: the following arguments are required: VERB"),
        (("optimize",), "einnet: error: argument VERB: invalid choice: 'optimize'"),
        (("compile", "small.onnx"), "einnet compile: error: the following arguments are required"),
        (("compile", "missing.onnx", *TO), "missing.onnx: error: there is no such file"),
        (("compile", "", *TO), "argument model: the name is empty"),
        (("compile", "folder.onnx", *TO), "folder.onnx: error: this is a folder"),
        (("compile", "text.onnx", *TO), "text.onnx: error: "),
        (("compile", "cut.onnx", *TO), "cut.onnx: error: this is not an ONNX model"),
        (("compile", "empty.onnx", *TO), "empty.onnx: error: this is not an ONNX model"),
        (("compile", "text.mlir", *TO), "text.mlir:1:1: error: "),
        (("compile", "bytes.mlir", *TO), "bytes.mlir: error: this is not text"),
        (("compile", "text.txt", *TO), "text.txt: error: files of type .txt"),
        (("compile", "two.mlir", *TO), "two.mlir: error: which function is the model"),
        (("compile", "two.mlir", "--entry", "h", *TO), "two.mlir: error: there is no function @h"),
        (("compile", "weight.mlir", *TO), "weight.mlir: error: the values of w are missing"),
        (("compile", "loop.mlir", *TO), "loop.mlir (optimized): error: a buffer is allocated"),
        (("compile", "small.onnx", *TO, "--target", "gpu"), "unknown target 'gpu'"),
        (
            ("compile", "small.onnx", *TO, "--rounds", "0"),
            "argument --rounds: must be a whole number from 1 to",
        ),
        (
            ("compile", "small.onnx", *TO, "--seed", "-1"),
            "argument --seed: must be a whole number from 0",
        ),
        (("compile", "small.onnx", *TO, "--batch", "0"), "argument --batch: must be"),
        (("compile", "small.onnx", "-o", "text.txt"), "text.txt: error: exists and is not"),
        (("compile", "small.onnx", "-o", "text.txt/m"), "text.txt/m: error: cannot be written"),
        (("bench", "small.onnx", "--runs", "0"), "argument --runs: must be"),
        (("bench", "small.onnx", "--json", "no/b.json"), "no/b.json: error: cannot be written"),
        (("import", "small.onnx", "-o", "no/m.mlir"), "no/m.mlir: error: cannot be written"),
        (("import", "small.onnx", "-o", "m.txt"), "m.txt: error: the output is an .mlir file"),
        (("run", "missing.einnet"), "missing.einnet: error: no such artifact"),
        (("run", "small.onnx"), "small.onnx: error: not an artifact"),
        (("run", "damaged.einnet"), "damaged.einnet/program.so: error: the file is not the one"),
        (("run", "small.einnet", "--threads", "0"), "argument --threads: must be"),
        (("run", "small.einnet", "--input", "text.txt"), "text.txt: error: "),
        (
            ("run", "small.einnet", "--input", "empty.npy"),
            "empty.npy: error: this is not a .npy file",
        ),
        (("run", "small.einnet", "--input", "cut.npy"), "cut.npy: error: not a whole .npy file"),
        (("run", "small.einnet", "--input", "many.npz"), "many.npz: error: an archive"),
        (("run", "small.einnet", "--input", "wrong.npy"), "wrong.npy: error: input 'x': its shape"),
        (("run", "small.einnet", "--input", "z=x.npy"), "there is no 'z'"),
        (("run", "small.einnet", "--input", "x="), "names no file"),
        (("run", "small.einnet"), "input 'x' is missing"),
        (
            ("run", "small.einnet", "--input", "x.npy", "--output", "/dev/full"),
            "/dev/full: error: cannot be written: No space left",
        ),
    ],
)
def test_wrong_input_is_one_located_error(
    wrong: Path,
    einnet: Callable[..., Done],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
):
    monkeypatch.chdir(wrong)
    before = {path.name for path in wrong.iterdir()}
    done = einnet(*arguments)
    assert done.status == 1, done.err
    assert message in done.err
    assert "Traceback" not in done.err and not done.out
    assert {path.name for path in wrong.iterdir()} == before
    assert (wrong / "text.txt").read_text() == "this is no model\n"
