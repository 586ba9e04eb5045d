"""Convolutions as the linalg operations that name them.

A definition with windows becomes `linalg.conv_*` or `linalg.depthwise_conv_*` where linalg names a
convolution of its layouts, padded by `tensor.pad`. Others are a `linalg.generic` over the tensors
as they are: transposed convolutions, for which linalg has no name, and layouts without one. All
carry `einnet.library` and `einnet.operator`, the operator in words, such as
`conv_transpose2d(kernel=4x4, stride=2x2, padding=1x1)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

from mlir import ir
from mlir.dialects import linalg, tensor

from einnet.bridge.attributes import LIBRARY, OPERATOR
from einnet.bridge.emit_generic import emit_generic, emit_zeros
from einnet.bridge.scalar import arithmetic_of
from einnet.expr.index import FloorDiv, Index, iterators_of
from einnet.expr.nodes import Read, Scope, Tensor, box_of
from einnet.expr.program import Definition, Window, Windowed

CUDNN = "cudnn"

NAMED: Mapping[str, Callable[..., Any]] = {
    "w_w": linalg.conv_1d,
    "hw_hw": linalg.conv_2d,
    "dhw_dhw": linalg.conv_3d,
    "ncw_fcw": linalg.conv_1d_ncw_fcw,
    "nwc_wcf": linalg.conv_1d_nwc_wcf,
    "nchw_fchw": linalg.conv_2d_nchw_fchw,
    "nhwc_fhwc": linalg.conv_2d_nhwc_fhwc,
    "nhwc_hwcf": linalg.conv_2d_nhwc_hwcf,
    "ngchw_fgchw": linalg.conv_2d_ngchw_fgchw,
    "ngchw_gfchw": linalg.conv_2d_ngchw_gfchw,
    "nhwgc_gfhwc": linalg.conv_2d_nhwgc_gfhwc,
    "ncdhw_fcdhw": linalg.conv_3d_ncdhw_fcdhw,
    "ndhwc_dhwcf": linalg.conv_3d_ndhwc_dhwcf,
    "ngw_gw": linalg.depthwise_conv_1d_ncw_cw,
    "nwg_wg": linalg.depthwise_conv_1d_nwc_wc,
    "nwg_wgf": linalg.depthwise_conv_1d_nwc_wcm,
    "nghw_ghw": linalg.depthwise_conv_2d_nchw_chw,
    "nhwg_hwg": linalg.depthwise_conv_2d_nhwc_hwc,
    "nhwg_hwgf": linalg.depthwise_conv_2d_nhwc_hwcm,
    "ngdhw_gdhw": linalg.depthwise_conv_3d_ncdhw_cdhw,
    "ndhwg_dhwg": linalg.depthwise_conv_3d_ndhwc_dhwc,
    "ndhwg_dhwgf": linalg.depthwise_conv_3d_ndhwc_dhwcm,
}
"""Operations by the dimensions of image and kernel: batch n, group g, channel c, filter f, and the
spatial ones. The result has those of the image, with f for c; f comes last where there is no c."""

UNSTRIDED = frozenset(("w_w", "hw_hw", "dhw_dhw"))
"""Those that have neither strides nor dilations."""

_SPATIAL = "dhw"


@dataclass(frozen=True)
class _Padding:
    """What the operation reads of one dimension of the image: `low` and `high` elements more than
    it has, fewer where they are negative."""

    low: int
    high: int


def emit_windowed(
    definition: Definition,
    library: Windowed,
    values: Mapping[str, ir.Value],
    *,
    keep_sums: bool = False,
) -> tuple[ir.Value, list[ir.OpView]]:
    """The result and the operations that share its kernel, the convolution itself last."""
    dimensions = _dimensions(definition.scope, library)
    operation = None if dimensions is None else NAMED.get(dimensions)
    if operation is None or dimensions is None or not _fits(dimensions, library):
        value, operations = emit_generic(definition, values, keep_sums=keep_sums)
    else:
        value, operations = _emit_named(definition, library, operation, dimensions, values)
    operations[-1].attributes[LIBRARY] = ir.StringAttr.get(CUDNN)
    operations[-1].attributes[OPERATOR] = ir.StringAttr.get(describe(definition.scope, library))
    return value, operations


def named(definition: Definition) -> bool:
    """Whether linalg has a name for the convolution that the definition is."""
    library = definition.library
    if not isinstance(library, Windowed):
        return False
    dimensions = _dimensions(definition.scope, library)
    return dimensions is not None and dimensions in NAMED and _fits(dimensions, library)


def in_named_order(definition: Definition) -> Definition:
    """The convolution with the dimensions of its result as the operation that linalg names for
    its operands has them; itself if there is none."""
    library, scope = definition.library, definition.scope
    if not isinstance(library, Windowed):
        return definition
    operands = _operand_dimensions(scope, library)
    if operands is None or "_".join(operands) not in NAMED:
        return definition
    letters = {**_letters_of(library), **_window_letters(library)[0]}
    names = {letter: name for name, letter in letters.items()}
    order = [names[letter] for letter in result_dimensions(*operands)]
    places = {i.name: i for i in scope.traversal}
    traversal = tuple(places[name] for name in order)
    extents = tuple(i.extent for i in traversal)
    return replace(
        definition,
        result=replace(definition.result, shape=extents),
        scope=replace(scope, traversal=traversal),
    )


def describe(scope: Scope, library: Windowed) -> str:
    """The operator with what distinguishes it from others of its kind: strides and dilations that
    are not 1, padding before the image that is not 0, groups if there are several."""
    ranges = scope.ranges
    windows = library.windows
    image = scope.term.reads[0]
    groups = 1
    for name in library.batch:
        groups *= ranges[name].extent
    paddings = [_low(image, w) for w in windows]
    parts = [f"kernel={_by(ranges[w.y].extent for w in windows)}"]
    if any(w.stride != 1 for w in windows):
        parts.append(f"stride={_by(w.stride for w in windows)}")
    if any(w.dilation != 1 for w in windows):
        parts.append(f"dilation={_by(w.dilation for w in windows)}")
    if any(paddings):
        parts.append(f"padding={_by(paddings)}")
    if groups > 1:
        parts.append(f"groups={groups}")
    return f"{library.operator}({', '.join(parts)})"


def _by(numbers: Any) -> str:
    return "x".join(map(str, numbers))


def _low(image: Read, window: Window) -> int:
    """The padding before the image, as frameworks count it for the operator."""
    index = next(e for e in image.index if window.x in iterators_of(e))
    if window.transposed and window.stride > 1:
        atom, _ = index.terms[0]
        assert isinstance(atom, FloorDiv)
        return atom.operand.const + index.const * window.stride
    return index.const if window.transposed else -index.const


def _dimensions(scope: Scope, library: Windowed) -> str | None:
    """The dimensions of image and kernel, as `NAMED` writes them; None where a dimension is none
    of those or is not read as a whole, and where the result's are not as its operations have them.
    """
    operands = _operand_dimensions(scope, library)
    if operands is None:
        return None
    letters = {**_letters_of(library), **_window_letters(library)[0]}
    result = "".join(letters.get(i.name, "?") for i in scope.traversal)
    return "_".join(operands) if result == result_dimensions(*operands) else None


def _operand_dimensions(scope: Scope, library: Windowed) -> tuple[str, str] | None:
    """Those of image and kernel, whatever the result's are."""
    term = scope.term
    if term.coefficient != 1 or term.guards or any(w.transposed for w in library.windows):
        return None
    if any(len(group) > 1 for group in (library.batch, library.m, library.n, library.k)):
        return None
    if len(library.windows) > len(_SPATIAL):
        return None
    letters = _letters_of(library)
    xs, ys = _window_letters(library)
    image, kernel = (
        _letters(read, {**letters, **windows}, scope)
        for read, windows in zip(term.reads, (xs, ys), strict=True)
    )
    return None if image is None or kernel is None else (image, kernel)


