"""A program to a host program: what libraries compute, what kernels compute, where everything is.

    pick      products and convolutions become library calls, with bias, residual and activation
              where eOperators follow that are no more; what no library can do stays an expression
    place     strides and buffers; movements become views where everyone accepts them
    generate  a kernel for every expression that is left
    pack      temporaries into one arena, constants one after another

The values of constants are not needed here: `Lowered.prepare` is the program that computes them,
and `store` puts them in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from einnet.codegen.gpu.epilogue import (
    FLOATS,
    LibraryWork,
    Work,
    convolutions_of,
    is_multiplied,
    with_constants,
    work_of,
)
from einnet.codegen.gpu.host import (
    BYTES,
    Buffer,
    HostProgram,
    Image,
    KernelLaunch,
    LibraryCall,
    MatrixProduct,
    Step,
)
from einnet.codegen.gpu.kernel import Kernel, build_kernel, schedules
from einnet.codegen.gpu.matrices import Placed, Unreadable, convolution_call, product_call
from einnet.codegen.gpu.memory import Lifetime, aligned, arena
from einnet.codegen.gpu.parts import parts
from einnet.codegen.gpu.placement import Placement, place
from einnet.codegen.gpu.residuals import residual_image, residual_matrix
from einnet.errors import InputError
from einnet.expr.nodes import Tensor
from einnet.expr.program import (
    Definition,
    Opaque,
    Product,
    Program,
    constants_of,
    names_of,
    without_dead,
)
from einnet.expr.transform import with_tensors

Array = NDArray[Any]

DTYPES: dict[str, Any] = {
    "f64": np.float64,
    "f32": np.float32,
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "i64": np.int64,
    "i32": np.int32,
    "i16": np.int16,
    "i8": np.int8,
}


@dataclass(frozen=True)
class Lowered:
    """A host program whose constants have no values yet, and the kernels that it launches.

    `alternatives` are other schedules of a kernel, by its symbol, for measurement to choose from.
    `refused` says of library operators, by their results' names, why they are kernels too.
    `prepare` computes from the weights, in the model's own precision, the tensors that the
    constants hold, under the names of their buffers.
    """

    host: HostProgram
    kernels: tuple[Kernel, ...]
    alternatives: Mapping[str, tuple[Kernel, ...]]
    prepare: Program
    refused: Mapping[str, str]


Ends = Literal["certain", "likely", "all"]
"""Which eOperators library calls take in, of which only the device tells whether there is an
algorithm and how fast it is. "certain": bias and ReLU after a product, which all have. "likely":
residual and GELU after a product, bias and ReLU after a convolution. "all": residuals after that
too."""

ENDS: tuple[Ends, ...] = ("certain", "likely", "all")


def lower_program(
    program: Program, stored: Program, precision: str, *, ends: Ends = "certain"
) -> Lowered:
    """Lower `stored`, which is `program` in the element types of `precision`.

    Raises InputError for opaque operations, which no GPU kernel computes.
    """
    for statement in program.statements:
        if isinstance(statement, Opaque):
            raise InputError(
                f"the CUDA target cannot compute {statement.operation}",
                hint="--target cpu runs it",
            )
    # cuDNN compiles fused engines of transposed convolutions as they are tried, seconds for each.
    apart = convolutions_of(stored, transposed=None if ends == "certain" else True)
    simple = {
        "certain": frozenset(d.result.name for d in stored.definitions if d.library is not None),
        "likely": convolutions_of(stored),
        "all": frozenset[str](),
    }[ends]
    made = _arranged(stored, dict.fromkeys(apart, 0), simple, precision, {})
    items, placement = made.items, made.placement
    steps, kernels = _steps(items, placement, precision)
    outputs = tuple(placement.placed[t.name].buffer for t in stored.outputs)
    buffers, arena_bytes, constant_bytes = _packed(placement, steps)
    inputs = tuple(t.name for t in stored.inputs if t.name not in stored.weights)
    host = HostProgram(
        program.name, buffers, steps, inputs, outputs,
        arena_bytes, constant_bytes,
    )  # fmt: skip
    first = tuple(choices[0] for choices in kernels.values())
    others = {symbol: choices[1:] for symbol, choices in kernels.items() if choices[1:]}
    return Lowered(
        host, first, others, _preparation(program, made.biases, made.constants), made.refused
    )


@dataclass(frozen=True)
class _Arrangement:
    """What runs and where everything is; `constants` are read or returned, `biases` are constants
    beyond the program's own, `refused` as in `Lowered`."""

    items: tuple[Work, ...]
    placement: Placement
    constants: tuple[str, ...]
    biases: tuple[Definition, ...]
    refused: Mapping[str, str]


