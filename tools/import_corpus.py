"""Write test/corpus/torch/: what torch-mlir makes of the examples and of small ONNX models.

    python tools/import_corpus.py

Weights are arguments, so the files are small. The generators of the examples are whole, at batch 1.
What is optimized today, each file claims of itself (`corpus_claims.py`).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from corpus_claims import with_claim
from einnet.frontend.load import load_model

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "test" / "corpus" / "torch"
EXAMPLES = ("infogan", "dcgan")

Shape = tuple[int, ...]
Node = tuple[str, Sequence[str], str, Mapping[str, Any]]


def model(
    inputs: Mapping[str, Shape],
    weights: Mapping[str, Shape],
    nodes: Sequence[Node],
    outputs: Mapping[str, Shape],
    shapes: Mapping[str, Shape] | None = None,
) -> onnx.ModelProto:
    """A model of float32; the values of its weights do not matter, since they stay outside.

    `shapes` are the values of operands that are shapes.
    """
    given = [
        numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in weights.items()
    ]
    given += [numpy_helper.from_array(np.array(s), name) for name, s in (shapes or {}).items()]
    ports = [
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in named.items()]
        for named in (inputs, outputs)
    ]
    made = [
        helper.make_node(kind, list(operands), [result], **attributes)
        for kind, operands, result, attributes in nodes
    ]
    graph = helper.make_graph(made, "model", ports[0], ports[1], given)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def models() -> dict[str, onnx.ModelProto]:
    same = {"pads": [1, 1, 1, 1]}
    normal = dict.fromkeys(("scale", "shift", "mean", "var"), (8,))
    return {
        "residual_block": model(
            {"x": (1, 8, 10, 10)},
            {"w1": (8, 8, 3, 3), "w2": (8, 8, 3, 3), "b2": (8,), **normal},
            [
                ("Conv", ("x", "w1"), "c1", same),
                ("BatchNormalization", ("c1", "scale", "shift", "mean", "var"), "n1", {}),
                ("Relu", ("n1",), "r1", {}),
                ("Conv", ("r1", "w2", "b2"), "c2", same),
                ("Add", ("c2", "x"), "s", {}),
                ("Relu", ("s",), "y", {}),
            ],
            {"y": (1, 8, 10, 10)},
        ),
        "inverted_residual": model(
            {"x": (1, 6, 9, 9)},
            {"w1": (24, 6, 1, 1), "w2": (24, 1, 3, 3), "w3": (8, 24, 1, 1)},
            [
                ("Conv", ("x", "w1"), "c1", {}),
                ("HardSwish", ("c1",), "r1", {}),
                ("Conv", ("r1", "w2"), "c2", {**same, "group": 24, "strides": [2, 2]}),
                ("Clip", ("c2", "", ""), "r2", {}),
                ("Conv", ("r2", "w3"), "y", {}),
            ],
            {"y": (1, 8, 5, 5)},
        ),
        "classifier": model(
            {"x": (2, 3, 15, 15)},
            {"w": (8, 3, 5, 5), "b": (8,), "v": (10, 8), "c": (10,)},
            [
                ("Conv", ("x", "w", "b"), "c1", {"strides": [2, 2], "pads": [2, 2, 2, 2]}),
                ("Sigmoid", ("c1",), "a1", {}),
                ("MaxPool", ("a1",), "p1", {"kernel_shape": [3, 3], "strides": [2, 2], **same}),
                ("AveragePool", ("p1",), "p2", {"kernel_shape": [2, 2]}),
                ("GlobalAveragePool", ("p2",), "g", {}),
                ("Flatten", ("g",), "f", {}),
                ("Gemm", ("f", "v", "c"), "y", {"transB": 1}),
            ],
            {"y": (2, 10)},
        ),
        "attention": model(
            {"q": (2, 3, 8, 4), "k": (2, 3, 8, 4), "v": (2, 3, 8, 4)},
            {"o": (12, 12)},
            [
                ("Transpose", ("k",), "kt", {"perm": [0, 1, 3, 2]}),
                ("MatMul", ("q", "kt"), "s", {}),
                ("Softmax", ("s",), "p", {"axis": -1}),
                ("MatMul", ("p", "v"), "h", {}),
                ("Transpose", ("h",), "ht", {"perm": [0, 2, 1, 3]}),
                ("Reshape", ("ht", "rows"), "flat", {}),
                ("Einsum", ("flat", "o"), "y", {"equation": "ij,jk->ik"}),
            ],
            {"y": (16, 12)},
            {"rows": (16, 12)},
        ),
        "grouped_and_dilated": model(
            {"x": (1, 8, 12, 11)},
            {"w": (12, 4, 3, 3), "v": (6, 12, 2, 3)},
            [
                ("Conv", ("x", "w"), "c", {"group": 2, "dilations": [2, 1], "pads": [2, 1, 2, 1]}),
                ("LeakyRelu", ("c",), "r", {"alpha": 0.1}),
                ("Conv", ("r", "v"), "y", {"strides": [2, 1], "auto_pad": "SAME_UPPER"}),
            ],
            {"y": (1, 6, 6, 11)},
        ),
        "transposed": model(
            {"x": (1, 6, 5, 5)},
            {"w": (6, 2, 4, 4), "v": (6, 3, 3, 3)},
            [
                ("ConvTranspose", ("x", "w"), "c", {"strides": [2, 2], "group": 3, **same}),
                ("Tanh", ("c",), "t", {}),
                (
                    "ConvTranspose",
                    ("t", "v"),
                    "y",
                    {"strides": [3, 3], "output_padding": [1, 1], "dilations": [2, 2]},
                ),
            ],
            {"y": (1, 3, 33, 33)},
        ),
        "one_and_three_axes": model(
            {"x": (2, 4, 20), "z": (1, 2, 5, 6, 7)},
            {"w": (6, 4, 5), "v": (3, 2, 2, 3, 2)},
            [
                ("Conv", ("x", "w"), "y", {"pads": [2, 2], "strides": [2]}),
                ("Conv", ("z", "v"), "u", {"pads": [0, 1, 0, 1, 1, 1]}),
            ],
            {"y": (2, 6, 10), "u": (1, 3, 5, 6, 7)},
        ),
        "normalized_layers": model(
            {"x": (3, 5, 16)},
            {"w": (16, 32), "b": (32,), "v": (32, 16), "g": (16,), "h": (16,)},
            [
                ("LayerNormalization", ("x", "g", "h"), "n", {"axis": -1}),
                ("MatMul", ("n", "w"), "m", {}),
                ("Add", ("m", "b"), "a", {}),
                ("Erf", ("a",), "e", {}),
                ("Mul", ("a", "e"), "t", {}),
                ("MatMul", ("t", "v"), "o", {}),
                ("Add", ("o", "x"), "y", {}),
            ],
            {"y": (3, 5, 16)},
        ),
    }


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        for name in EXAMPLES:
            script = str(ROOT / "examples" / f"{name}.py")
            path = str(scratch / f"{name}.onnx")
            subprocess.run([sys.executable, script, "--batch", "1", "-o", path], check=True)
        for name, built in models().items():
            onnx.save(built, scratch / f"{name}.onnx")
        for path in sorted(scratch.glob("*.onnx")):
            head = (
                f"// {path.stem}: what torch-mlir makes of it. Written by tools/import_corpus.py.\n"
            )
            text = f"{head}\n{load_model(path).mlir}"
            (FOLDER / f"{path.stem}.mlir").write_text(with_claim(text), encoding="utf-8")


if __name__ == "__main__":
    main()
