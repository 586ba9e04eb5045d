import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import shape_inference
from onnx.reference import ReferenceEvaluator

import dcgan  # pyright: ignore[reportMissingImports]
import gan  # pyright: ignore[reportMissingImports]
import infogan  # pyright: ignore[reportMissingImports]

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def shape(value: onnx.ValueInfoProto) -> list[int | str]:
    dimensions = value.type.tensor_type.shape.dim
    return [item.dim_value or item.dim_param for item in dimensions]


def test_infogan_is_the_published_generator():
    inferred = shape_inference.infer_shapes(infogan.build(16), strict_mode=True)
    graph = inferred.graph
    assert shape(graph.input[0]) == [16, 228, 1, 1]
    assert shape(graph.output[0]) == [16, 3, 32, 32]
    sizes = {value.name: shape(value) for value in graph.value_info}
    assert [sizes[f"layer{index}.convolved"] for index in range(4)] == [
        [16, 448, 2, 2],
        [16, 256, 4, 4],
        [16, 128, 8, 8],
        [16, 64, 16, 16],
    ]
    assert [node.op_type for node in graph.node] == [
        *["ConvTranspose", "BatchNormalization", "Relu"] * 4,
        "ConvTranspose",
        "Tanh",
    ]


def test_dcgan_is_the_published_generator():
    inferred = shape_inference.infer_shapes(dcgan.build(16), strict_mode=True)
    graph = inferred.graph
    assert shape(graph.input[0]) == [16, 100, 1, 1]
    assert shape(graph.output[0]) == [16, 3, 64, 64]
    sizes = {value.name: shape(value) for value in graph.value_info}
    assert [sizes[f"layer{index}.convolved"] for index in range(4)] == [
        [16, 512, 4, 4],
        [16, 256, 8, 8],
        [16, 128, 16, 16],
        [16, 64, 32, 32],
    ]
    assert [node.op_type for node in graph.node] == [
        *["ConvTranspose", "BatchNormalization", "Relu"] * 4,
        "ConvTranspose",
        "Tanh",
    ]


def test_activations_stay_of_order_one():
    layers = tuple(
        gan.Layer(16, 16, kernel, stride, pad)
        for kernel, stride, pad in [(4, 1, 0), (4, 2, 1), (4, 2, 1), (4, 2, 1)]
    )
    model = gan.build("deep", layers, 2, 0)
    model.graph.output.extend(
        onnx.ValueInfoProto(name=name)
        for name in ("layer0.convolved", "layer1.convolved", "layer2.convolved", "features")
    )
    latent = np.random.default_rng(0).normal(size=(2, 16, 1, 1)).astype(np.float32)
    _, *activations = ReferenceEvaluator(model).run(None, {"latent": latent})
    for activation in activations:
        assert 0.3 < float(np.std(np.asarray(activation))) < 3


def test_the_seed_decides_the_bytes():
    layers = (gan.Layer(2, 3, 2, 1, 0),)
    same = {gan.build("g", layers, 1, 7).SerializeToString() for _ in range(2)}
    assert len(same) == 1
    assert gan.build("g", layers, 1, 8).SerializeToString() not in same


def test_layers_have_to_fit():
    with pytest.raises(ValueError, match="does not take the channels"):
        gan.build("g", (gan.Layer(2, 3, 2, 1, 0), gan.Layer(4, 3, 2, 1, 0)), 1, 0)


@pytest.mark.parametrize(
    ("program", "arguments", "batch"),
    [
        ("infogan.py", [], "N"),
        ("infogan.py", ["--batch", "16"], 16),
        ("dcgan.py", ["--batch", "2", "--seed", "3"], 2),
    ],
)
def test_command_line(tmp_path: Path, program: str, arguments: list[str], batch: object):
    output = tmp_path / "out.onnx"
    command = [sys.executable, str(EXAMPLES / program), *arguments, "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{output}\n"
    assert shape(onnx.load(output).graph.input[0])[0] == batch