def _arranged(
    stored: Program,
    most: Mapping[str, int],
    simple: frozenset[str],
    precision: str,
    refused: Mapping[str, str],
) -> _Arrangement:
    """Place what runs. A library operator that cannot be called where its operands, and its
    epilogue's result and residual, are placed goes without the last eOperator of the epilogue; one
    without an epilogue becomes a kernel."""
    work, biases = work_of(stored, precision, most, simple)
    constants = constants_of(stored)
    supported = [_supported(item) for item in work]
    taken = names_of(stored)
    items: list[Work] = [
        part
        for item in supported
        for part in (parts(item, taken) if isinstance(item, Definition) else (item,))
    ]
    fixed = {
        t.name: t
        for item in items
        for t in item.operands
        if t.name in constants or any(t == b.result for b in biases)
    }
    fixed |= {t.name: t for t in stored.outputs if t.name in constants}
    inputs = [t for t in stored.inputs if t.name not in stored.weights]
    placement = place(items, inputs, stored.outputs, fixed)
    calls = [item for item in items if isinstance(item, LibraryWork)]
    reasons = {c.definition.result.name: _refusal(c, placement, precision) for c in calls}
    shorter = {
        name: c.merged - 1 for c in calls if reasons[name := c.definition.result.name] and c.merged
    }
    if shorter:
        return _arranged(stored, {**most, **shorter}, simple, precision, refused)
    kernels = {name: reason for name, reason in reasons.items() if reason}
    if kernels:
        without = _without_library(stored, frozenset(kernels))
        return _arranged(without, most, simple, precision, {**refused, **kernels})
    return _Arrangement(tuple(items), placement, tuple(fixed), biases, refused)


def _refusal(item: LibraryWork, placement: Placement, precision: str) -> str:
    """Why no library computes the item where its tensors are; "" if one does."""
    try:
        library_call(item, placement.placed, precision)
    except Unreadable as reason:
        return str(reason)
    return ""


def _without_library(program: Program, names: frozenset[str]) -> Program:
    """The program whose results of those names are for kernels."""
    return replace(
        program,
        statements=tuple(
            replace(s, library=None) if isinstance(s, Definition) and s.result.name in names else s
            for s in program.statements
        ),
    )


def store(lowered: Lowered, values: Mapping[str, Array]) -> tuple[HostProgram, dict[str, Array]]:
    """The host program with the keys of its constants, and their contents by key: one-dimensional
    arrays in the order of memory. `values` are the results of `lowered.prepare` by name."""
    contents: dict[str, Array] = {}
    buffers: list[Buffer] = []
    for buffer in lowered.host.buffers:
        if buffer.role == "constant":
            array = memory_image(values[buffer.name], buffer)
            key = hashlib.sha256(buffer.dtype.encode() + array.tobytes()).hexdigest()[:16]
            contents[key] = array
            buffers.append(replace(buffer, content=key))
        else:
            buffers.append(buffer)
    return replace(lowered.host, buffers=tuple(buffers)), contents


def memory_image(array: Array, buffer: Buffer) -> Array:
    """The elements of a tensor as they lie in its buffer, zeros in the gaps."""
    image = np.zeros(buffer.elements, DTYPES[buffer.dtype])
    steps = [s * image.itemsize for s in buffer.strides]
    view = np.lib.stride_tricks.as_strided(image, buffer.shape, steps)
    view[...] = array.reshape(buffer.shape)
    return image


def _supported(item: Work) -> Work:
    """The item, as an expression for a kernel of ours where no library has its element types."""
    if isinstance(item, Definition) or is_multiplied(item.definition):
        return item
    return replace(item.definition, library=None)


def _steps(
    items: Sequence[Work], placement: Placement, precision: str
) -> tuple[tuple[Step, ...], dict[str, tuple[Kernel, ...]]]:
    """The steps, and the kernels in each of their schedules by the symbol of the first."""
    steps: list[Step] = []
    kernels: dict[str, tuple[Kernel, ...]] = {}
    for item in items:
        if item.result.name in placement.saved:
            continue
        if isinstance(item, LibraryWork):
            steps.append(library_call(item, placement.placed, precision))
            continue
        views = _views(item, placement)
        choices = _choices(item, tuple(views.values()))
        kernel = choices[0]
        kernels[kernel.symbol] = choices
        arguments = tuple(placement.placed[n].buffer for n in kernel.arguments)
        steps.append(
            KernelLaunch(
                kernel.symbol, kernel.grid, kernel.block, kernel.shared, arguments,
                label=item.label,
            )
        )  # fmt: skip
    return tuple(steps), kernels


@lru_cache(maxsize=1 << 12)
def _choices(definition: Definition, views: tuple[Buffer, ...]) -> tuple[Kernel, ...]:
    """The kernel in each schedule worth measuring; variants of a program share most kernels."""
    buffers = {b.name: b for b in views}
    return tuple(build_kernel(definition, buffers, s) for s in schedules(definition, buffers))


