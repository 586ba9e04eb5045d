"""The operators of the GPU benchmark: sizes, expressions and the reference, without a GPU."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from bench.cases import CASES, LAYOUTS, Case, reference, to_layout, to_nchw
from bench.roofline import H100, Machine, roof_microseconds
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from einnet.expr.check import check_program
from einnet.expr.interpreter import Float64, dense, evaluate_everywhere
from einnet.expr.program import Program

BY_NAME = {case.name: case for case in CASES}


def small(case: Case) -> Case:
    """The case with few channels and a size not much larger than its kernel's reach."""
    height, width = (min(extent, 6) for extent in case.size)
    return replace(case, n=2, c=min(case.c, 3), f=min(case.f, 2), size=(height, width))


def evaluate(program: Program, arrays: dict[str, np.ndarray]) -> np.ndarray:
    (definition,) = program.definitions
    return evaluate_everywhere(definition.scope, dense(arrays), Float64())


def by_onnx(case: Case, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The operator as ONNX defines it, in double precision."""
    (p, q), d, s = case.padding, case.dilation, case.stride
    attributes: dict[str, Any] = {
        "kernel_shape": list(case.kernel),
        "strides": [s, s],
        "pads": [p, q, p, q],
        "dilations": [d, d],
    }
    if case.transposed:
        attributes["output_padding"] = [case.output_padding] * 2
    kind = "ConvTranspose" if case.transposed else "Conv"
    ports = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape)
        for name, shape in (("x", x.shape), ("w", w.shape), ("y", case.y_shape))
    ]
    node = helper.make_node(kind, ["x", "w"], ["y"], **attributes)
    graph = helper.make_graph([node], "g", ports[:2], ports[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    (y,) = ReferenceEvaluator(model).run(None, {"x": x, "w": w})
    return np.asarray(y)


def test_there_are_seventeen_and_eleven_decide():
    assert len(BY_NAME) == len(CASES) == 17
    deciding = [case for case in CASES if case.decides]
    assert len(deciding) == 11
    assert sum(case.transposed for case in deciding) == 6
    assert sum(1 in case.kernel for case in deciding) == 2
    others = [case for case in deciding if not case.transposed and 1 not in case.kernel]
    assert [(case.n, case.model) for case in others] == [
        (1, "ResNet-18"),
        (1, "CSRNet"),
        (1, "PET"),
    ]


@pytest.mark.parametrize(
    ("name", "size_out", "flops", "bytes_"),
    [
        # 2 * 49 * 512 * 512 * 9 and 4 * (2 * 512 * 49 + 512 * 512 * 9)
        ("conv3x3 n1 c512 7x7 f512", (7, 7), 231_211_008, 9_637_888),
        # 2 * 16 * 4 * 448 * 256 * 16 and 4 * (16 * 448 * 4 + 448 * 256 * 16 + 16 * 256 * 16)
        ("convT4x4s2 n16 448@2x2 f256", (4, 4), 234_881_024, 7_716_864),
        # 2 * 16 * 1024 * 56 * 81 and 4 * (16 * 56 * 1024 + 56 * 81 + 16 * 128 * 128)
        ("convT9x9s4 n16 56@32x32 f1", (128, 128), 148_635_648, 4_736_736),
        # 2 * 16 * 224 * 224 * 32 * 25 and 4 * (16 * 224 * 224 * 33 + 32 * 25)
        ("conv5x5 n16 c32 224x224 f1", (224, 224), 1_284_505_600, 105_974_912),
        # 2 * 16 * 784 * 512 * 512 * 9 and 4 * (2 * 16 * 512 * 784 + 512 * 512 * 9)
        ("dilated2 3x3 n16 c512 28x28 f512", (28, 28), 59_190_018_048, 60_817_408),
        # 2 * 49 * 2048 * 21 * 7 and 4 * (2048 * 49 + 2048 * 21 * 7 + 21 * 49)
        ("conv7x1 n1 c2048 7x7 f21", (7, 7), 29_503_488, 1_609_748),
    ],
)
def test_sizes_are_those_computed_by_hand(
    name: str, size_out: tuple[int, int], flops: int, bytes_: int
):
    case = BY_NAME[name]
    assert case.size_out == size_out
    assert case.flops == flops
    assert case.bytes("tf32") == case.bytes("fp32") == bytes_
    assert case.bytes("fp16") == case.bytes("bf16") == bytes_ // 2


def test_other_outputs_keep_their_size_or_double_it():
    for case in CASES:
        factor = case.stride if case.transposed else 1
        assert case.size_out == tuple(factor * extent for extent in case.size), case.name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_programs_are_well_formed_in_every_layout(case: Case):
    for x in LAYOUTS:
        for y in LAYOUTS:
            program = case.program(x, y, "fp16")
            check_program(program)
            assert program.weights == {"W"}
            assert {t.dtype for t in (*program.inputs, *program.outputs)} == {"f16"}
            (result,) = program.outputs
            n, f, (height, width) = case.n, case.f, case.size_out
            wanted = (n, f, height, width) if y == "nchw" else (n, height, width, f)
            assert result.shape == wanted


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_expressions_and_reference_are_the_operator(case: Case):
    case = small(case)
    x, w = (a.astype(np.float64) for a in case.operands(3))
    expected = by_onnx(case, x, w)
    channels_last = reference(case, to_layout(x, "nhwc"), w)
    np.testing.assert_allclose(to_nchw(channels_last, "nhwc"), expected, rtol=0, atol=1e-12)
    for at, to in itertools.product(LAYOUTS, LAYOUTS):
        y = evaluate(case.program(at, to, "fp32"), {"X": to_layout(x, at), "W": w})
        np.testing.assert_allclose(to_nchw(y, to), expected, rtol=0, atol=1e-12)


def test_outputs_are_of_order_one():
    for case in CASES:
        height, width = (min(extent, 9) for extent in case.size)
        case = replace(case, n=1, c=min(case.c, 60), f=min(case.f, 30), size=(height, width))
        x, w = case.operands(0)
        deviation = float(np.std(reference(case, to_layout(x, "nhwc"), w)))
        assert 0.4 < deviation < 1.6, case.name


def test_every_case_has_figures_of_the_library():
    for case in CASES:
        assert set(case.baselines) == {"tf32", "fp16", "fp32"}
        for precision, baseline in case.baselines.items():
            roof = roof_microseconds(H100, precision, case.flops, case.bytes(precision))
            assert roof < baseline.best, (case.name, precision)


def test_the_roof_is_the_longer_of_both_times():
    machine = Machine("m", {"fp32": 1e6}, 2e6)
    assert roof_microseconds(machine, "fp32", 3, 4) == 3
    assert roof_microseconds(machine, "fp32", 3, 8) == 4
