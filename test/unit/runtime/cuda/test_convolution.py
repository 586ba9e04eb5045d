"""Graphs of convolutions, against a model of what cuDNN computes from them."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from einnet.codegen.gpu.host import ConvolutionCall, Image, dense
from einnet.errors import ToolchainError
from einnet.runtime.cuda import convolution
from einnet.runtime.cuda.algorithm import Unsupported
from einnet.runtime.cuda.call import Handles
from einnet.runtime.cuda.convolution import GraphTensor, convolution_graph, layouts, post_padding

Memory = dict[str, NDArray[np.float64]]


def _last(name: str, *extents: int, offset: int = 0) -> Image:
    """Channels-last."""
    n, c, *spatial = extents
    batch, *rest = dense((n, *spatial, c))
    return Image(name, extents, (batch, rest[-1], *rest[:-1]), offset)


def _first(name: str, *extents: int) -> Image:
    return Image(name, extents, dense(extents))


def _view(memory: Memory, t: GraphTensor) -> NDArray[np.float64]:
    data = memory[t.buffer][t.offset :]
    assert len(data) > sum((e - 1) * s for e, s in zip(t.dim, t.stride, strict=True))
    return as_strided(data, t.dim, [8 * s for s in t.stride])


def _taps(
    image: tuple[int, ...], result: tuple[int, ...], kernel: tuple[int, ...], **by: tuple[int, ...]
) -> list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Which position of the image each position of the result reads with each of the kernel."""
    found: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = []
    for at in product(*(range(e) for e in result)):
        for tap in product(*(range(e) for e in kernel)):
            read = tuple(
                s * h + d * r - p
                for s, h, d, r, p in zip(
                    by["stride"], at, by["dilation"], tap, by["pre"], strict=True
                )
            )
            if all(0 <= i < e for i, e in zip(read, image, strict=True)):
                found.append((read, at, tap))
    return found


def _cudnn(memory: Memory, call: ConvolutionCall) -> None:
    """What cuDNN does with the graph of the call: its rule for extents, its operations."""
    g = convolution_graph(call)
    x, w, y = _view(memory, g.x), _view(memory, g.w), _view(memory, g.y)
    forward, backward = (y, x) if g.transposed else (x, y)
    for image, pre, post, kernel, dilation, stride, result in zip(
        *(forward.shape[2:], g.pre_padding, g.post_padding, w.shape[2:]),
        *(g.dilation, g.stride, backward.shape[2:]),
        strict=True,
    ):
        assert pre >= 0 and post >= 0
        assert (image + pre + post - dilation * (kernel - 1) - 1) // stride + 1 == result
    groups = forward.shape[1] // w.shape[1]
    outer, inner = w.shape[0] // groups, w.shape[1]
    value = np.zeros(y.shape)
    spaces = (forward.shape[2:], backward.shape[2:], w.shape[2:])
    by = {"stride": g.stride, "dilation": g.dilation, "pre": g.pre_padding}
    for read, at, tap in _taps(*spaces, **by):
        for group in range(groups):
            ins, outs = slice(group * inner, None), slice(group * outer, None)
            weights = w[(slice(group * outer, (group + 1) * outer), slice(None), *tap)]
            if g.transposed:
                value[(slice(None), ins, *read)][:, :inner] += (
                    x[(slice(None), outs, *at)][:, :outer] @ weights
                )
            else:
                value[(slice(None), outs, *at)][:, :outer] += (
                    x[(slice(None), ins, *read)][:, :inner] @ weights.T
                )
    for added in (g.z, g.bias):
        if added is not None:
            value = value + _view(memory, added)
    y[...] = np.maximum(value, 0) if call.activation == "relu" else value


def _at(image: Image, *index: int) -> int:
    return image.offset + sum(i * s for i, s in zip(index, image.strides, strict=True))