def library_call(item: LibraryWork, placed: Mapping[str, Placed], precision: str) -> LibraryCall:
    """The call. Raises Unreadable where no library reads the operands, or writes the result, as
    they are placed."""
    definition = item.written
    sources = [placed[t.name] for t in _read(definition)]
    where = (sources[0], sources[1], placed[item.result.name])
    types = (definition.operands[0].dtype, item.result.dtype)
    bias = "" if item.bias is None else placed[item.bias.name].buffer
    library = definition.library
    if isinstance(library, Product):
        product = product_call(definition, library, where, types, precision)
        return _with_end(product, item, placed, bias)
    assert library is not None
    convolution = convolution_call(definition, library, where, types, precision)
    if item.merged and not _in_one_layout(convolution.x, convolution.y):
        raise Unreadable("fused engines have one layout for x and y")
    z = residual_image(item, placed, convolution.y)
    assert item.activation != "gelu", "no convolution ends in GELU"
    return replace(convolution, z=z, bias=bias, activation=item.activation)


def _in_one_layout(x: Image, y: Image) -> bool:
    """Whether both images have their channels last, or neither has; one pixel or one channel fits
    any layout."""
    last = {
        image.strides[1] < min(steps)
        for image in (x, y)
        if image.extents[1] > 1
        and (
            steps := [s for s, n in zip(image.strides[2:], image.extents[2:], strict=True) if n > 1]
        )
    }
    return len(last) < 2


def _with_end(
    call: MatrixProduct, item: LibraryWork, placed: Mapping[str, Placed], bias: str
) -> MatrixProduct:
    """The product with its epilogue. Raises Unreadable if cuBLASLt has none in these orders."""
    if bias and call.d.transposed:
        raise Unreadable("a bias is along the contiguous dimension of the result")
    alpha = call.alpha * float(item.alpha)
    call = replace(call, alpha=alpha, bias=bias, activation=item.activation)
    if item.residual is None:
        return call
    c = residual_matrix(item, placed[item.residual.tensor.name])
    if c.transposed != call.d.transposed:
        raise Unreadable("c is stored in the order of the result")
    return replace(call, c=c, beta=float(item.residual.scale))


def _read(definition: Definition) -> list[Tensor]:
    return [r.source for r in definition.scope.term.reads if isinstance(r.source, Tensor)]


def _views(item: Definition, placement: Placement) -> dict[str, Buffer]:
    """The tensors of a kernel as buffers with the strides at which it finds them."""
    views: dict[str, Buffer] = {}
    for tensor in (*item.operands, item.result):
        placed = placement.placed[tensor.name]
        role = placement.buffers[placed.buffer].role
        views[tensor.name] = Buffer(tensor.name, tensor.shape, placed.strides, tensor.dtype, role)
    return views


def _packed(placement: Placement, steps: Sequence[Step]) -> tuple[tuple[Buffer, ...], int, int]:
    """The buffers at their offsets, the bytes of the arena and of the constants."""
    lifetimes: dict[str, Lifetime] = {}
    for number, step in enumerate(steps):
        for name in step.arguments:
            buffer = placement.buffers[name]
            first = lifetimes[name].first if name in lifetimes else number
            if buffer.role == "temporary":
                lifetimes[name] = Lifetime(buffer.bytes, first, number)
    offsets, arena_bytes = arena(lifetimes)
    buffers: list[Buffer] = []
    reached = 0
    for buffer in placement.buffers.values():
        if buffer.role == "constant":
            buffers.append(replace(buffer, offset=reached))
            reached += aligned(buffer.bytes)
        elif buffer.role != "temporary" or buffer.name in offsets:
            buffers.append(replace(buffer, offset=offsets.get(buffer.name, 0)))
    return tuple(buffers), arena_bytes, reached


def _retyped(bias: Definition, tensors: Mapping[str, Tensor]) -> Definition:
    """The definition in the types of the tensors that it reads."""
    read = [tensors[t.name] for t in bias.operands]
    floats = [t.dtype for t in read if t.dtype in FLOATS]
    dtype = max(floats, key=BYTES.__getitem__, default=bias.result.dtype)
    scope = with_tensors(bias.scope, {t.name: t for t in read})
    return replace(bias, result=replace(bias.result, dtype=dtype), scope=scope)


def _preparation(
    program: Program, biases: tuple[Definition, ...], names: tuple[str, ...]
) -> Program:
    """The program that computes constants from weights, all in the model's own types; `biases` are
    in those of a precision."""
    own = {t.name: t for t in program.inputs}
    own |= {d.result.name: d.result for d in program.definitions}
    whole = with_constants(program, tuple(_retyped(b, own) for b in biases))
    known = constants_of(whole)
    tensors = {t.name: t for t in whole.inputs}
    tensors |= {d.result.name: d.result for d in whole.definitions}
    return without_dead(
        Program(
            "prepare",
            tuple(t for t in whole.inputs if t.name in whole.weights),
            tuple(d for d in whole.definitions if d.result.name in known),
            tuple(tensors[n] for n in names),
        )
    )
