"""The pinned torch-mlir against ONNX Runtime, over the operators that matter most here.

These run on every change of the pin, and in `make test-all`. The oracle is not onnx.reference,
whose ConvTranspose (1.23) fails with groups.
"""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import scalar_loops
from onnx import TensorProto, helper, numpy_helper

from einnet.frontend.onnx import import_onnx

pytestmark = pytest.mark.slow

LIGHT = sorted((Path(onnx.__file__).parent / "backend/test/data/light").glob("*.onnx"))


def differ(operator: str, kernel: list[int], tmp_path: Path, **attributes: Any) -> float:
    """The largest difference of one operator from ONNX Runtime on a 2x4x5 (x6) input."""
    random = np.random.default_rng(0)
    shape = [2, 4, 5, 6][: len(kernel)]
    weights = random.normal(size=kernel).astype(np.float32)
    features = kernel[0] if operator == "Conv" else kernel[1] * attributes["group"]
    bias = random.normal(size=features).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "w", "b"], ["y"], **attributes)],
        "differential",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["?"] * len(shape))],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    x = random.normal(size=shape).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    expected = np.asarray(session.run(None, {"x": x})[0], np.float32)
    return float(np.abs(scalar_loops.run(import_onnx(path, batch=2), [x]) - expected).max())


@pytest.mark.parametrize(
    ("rank", "stride", "dilation", "group"),
    list(itertools.product((1, 2), (1, 2, 3), (1, 2), (1, 2))),
)
def test_transposed_convolution(rank: int, stride: int, dilation: int, group: int, tmp_path: Path):
    difference = differ(
        "ConvTranspose",
        [4, 3, *[3] * rank],
        tmp_path,
        strides=[stride] * rank,
        dilations=[dilation] * rank,
        pads=[1] * (2 * rank),
        output_padding=[stride - 1] * rank,
        group=group,
    )
    assert difference < 1e-5


@pytest.mark.parametrize(
    ("rank", "stride", "dilation", "group"),
    list(itertools.product((1, 2), (1, 2), (1, 2), (1, 4))),
)
def test_convolution(rank: int, stride: int, dilation: int, group: int, tmp_path: Path):
    difference = differ(
        "Conv",
        [4, 4 // group, *[3] * rank],
        tmp_path,
        strides=[stride] * rank,
        dilations=[dilation] * rank,
        pads=[2] * (2 * rank),
        group=group,
    )
    assert difference < 1e-5


@pytest.mark.parametrize("path", LIGHT, ids=[path.stem for path in LIGHT])
def test_networks_of_operator_set_9_are_imported(path: Path):
    model = import_onnx(path)
    assert all(port.shape for port in (*model.inputs, *model.outputs))


def test_the_networks_are_there():
    assert len(LIGHT) == 9