def _expected(memory: Memory, call: ConvolutionCall) -> NDArray[np.float64]:
    """The buffer of y after the call, element by element as `ConvolutionCall` says it."""
    result = memory["y"].copy()
    channels, features = call.x.extents[1] // call.groups, call.y.extents[1] // call.groups
    for n, f, *at in product(*(range(e) for e in call.y.extents)):
        group, value = f // features, 0.0
        for c, *tap in product(range(channels), *(range(e) for e in call.w.extents[2:])):
            read: list[int] = []
            parts = zip(at, tap, call.stride, call.dilation, call.low, strict=True)
            for h, r, stride, dilation, low in parts:
                numerator = h + low - dilation * r if call.transposed else 0
                read.append(
                    (numerator // stride if numerator % stride == 0 else -1)
                    if call.transposed
                    else stride * h + dilation * r - low
                )
            if not all(0 <= i < e for i, e in zip(read, call.x.extents[2:], strict=True)):
                continue
            channel = group * channels + c
            rows = (channel, f - group * features) if call.transposed else (f, c)
            weight = memory["w"][_at(call.w, *rows, *tap)]
            value += memory["x"][_at(call.x, n, channel, *read)] * weight
        if call.z is not None:
            value += memory["z"][_at(call.z, n, f, *at)]
        if call.bias:
            value += memory["bias"][f]
        result[_at(call.y, n, f, *at)] = max(value, 0.0) if call.activation else value
    return result


def _check(call: ConvolutionCall) -> None:
    rng = np.random.default_rng(0)
    memory = {name: rng.standard_normal(2000) for name in ("x", "w", "y", "z", "bias")}
    expected = _expected(memory, call)
    _cudnn(memory, call)
    np.testing.assert_allclose(memory["y"], expected, atol=1e-12)


FORWARD = ConvolutionCall(
    False,
    _last("x", 2, 4, 7, 6, offset=5),
    _last("w", 6, 4, 3, 2),
    _last("y", 2, 6, 7, 6, offset=3),
    (1, 1),
    (1, 1),
    (1, 0),
    (1, 1),
    1,
    "f32",
    "f32",
    "tf32",
)
TRANSPOSED = ConvolutionCall(
    True,
    _last("x", 2, 4, 3, 4),
    _last("w", 4, 6, 4, 3),
    _last("y", 2, 6, 6, 9),
    (2, 2),
    (1, 1),
    (1, 0),
    (1, 0),
    1,
    "f32",
    "f32",
    "fp32",
)


def test_forward_with_asymmetric_padding() -> None:
    _check(FORWARD)


def test_forward_channels_first() -> None:
    _check(replace(FORWARD, x=_first("x", 2, 4, 7, 6), y=_first("y", 2, 6, 7, 6)))


def test_forward_strided_and_dilated() -> None:
    strided = replace(FORWARD, stride=(2, 3), low=(1, 1), high=(1, 1), y=_last("y", 2, 6, 4, 3))
    _check(strided)
    _check(replace(FORWARD, dilation=(2, 2), low=(2, 1), high=(2, 1)))


def test_groups() -> None:
    _check(replace(FORWARD, groups=2, w=_last("w", 6, 2, 3, 2)))
    _check(replace(TRANSPOSED, groups=2, w=_last("w", 4, 3, 4, 3)))


def test_fused_operations() -> None:
    fused = {"z": _last("z", 2, 6, 7, 6), "bias": "bias", "activation": "relu"}
    _check(replace(FORWARD, **fused))  # pyright: ignore[reportArgumentType]
    _check(replace(TRANSPOSED, bias="bias", activation="relu"))


def test_the_residual_may_be_the_input() -> None:
    square = replace(FORWARD, w=_last("w", 4, 4, 3, 2), y=_last("y", 2, 4, 7, 6))
    graph = convolution_graph(replace(square, z=square.x))
    assert graph.inputs == (graph.x, graph.w, graph.x)
    wide = convolution_graph(replace(square, z=square.x, dtype="f16", result="f32"))
    assert [t.dtype for t in (*wide.inputs, wide.y)] == ["f16", "f16", "f32", "f32"]


def test_transposed() -> None:
    _check(TRANSPOSED)
    _check(replace(TRANSPOSED, dilation=(1, 2), w=_last("w", 4, 6, 4, 2)))


def test_the_image_of_a_transposed_convolution_decides_its_output_padding() -> None:
    _check(replace(TRANSPOSED, y=_last("y", 2, 6, 7, 10)))


def test_one_dimension_and_three() -> None:
    line = replace(
        FORWARD,
        x=_last("x", 2, 4, 9),
        w=_last("w", 6, 4, 3),
        y=_last("y", 2, 6, 5),
        stride=(2,),
        dilation=(1,),
        low=(1,),
        high=(1,),
    )
    assert convolution_graph(line).x.dim == (2, 4, 1, 9)
    _check(line)
    ones = (1, 1, 1)
    box = {"stride": ones, "dilation": ones, "low": ones, "high": ones}
    images = _first("x", 1, 2, 3, 4, 5), _first("w", 3, 2, 3, 3, 3), _first("y", 1, 3, 3, 4, 5)
    x, w, y = images
    _check(replace(FORWARD, x=x, w=w, y=y, **box))  # pyright: ignore[reportArgumentType]


def test_any_padding_that_gives_the_extent_will_do() -> None:
    fitting = [p for p in range(12) if (8 + p - 2) // 3 + 1 == 4]
    assert fitting == [3, 4, 5]
    assert [post_padding(8, 4, 2, 3, 1, 0, high) for high in (2, 3, 4, 5, 6)] == [3, 3, 4, 5, 3]


def test_symmetric_padding_is_preferred_to_the_least() -> None:
    assert post_padding(7, 4, 3, 2, 1, 1, 0) == 1
    assert post_padding(8, 4, 3, 2, 1, 1, 0) == 0


def test_a_convolution_that_is_cut_short_is_refused() -> None:
    with pytest.raises(Unsupported, match="only some"):
        post_padding(9, 4, 3, 1, 1, 0, 0)


def test_strides_of_single_elements_follow_the_other_images() -> None:
    first, last = _first("x", 2, 8, 5, 5), _last("x", 2, 8, 5, 5)
    pointwise = Image("w", (16, 8, 1, 1), (8, 1, 77, 99))
    assert layouts([first, pointwise])[1] == (8, 1, 1, 1)
    assert layouts([last, pointwise])[1] == (8, 1, 8, 8)
    gray = Image("x", (2, 1, 5, 5), (25, 25, 5, 1))
    assert layouts([gray])[0] == (25, 1, 5, 1)
    padded = Image("x", (2, 8, 5, 5), (400, 1, 80, 16))
    assert layouts([padded])[0] == padded.strides


def test_every_layout_addresses_the_same_elements() -> None:
    for image in (_first("x", 1, 4, 1, 3), _last("x", 3, 1, 2, 2), _first("x", 1, 1, 1, 1)):
        (strides,) = layouts([image])
        spread = [
            sorted(_at(Image("x", image.extents, s), *i) for i in np.ndindex(*image.extents))
            for s in (image.strides, strides)
        ]
        assert spread[0] == spread[1] == list(range(prod(image.extents)))


def test_precision_excludes_engines_by_their_notes() -> None:
    assert "TENSOR_CORE" not in convolution_graph(FORWARD).excluded
    assert "TENSOR_CORE" in convolution_graph(replace(FORWARD, precision="fp32")).excluded
    half = convolution_graph(replace(FORWARD, dtype="f16", result="f16", precision="fp32"))
    assert half.excluded == ("REDUCED_PRECISION_REDUCTION",)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"low": (-1, 0)}, "negative"),
        ({"dtype": "i8"}, "i8"),
        ({"w": _last("w", 6, 2, 3, 2)}, "groups"),
        ({"x": _last("x", 3, 4, 7, 6)}, "batch"),
        ({"x": Image("x", (2, 4, 0, 6), (0, 1, 0, 4))}, "empty"),
        ({"stride": ()}, "0 dimensions"),
    ],
)
def test_refusals_say_why(changes: dict[str, object], why: str) -> None:
    with pytest.raises(Unsupported, match=why):
        convolution_graph(replace(FORWARD, **changes))  # pyright: ignore[reportArgumentType]