def _letters_of(library: Windowed) -> dict[str, str]:
    """The letter of each iterator that is in no window."""
    return {
        **dict.fromkeys(library.batch, "g"),
        **dict.fromkeys(library.m, "n"),
        **dict.fromkeys(library.n, "f"),
        **dict.fromkeys(library.k, "c"),
    }


def _window_letters(library: Windowed) -> tuple[dict[str, str], dict[str, str]]:
    """The letters of the windows' iterators: those that result and image share, and the taps."""
    spatial = _SPATIAL[-len(library.windows) :]
    xs = {w.x: s for w, s in zip(library.windows, spatial, strict=True)}
    ys = {w.y: s for w, s in zip(library.windows, spatial, strict=True)}
    return xs, ys


def result_dimensions(image: str, kernel: str) -> str:
    """The dimensions of the result of the operation that has these of image and kernel."""
    return image.replace("c", "f") if "c" in image else image + "f" * ("f" in kernel)


def _letters(read: Read, letters: Mapping[str, str], scope: Scope) -> str | None:
    found = ""
    for index, box in zip(read.index, box_of(read.source), strict=True):
        names = [n for n in iterators_of(index) if n in letters]
        if len(names) != 1 or letters[names[0]] in found:
            return None
        name = names[0]
        bare = index.name == name and scope.ranges[name] == box
        if not bare and (len(iterators_of(index)) != 2 or letters[name] not in _SPATIAL):
            return None
        found += letters[name]
    return found


