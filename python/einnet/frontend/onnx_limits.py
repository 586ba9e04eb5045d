"""What torch-mlir does not compile, or compiles wrongly: refused by name before it runs.

The table holds only what was measured on the pinned torch-mlir: results that differ from ONNX's
semantics without a diagnostic, and failures whose own message would blame the wrong operator.
Anything else that is unsupported is reported by torch-mlir itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper


@dataclass(frozen=True)
class NodeFacts:
    """A node with what is known of its operands: static shapes and constant values by name."""

    node: onnx.NodeProto
    shapes: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, onnx.TensorProto]
    attributes: Mapping[str, object] = field(init=False)

    def __post_init__(self) -> None:
        values = {item.name: helper.get_attribute_value(item) for item in self.node.attribute}
        object.__setattr__(self, "attributes", values)

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        value = self.attributes.get(name, default)
        return value if isinstance(value, int) else default

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self.attributes.get(name)
        return value.decode() if isinstance(value, bytes) else default

    def operand(self, index: int) -> str:
        """The name of an operand, empty if it is absent."""
        return self.node.input[index] if index < len(self.node.input) else ""

    def shape(self, index: int) -> tuple[int, ...] | None:
        """The static shape of an operand, None if unknown."""
        return self.shapes.get(self.operand(index))

    def constant(self, index: int) -> NDArray[np.generic] | None:
        """The value of an operand that is a constant, else None."""
        tensor = self.constants.get(self.operand(index))
        return None if tensor is None else numpy_helper.to_array(tensor)


Check = Callable[[NodeFacts], str | None]
"""Why a node is refused, or None."""


def refusal(facts: NodeFacts) -> str | None:
    """Why torch-mlir must not see this node, as the end of a sentence; None if it may."""
    for check in _CHECKS.get(facts.node.op_type, ()):
        if reason := check(facts):
            return reason
    return None


def _depthwise_transposed(facts: NodeFacts) -> str | None:
    """Groups of one channel make an invalid `tensor.collapse_shape`."""
    kernel = facts.shape(1)
    if kernel is not None and facts.integer("group", 1) == kernel[0] > 1:
        return "depthwise transposed convolutions are not supported by torch-mlir"
    return None


def _depthwise_3d(facts: NodeFacts) -> str | None:
    kernel = facts.shape(1)
    if kernel is not None and len(kernel) == 5 and facts.integer("group", 1) > 1 == kernel[1]:
        return "depthwise 3-d convolutions are not supported by torch-mlir"
    return None


def _same_padding(facts: NodeFacts) -> str | None:
    if facts.text("auto_pad", "NOTSET").startswith("SAME"):
        return "auto_pad = SAME is not supported by torch-mlir; write explicit pads"
    return None


def _resize(facts: NodeFacts) -> str | None:
    """Several attributes are dropped in silence; align_corners uses the rounded output size."""
    mode = facts.text("mode", "nearest")
    transform = facts.text("coordinate_transformation_mode", "half_pixel")
    if "axes" in facts.attributes:
        return "the attribute axes is not supported by torch-mlir; resize all axes"
    if facts.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        return "only keep_aspect_ratio_policy = stretch is supported by torch-mlir"
    if facts.integer("antialias", 0):
        return "antialias is not supported by torch-mlir"
    if facts.integer("exclude_outside", 0):
        return "exclude_outside is not supported by torch-mlir"
    if transform == "tf_crop_and_resize":
        return "tf_crop_and_resize is not supported by torch-mlir"
    if transform != "align_corners":
        return None
    if mode == "nearest" and facts.text("nearest_mode", "round_prefer_floor") == "floor":
        return "nearest_mode = floor with align_corners is compiled wrongly by torch-mlir"
    shape, scales = facts.shape(0), facts.constant(2)
    if mode != "nearest" and shape is not None and scales is not None and scales.size:
        sizes = np.asarray(shape, np.float64) * np.asarray(scales, np.float64)
        if np.any(sizes != np.floor(sizes)):
            return "align_corners with scales that give no whole sizes is compiled wrongly"
    return None


def _slice(facts: NodeFacts) -> str | None:
    steps = facts.constant(4)
    if steps is not None and np.any(np.asarray(steps, np.int64) < 0):
        return "negative steps are compiled wrongly by torch-mlir"
    return None


def _space_to_depth(facts: NodeFacts) -> str | None:
    if facts.text("mode", "DCR") != "DCR":
        return "only mode = DCR is compiled rightly by torch-mlir"
    return None


def _grid_sample(facts: NodeFacts) -> str | None:
    if facts.text("padding_mode", "zeros") == "zeros":
        return "padding_mode = zeros reads out of bounds as torch-mlir compiles it"
    if facts.text("mode", "linear") == "nearest":
        return "mode = nearest is compiled wrongly by torch-mlir"
    return None


def _lstm(facts: NodeFacts) -> str | None:
    return "peephole weights are compiled wrongly by torch-mlir" if facts.operand(7) else None


def _training(facts: NodeFacts) -> str | None:
    """`training_mode` is an attribute of BatchNormalization and an operand of Dropout."""
    operand = facts.constant(2) if facts.node.op_type == "Dropout" else None
    if facts.integer("training_mode", 0) or (operand is not None and bool(operand)):
        return "training mode is not supported; export the model for inference"
    return None


def _random(_: NodeFacts) -> str | None:
    return "random numbers have no reference result to verify against"


def _axis_scale(facts: NodeFacts) -> str | None:
    scale = facts.shape(1)
    if scale is not None and int(np.prod(scale)) > 1:
        return "a scale for each channel is compiled wrongly by torch-mlir"
    return None


def _quantized_product(facts: NodeFacts) -> str | None:
    shape = facts.shape(0)
    if shape is not None and len(shape) > 2:
        return "quantized products of more than two dimensions are compiled wrongly by torch-mlir"
    return None


def _loss(_: NodeFacts) -> str | None:
    return "losses belong to training; export the model for inference"


_CHECKS: Mapping[str, Iterable[Check]] = {
    "BatchNormalization": (_training,),
    "Bernoulli": (_random,),
    "Conv": (_depthwise_3d,),
    "ConvTranspose": (_depthwise_transposed, _same_padding),
    "DequantizeLinear": (_axis_scale,),
    "Dropout": (_training,),
    "GridSample": (_grid_sample,),
    "LSTM": (_lstm,),
    "Multinomial": (_random,),
    "NegativeLogLikelihoodLoss": (_loss,),
    "QLinearMatMul": (_quantized_product,),
    "RandomNormal": (_random,),
    "RandomNormalLike": (_random,),
    "RandomUniform": (_random,),
    "RandomUniformLike": (_random,),
    "Resize": (_resize,),
    "Slice": (_slice,),
    "SoftmaxCrossEntropyLoss": (_loss,),
    "SpaceToDepth": (_space_to_depth,),
}