def test_a_missing_package_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cudnn", None)
    with pytest.raises(ToolchainError, match="cuDNN's frontend cannot be imported") as error:
        convolution.prepare_convolution(FORWARD, lambda _: 0, None, Handles(0))
    assert "pip install nvidia-cudnn-frontend" in str(error.value.hint)


def test_a_missing_library_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Frontend:
        @staticmethod
        def load_nvidia_dynamic_lib(name: str) -> None:
            raise RuntimeError(name)

        @staticmethod
        def backend_version() -> int:
            raise RuntimeError("Unable to find symbol\ncudnnGetVersion")

    def import_module(_: str) -> type:
        return Frontend

    monkeypatch.setattr(convolution, "import_module", import_module)
    with pytest.raises(ToolchainError, match="cannot be loaded: Unable to find symbol cudnnGet"):
        convolution.load_cudnn()


class SlowGraph(convolution._Graph):
    """Twelve plans, of which the even ones are compiled, in three seconds; every third fails."""

    def __init__(self, *_: object) -> None:
        self.refusal = ""
        self.built: list[int] = []

    _proposed = tuple(range(12))  # pyright: ignore[reportAssignmentType]

    def _built(self, index: int) -> int | None:
        self.built.append(index)
        clock.now += 0.01 if index % 2 else 3.0
        return None if index % 3 == 2 else index

    def _notes(self, index: int) -> list[str] | None:
        return [] if index % 2 else ["RUNTIME_COMPILATION"]

    def record(self, index: int, workspace: int) -> dict[str, object]:
        return {"name": f"eng{index}", "workspace": workspace}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


clock = Clock()


@pytest.mark.parametrize(
    ("limit", "compiling", "found"),
    [
        (24, 100.0, [0, 1, 3, 4, 6, 7, 9, 10]),
        (3, 100.0, [0, 1, 3]),
        (24, 5.0, [0, 1, 3, 7, 9]),  # plans 0 and 2 take the time
    ],
)
def test_a_search_ends_by_count_and_by_time(
    limit: int, compiling: float, found: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolution, "_Graph", SlowGraph)
    monkeypatch.setattr(convolution, "process_time", clock)
    made = convolution.candidates(FORWARD, lambda _: 0, Handles(0), limit, compiling)
    assert [c.algorithm["name"] for c in made] == [f"eng{i}" for i in found]


def test_a_plan_that_does_not_tell_counts_as_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> None:
        return None

    monkeypatch.setattr(SlowGraph, "_notes", silent)
    monkeypatch.setattr(convolution, "_Graph", SlowGraph)
    monkeypatch.setattr(convolution, "process_time", clock)
    made = convolution.candidates(FORWARD, lambda _: 0, Handles(0), 24, 5.0)
    assert [c.algorithm["name"] for c in made] == ["eng0", "eng1"]
