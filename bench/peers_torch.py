"""PyTorch as a peer: eager in both memory formats, and compiled with every tuning it offers.

All run from CUDA graphs, with cuDNN's benchmark mode on, hence with the fastest algorithm that
cuDNN's own measurement finds. `torch.compile` runs in mode "max-autotune-no-cudagraphs": the
kernels of "max-autotune", in our graphs instead of its own.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from collections.abc import Generator as Generating
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.cases import Case, Layout, reference
from bench.generators import Generator
from einnet.runtime.cuda.timing import RUNS
from einnet.runtime.cuda.timing import Contender as Replays

WARM_UP = 3
"""Calls before a capture."""


class TimeUp(BaseException):
    """The time limit is over. No `Exception`: a compiler that tries many things must not go on."""


@contextmanager
def time_limit(seconds: float) -> Generating[None, None, None]:
    """Raise `TimeUp` in the body after so many seconds, and every second until it ends.

    For the main thread. Code that never returns to Python is not reached: whoever waits for this
    process has to end it then.
    """

    def over(_number: int, _frame: object) -> None:
        raise TimeUp

    previous = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)


def set_precision(precision: str) -> None:
    """Allow tf32 for f32 operands if that is the precision, and forbid it otherwise."""
    import torch  # pyright: ignore[reportMissingImports]

    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"


def to_torch(array: NDArray[Any], device: str) -> Any:
    """A tensor of the array's element type (bfloat16 included) on the device."""
    import torch  # pyright: ignore[reportMissingImports]

    if array.dtype.name == "bfloat16":
        bits = torch.from_numpy(np.ascontiguousarray(array).view(np.int16))
        return bits.view(torch.bfloat16).to(device)
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


class TorchContender:
    """A PyTorch function without arguments, on tensors that stay where they are.

    `axes` permute its result into the layout that is compared.
    """

    def __init__(self, name: str, function: Callable[[], Any], axes: tuple[int, ...]) -> None:
        self.name = name
        self.function = function
        self.axes = axes
        self._captured: _Captured | None = None

    def capture(self, stream: int) -> Replays:
        import torch  # pyright: ignore[reportMissingImports]

        torch.cuda.synchronize()  # operands were made on another stream
        own, outer = torch.cuda.Stream(), torch.cuda.ExternalStream(stream)
        with torch.no_grad(), torch.cuda.stream(own):
            for _ in range(WARM_UP):
                self.function()
        own.synchronize()
        many, once = (_capture(self.function, runs, own) for runs in (RUNS, 1))
        self._captured = many
        return Replays(lambda: many.replay(outer), lambda: once.replay(outer))

    def output(self) -> NDArray[Any]:
        """What the graph writes into a result that held nothing before. Raises ValueError if
        nothing was captured."""
        import torch  # pyright: ignore[reportMissingImports]

        if self._captured is None:
            raise ValueError(f"{self.name} has no output before it is captured")
        result = self._captured.result
        result.fill_(float("nan"))
        self._captured.replay(torch.cuda.current_stream())
        torch.cuda.synchronize()
        return result.permute(self.axes).double().cpu().numpy()


@dataclass(frozen=True)
class _Captured:
    """A CUDA graph and the tensor that its last call writes."""

    graph: Any
    result: Any

    def replay(self, stream: Any) -> None:
        import torch  # pyright: ignore[reportMissingImports]

        with torch.cuda.stream(stream):
            self.graph.replay()


def _capture(function: Callable[[], Any], runs: int, stream: Any) -> _Captured:
    import torch  # pyright: ignore[reportMissingImports]

    graph, result = torch.cuda.CUDAGraph(), None
    with torch.no_grad(), torch.cuda.graph(graph, stream=stream):
        for _ in range(runs):
            result = function()
    return _Captured(graph, result)


NHWC_OF_NCHW = (0, 2, 3, 1)
AS_IT_IS = (0, 1, 2, 3)


def operator_function(
    case: Case,
    x: NDArray[Any],
    w: NDArray[Any],
    layout: Layout,
    device: str,
    *,
    compiled: bool = False,
) -> Callable[[], Any]:
    """The library operator on tensors in a memory format, made from x (n, c, h, w) and w."""
    module = operator_module(case)
    if compiled:
        module = compile_function(module)
    image, weight = (_formatted(to_torch(a, device), layout) for a in (x, w))
    return lambda: module(image, weight)


