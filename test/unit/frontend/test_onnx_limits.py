"""Each entry of the table of torch-mlir's limits is provoked, next to a form that is accepted."""

from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

from einnet.frontend.onnx_limits import NodeFacts, refusal

Arrays = dict[str, np.ndarray[Any, Any]]


def ask(
    operator: str,
    shapes: dict[str, tuple[int, ...]] | None = None,
    constants: Arrays | None = None,
    operands: str = "a b c d e f g h",
    **attributes: Any,
) -> str | None:
    """The refusal of a node; an operand is absent unless it has a shape or a value."""
    known = {**(shapes or {}), **{name: array.shape for name, array in (constants or {}).items()}}
    inputs = [name if name in known else "" for name in operands.split()]
    node = helper.make_node(operator, inputs, ["y"], **attributes)
    tensors = {name: numpy_helper.from_array(array) for name, array in (constants or {}).items()}
    return refusal(NodeFacts(node, known, tensors))


IMAGE = (1, 8, 5, 5)


@pytest.mark.parametrize(
    ("refused", "accepted"),
    [
        (
            ask("ConvTranspose", {"a": IMAGE, "b": (8, 1, 3, 3)}, group=8),
            ask("ConvTranspose", {"a": IMAGE, "b": (8, 1, 3, 3)}, group=2),
        ),
        (
            ask("ConvTranspose", {"a": IMAGE, "b": (8, 4, 3, 3)}, auto_pad="SAME_UPPER"),
            ask("ConvTranspose", {"a": IMAGE, "b": (8, 4, 3, 3)}, auto_pad="VALID"),
        ),
        (
            ask("Conv", {"a": (1, 8, 5, 5, 5), "b": (8, 1, 3, 3, 3)}, group=8),
            ask("Conv", {"a": IMAGE, "b": (8, 1, 3, 3)}, group=8),
        ),
        (
            ask("SpaceToDepth", {"a": IMAGE}, blocksize=2, mode="CRD"),
            ask("SpaceToDepth", {"a": IMAGE}, blocksize=2, mode="DCR"),
        ),
        (
            ask("Slice", {"a": IMAGE}, {"e": np.array([1, -1])}),
            ask("Slice", {"a": IMAGE}, {"e": np.array([1, 2])}),
        ),
        (
            ask("GridSample", {"a": IMAGE}),
            ask("GridSample", {"a": IMAGE}, padding_mode="border"),
        ),
        (
            ask("GridSample", {"a": IMAGE}, padding_mode="border", mode="nearest"),
            ask("GridSample", {"a": IMAGE}, padding_mode="border", mode="linear"),
        ),
        (ask("LSTM", {"a": (1,), "h": (1, 6)}), ask("LSTM", {"a": (1,)})),
        (
            ask("BatchNormalization", {"a": IMAGE}, training_mode=1),
            ask("BatchNormalization", {"a": IMAGE}),
        ),
        (
            ask("Dropout", {"a": IMAGE}, {"c": np.array(True)}),
            ask("Dropout", {"a": IMAGE}, {"c": np.array(False)}),
        ),
        (ask("RandomNormal", shape=[2]), ask("Constant", value_floats=[0.0])),
        (ask("SoftmaxCrossEntropyLoss", {"a": IMAGE}), ask("Softmax", {"a": IMAGE})),
        (
            ask("DequantizeLinear", {"a": IMAGE, "b": (8,)}),
            ask("DequantizeLinear", {"a": IMAGE, "b": ()}),
        ),
        (
            ask("QLinearMatMul", {"a": (2, 3, 4)}),
            ask("QLinearMatMul", {"a": (3, 4)}),
        ),
    ],
)
def test_refused_and_accepted_forms(refused: str | None, accepted: str | None):
    assert refused is not None
    assert accepted is None


@pytest.mark.parametrize(
    "attributes",
    [
        {"axes": [2, 3]},
        {"keep_aspect_ratio_policy": "not_larger"},
        {"mode": "linear", "antialias": 1},
        {"mode": "cubic", "exclude_outside": 1},
        {"coordinate_transformation_mode": "tf_crop_and_resize"},
        {"coordinate_transformation_mode": "align_corners", "nearest_mode": "floor"},
    ],
)
def test_attributes_of_resize(attributes: dict[str, Any]):
    assert ask("Resize", {"a": IMAGE}, **attributes) is not None


@pytest.mark.parametrize(("scale", "is_refused"), [(2.0, False), (0.6, False), (0.5, True)])
def test_aligned_corners_need_whole_sizes(scale: float, is_refused: bool):
    scales = np.array([1, 1, scale, scale], np.float64)
    answer = ask(
        "Resize",
        {"a": IMAGE},
        {"c": scales},
        mode="linear",
        coordinate_transformation_mode="align_corners",
    )
    assert (answer is not None) == is_refused


def test_plain_resize_is_accepted():
    scales = np.array([1, 1, 0.5, 0.5], np.float32)
    assert ask("Resize", {"a": IMAGE}, {"c": scales}, mode="nearest") is None