def _fits(dimensions: str, library: Windowed) -> bool:
    plain = all((w.stride, w.dilation) == (1, 1) for w in library.windows)
    return plain or dimensions not in UNSTRIDED


def _emit_named(
    definition: Definition,
    library: Windowed,
    operation: Callable[..., Any],
    dimensions: str,
    values: Mapping[str, ir.Value],
) -> tuple[ir.Value, list[ir.OpView]]:
    scope = definition.scope
    image, kernel = scope.term.reads
    assert isinstance(image.source, Tensor) and isinstance(kernel.source, Tensor)
    padded, operations = _emit_padding(
        values[image.source.name], [_padding(e, n, scope, library) for e, n in _indexed(image)]
    )
    init = emit_zeros(definition.result.shape, ir.Type.parse(definition.result.dtype))
    given: dict[str, Any] = {}
    if dimensions not in UNSTRIDED:
        given["strides"] = [w.stride for w in library.windows]
        given["dilations"] = [w.dilation for w in library.windows]
    out = cast(ir.Value, operation(padded, values[kernel.source.name], outs=[init], **given))
    return out, [*operations, init.owner, out.owner]


def _indexed(read: Read) -> list[tuple[Index, int]]:
    boxes = box_of(read.source)
    return [(e, box.hi) for e, box in zip(read.index, boxes, strict=True)]


def _padding(index: Index, extent: int, scope: Scope, library: Windowed) -> _Padding:
    window = next((w for w in library.windows if w.x in iterators_of(index)), None)
    if window is None:
        return _Padding(0, 0)
    x, y = scope.ranges[window.x].extent, scope.ranges[window.y].extent
    last = (x - 1) * window.stride + (y - 1) * window.dilation + index.const
    return _Padding(-index.const, max(0, last + 1 - extent))


def _emit_padding(value: ir.Value, paddings: list[_Padding]) -> tuple[ir.Value, list[ir.OpView]]:
    """The tensor cropped and padded by zeros, itself where that changes nothing."""
    operations: list[ir.OpView] = []
    type_ = ir.RankedTensorType(value.type)
    cropped = [max(0, -p.low) for p in paddings]
    if any(cropped):
        sizes = [n - c for n, c in zip(type_.shape, cropped, strict=True)]
        type_ = ir.RankedTensorType.get(sizes, type_.element_type)
        strides = [1] * len(sizes)
        value = tensor.extract_slice(type_, value, [], [], [], cropped, sizes, strides)
        operations.append(value.owner)
    low = [max(0, p.low) for p in paddings]
    high = [p.high for p in paddings]
    if any(low) or any(high):
        shape = [n + a + b for n, a, b in zip(type_.shape, low, high, strict=True)]
        zero = arithmetic_of(type_.element_type).constant(Fraction(0))
        pad = tensor.PadOp(
            ir.RankedTensorType.get(shape, type_.element_type), value, [], [], low, high
        )
        block = pad.regions[0].blocks.append(*[ir.IndexType.get()] * len(shape))
        with ir.InsertionPoint(block):
            tensor.YieldOp(zero)
        value = pad.result
        operations.append(pad)
    return value, operations