def operator_module(case: Case) -> Callable[[Any, Any], Any]:
    """The library operator as a function of input and weight."""
    from torch.nn import functional  # pyright: ignore[reportMissingImports]

    # Functions and no partial objects: what a compiler of Python code is made for.
    def transposed(x: Any, w: Any) -> Any:
        return functional.conv_transpose2d(
            x,
            w,
            stride=case.stride,
            padding=case.padding,
            output_padding=case.output_padding,
            dilation=case.dilation,
        )

    def forward(x: Any, w: Any) -> Any:
        return functional.conv2d(
            x, w, stride=case.stride, padding=case.padding, dilation=case.dilation
        )

    return transposed if case.transposed else forward


def _formatted(tensor: Any, layout: Layout) -> Any:
    import torch  # pyright: ignore[reportMissingImports]

    wanted = torch.contiguous_format if layout == "nchw" else torch.channels_last
    return tensor.contiguous(memory_format=wanted)


def generator_module(generator: Generator) -> Any:
    """The generator as a `torch.nn.Module` in f32 on the CPU, for inference."""
    import torch  # pyright: ignore[reportMissingImports]
    from torch import nn  # pyright: ignore[reportMissingImports]

    modules: list[Any] = []
    for layer in generator.layers:
        c, f, *kernel = layer.weight.shape
        convolution = nn.ConvTranspose2d(
            c, f, tuple(kernel), layer.stride, layer.padding, bias=False
        )
        state = {"weight": torch.from_numpy(layer.weight.copy())}
        convolution.load_state_dict(state)
        modules.append(convolution)
        if layer.norm is not None:
            norm = nn.BatchNorm2d(f, eps=layer.norm.epsilon)
            values = {
                "weight": layer.norm.scale,
                "bias": layer.norm.bias,
                "running_mean": layer.norm.mean,
                "running_var": layer.norm.var,
            }
            state = {name: torch.from_numpy(v.copy()) for name, v in values.items()}
            norm.load_state_dict(state, strict=False)
            modules.append(norm)
        modules.append(nn.ReLU() if layer.activation == "relu" else nn.Tanh())
    return nn.Sequential(*modules).eval().requires_grad_(False)


def model_function(
    generator: Generator, latent: NDArray[Any], layout: Layout, device: str, *, compiled: bool
) -> Callable[[], Any]:
    """The generator on a latent in the element type of the latent, in a memory format."""
    import torch  # pyright: ignore[reportMissingImports]

    image = _formatted(to_torch(latent, device), layout)
    wanted = torch.contiguous_format if layout == "nchw" else torch.channels_last
    module = generator_module(generator).to(device, image.dtype).to(memory_format=wanted)
    called = compile_function(module) if compiled else module
    return lambda: called(image)


def compile_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as `torch.compile` tunes it; compiled at its first call."""
    import torch  # pyright: ignore[reportMissingImports]

    torch._dynamo.reset()
    return torch.compile(function, mode="max-autotune-no-cudagraphs", fullgraph=True, dynamic=False)


def warm(contender: TorchContender) -> TorchContender:
    """The contender, whose function has been called: cuDNN measures its algorithms in the first
    call, and PyTorch keeps the choice for whatever asks later.

    An eager convolution must therefore come before a compiled one of the same shape: what is
    chosen in the midst of a compilation can take half as long again.
    """
    import torch  # pyright: ignore[reportMissingImports]

    with torch.no_grad():
        contender.function()
        torch.cuda.synchronize()
    return contender


@dataclass(frozen=True)
class Compiled:
    """A compiled contender, None if it was not done in time; seconds that compiling took."""

    contender: TorchContender | None
    seconds: float


def compile_within(contender: TorchContender, limit: float) -> Compiled:
    """Call the contender's function for the first time, so that it is compiled, within a limit."""
    import torch  # pyright: ignore[reportMissingImports]

    begin = time.perf_counter()
    try:
        with time_limit(limit), torch.no_grad():
            contender.function()
            torch.cuda.synchronize()
    except TimeUp:
        return Compiled(None, time.perf_counter() - begin)
    return Compiled(contender, time.perf_counter() - begin)


def float64_reference(case: Case, x: NDArray[Any], w: NDArray[Any]) -> NDArray[np.float64]:
    """`cases.reference` on the device, (n, height, width, f) from x (n, c, h, w)."""
    import torch  # pyright: ignore[reportMissingImports]

    def zeros(shape: tuple[int, ...]) -> Any:
        return torch.zeros(shape, dtype=torch.float64, device="cuda")

    image = to_torch(x, "cuda").double().permute(NHWC_OF_NCHW).contiguous()
    return reference(case, image, to_torch(w, "cuda").double(), zeros).cpu().numpy()
