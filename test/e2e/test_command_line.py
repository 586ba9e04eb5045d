"""The commands as a user types them: one small model from ONNX to numbers, and wrong inputs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


def einnet(*arguments: str | Path) -> Done:
    command = [sys.executable, "-m", "einnet.cli.main", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


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
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A folder with small.onnx, small.einnet and x.npy, and what the compilation said."""
    folder = tmp_path_factory.mktemp("small")
    onnx.save(model(), folder / "small.onnx")
    x = np.random.default_rng(1).standard_normal((2, 6, 4, 4)).astype(np.float32)
    np.save(folder / "x.npy", x)
    done = einnet("compile", folder / "small.onnx", "-o", folder / "small.einnet")
    assert done.status == 0, done.err
    return folder, done


def test_the_artifact_computes_the_model(compiled: tuple[Path, Done]):
    folder, _ = compiled
    done = einnet(
        "run", folder / "small.einnet", "--input", folder / "x.npy", "--output", folder / "y.npy"
    )
    assert done.status == 0, done.err
    x = np.load(folder / "x.npy")
    (expected,) = ReferenceEvaluator(model()).run(None, {"x": x})
    np.testing.assert_allclose(np.load(folder / "y.npy"), expected, atol=2e-6)


def test_both_convolutions_are_derived_to_products(compiled: tuple[Path, Done]):
    folder, done = compiled
    assert "matmul" in done.out and "proved: the final module equals the imported one" in done.out
    choices = json.loads((folder / "small.einnet" / "trace.json").read_text())
    assert len(choices) == 2
    for choice in choices:
        names = set(choice["samples"])
        assert "original" in names and any(name.startswith("matmul") for name in names)
        assert choice["visited"] <= 200
    certificate = json.loads((folder / "small.einnet" / "certificate.json").read_text())
    assert certificate["error_bound"] < 1e-9 and certificate["segments"]


def test_choosing_by_estimate_takes_derived_plans(compiled: tuple[Path, Done]):
    folder, _ = compiled
    out = folder / "estimated.einnet"
    done = einnet("compile", folder / "small.onnx", "-o", out, "--no-measure", "--quiet")
    assert done.status == 0 and done.out == "", done.err
    choices = json.loads((out / "trace.json").read_text())
    assert all(c["chosen"].startswith("matmul") and c["steps"] for c in choices)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("compile", "missing.onnx", "-o", "m.einnet"),
            "missing.onnx: error: there is no such file",
        ),
        (("compile", "text.onnx", "-o", "m.einnet"), "text.onnx: error: "),
        (("compile", "text.mlir", "-o", "m.einnet"), "text.mlir:1:1: error: "),
        (("compile", "text.txt", "-o", "m.einnet"), "text.txt: error: files of type .txt"),
        (("compile", "small.onnx", "-o", "m.einnet", "--target", "gpu"), "unknown target 'gpu'"),
        (("compile", "small.onnx", "-o", "m.einnet", "--rounds", "0"), "'rounds' must be"),
        (("compile", "small.onnx", "-o", "text.txt"), "text.txt: error: exists and is not"),
        (("run", "missing.einnet"), "missing.einnet"),
        (("run", "small.einnet", "--input", "text.txt"), "text.txt: error: "),
        (("run", "small.einnet", "--input", "wrong.npy"), "error: "),
        (("run", "small.einnet", "--input", "z=x.npy"), "there is no 'z'"),
        (("run", "small.einnet"), "input 'x' is missing"),
    ],
)
def test_wrong_input_is_one_located_error(
    compiled: tuple[Path, Done], arguments: tuple[str, ...], message: str
):
    folder, _ = compiled
    for name in ("text.onnx", "text.mlir", "text.txt"):
        (folder / name).write_text("this is no model\n")
    np.save(folder / "wrong.npy", np.zeros((2, 6, 4, 5), np.float32))
    command = [sys.executable, "-m", "einnet.cli.main", *arguments]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 1, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr and not done.stdout
    assert not (folder / "m.einnet").exists()
    assert (folder / "text.txt").read_text() == "this is no model\n"
