"""A function on tensors as MLIR for a GPU: kernels in one `gpu.module`, and a host function.

The host function takes the inputs, then the outputs, as dense memrefs, and last an arena of bytes
for what lies between; views at offsets are its temporaries. Kernels are launched in order by
`gpu.launch_func`. Operations tagged `einnet.library` stay calls, of private functions that take
their operands and results where they were placed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlir import ir
from mlir.dialects import func

from einnet.bridge.attributes import LABEL, LIBRARY, text_of
from einnet.bridge.lift import lift_with_refusals
from einnet.bridge.natural import natural
from einnet.codegen.gpu.frame import MODULE, Kernel
from einnet.codegen.gpu.host import BYTES, Buffer
from einnet.codegen.gpu.kernel import build_kernel
from einnet.codegen.gpu.memory import Lifetime, arena
from einnet.codegen.gpu.parts import parts
from einnet.codegen.gpu.placement import Placement, place
from einnet.errors import InputError
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Opaque, Program, Statement, names_of, results_of
from einnet.toolchain.mlir import locate

_CALL = "einnet.call "
"""What the label of an operation that a library computes begins with, while it is lifted."""


@dataclass(frozen=True)
class _Call:
    """A call of the library function `symbol`, which begins with the library's name."""

    symbol: str
    operands: tuple[Tensor, ...]
    result: Tensor


@dataclass(frozen=True)
class _Launch:
    kernel: Kernel
    arguments: tuple[str, ...]


_Step = _Call | _Launch


@dataclass(frozen=True)
class _Host:
    """A function that is lowered: what it takes, does and needs."""

    name: str
    program: Program
    placement: Placement
    steps: tuple[_Step, ...]
    offsets: Mapping[str, int]
    arena: int


def gpu_module(module: ir.Module, filename: str) -> ir.Module:
    """The module, in the same context, with every function that has a body lowered.

    Raises InputError, at the operation, for what no kernel computes.
    """
    # A copy, since operations are labelled; messages need the locations.
    module = ir.Module.parse(str(module.operation.get_asm(enable_debug_info=True)), module.context)
    hosts: list[_Host] = []
    declared: list[str] = []
    for operation in module.body.operations:
        if not isinstance(operation, func.FuncOp) or operation.is_external:
            declared.append(str(operation))
        else:
            hosts.append(_host(operation, filename))
    text = _text(hosts, declared)
    return ir.Module.parse(text, module.context)


def _host(function: func.FuncOp, filename: str) -> _Host:
    program = _program(function, filename)
    taken = names_of(program)
    work: list[Definition | Opaque] = []
    for statement in program.statements:
        work += (statement,) if isinstance(statement, Opaque) else parts(statement, taken)
    definitions = [w for w in work if isinstance(w, Definition)]
    called = [r for w in work if isinstance(w, Opaque) for r in w.results]
    placement = place(definitions, (*program.inputs, *called), program.outputs, {})
    steps: list[_Step] = []
    for item in work:
        if isinstance(item, Opaque):
            steps.append(_Call(item.operation, item.operands, item.results[0]))
        elif item.result.name not in placement.saved:
            buffers = _views(item, placement)
            kernel = build_kernel(item, buffers)
            steps.append(
                _Launch(kernel, tuple(placement.placed[n].buffer for n in kernel.arguments))
            )
    outside = {t.name for t in (*program.inputs, *program.outputs)}
    lifetimes: dict[str, Lifetime] = {}
    for number, step in enumerate(steps):
        for name in _used(step, placement):
            if name not in outside:
                first = lifetimes[name].first if name in lifetimes else number
                lifetimes[name] = Lifetime(placement.buffers[name].bytes, first, number)
    offsets, size = arena(lifetimes)
    return _Host(function.name.value, program, placement, tuple(steps), offsets, size)


def _used(step: _Step, placement: Placement) -> tuple[str, ...]:
    if isinstance(step, _Launch):
        return step.arguments
    return tuple(placement.placed[t.name].buffer for t in (*step.operands, step.result))


def _views(item: Definition, placement: Placement) -> dict[str, Buffer]:
    return {
        t.name: Buffer(t.name, t.shape, placement.placed[t.name].strides, t.dtype, "temporary")
        for t in (*item.operands, item.result)
    }


# Lifting --------------------------------------------------------------------------------------


def _program(function: func.FuncOp, filename: str) -> Program:
    """The function as definitions, in natural form, and opaque statements for library calls."""
    _label_tagged(function, filename)
    operations = [o.operation for o in function.regions[0].blocks[0].operations]
    lifted, refusals = lift_with_refusals(function, filename)
    reasons = {r.handle: r.reason for r in refusals}
    statements: list[Definition] = []
    for statement in lifted.statements:
        if isinstance(statement, Opaque):
            operation = operations[statement.handle]
            raise InputError(
                f"no kernel computes '{operation.name}'",
                location=locate(operation.location, filename),
                hint=reasons.get(statement.handle),
            )
        statements.append(statement)
    program = replace(lifted, statements=_with_calls(statements), weights=frozenset())
    for tensor in (*program.inputs, *(t for s in program.statements for t in results_of(s))):
        if tensor.dtype not in BYTES:
            raise InputError(
                f"no kernel has elements of type {tensor.dtype}, as '{tensor.name}' has",
                location=locate(function.location, filename),
                hint=f"there are: {', '.join(BYTES)}",
            )
    return natural(program)


def _label_tagged(function: func.FuncOp, filename: str) -> None:
    """Let the labels of operations that a library computes say so. Raises InputError for a tag that
    is no text."""
    for number, view in enumerate(function.regions[0].blocks[0].operations):
        operation = view.operation
        tag = text_of(operation.attributes, LIBRARY, locate(operation.location, filename))
        if tag is not None:
            name = operation.name.rpartition(".")[2]
            label = f"{_CALL}{tag}_{name}_{number}"
            with function.context:
                operation.attributes[LABEL] = ir.StringAttr.get(label)


def _with_calls(statements: Sequence[Definition]) -> tuple[Statement, ...]:
    """The definitions that one tagged operation became as one opaque statement."""
    found: list[Statement] = []
    within: dict[str, list[Definition]] = {}
    for definition in statements:
        if definition.label.startswith(_CALL):
            symbol = definition.label.removeprefix(_CALL).removesuffix(".initial")
            within.setdefault(symbol, []).append(definition)
    for definition in statements:
        symbol = definition.label.removeprefix(_CALL).removesuffix(".initial")
        group = within.get(symbol, [])
        if definition not in group:
            found.append(definition)
        elif definition == group[-1]:
            inner = {d.result for d in group[:-1]}
            operands = dict.fromkeys(t for d in group for t in d.operands if t not in inner)
            found.append(Opaque((definition.result,), tuple(operands), symbol, 0))
    return tuple(found)


# Printing -------------------------------------------------------------------------------------


def _text(hosts: Sequence[_Host], declared: Sequence[str]) -> str:
    kernels = {
        step.kernel.symbol: step.kernel
        for host in hosts
        for step in host.steps
        if isinstance(step, _Launch)
    }
    functions = [_function_of(kernel) for kernel in kernels.values()]
    calls = {
        step.symbol: _declaration(step, host)
        for host in hosts
        for step in host.steps
        if isinstance(step, _Call)
    }
    parts_ = [
        f"gpu.module @{MODULE} {{", *functions, "}", *declared, *calls.values(),
        *(_HostText(host).text() for host in hosts),
    ]  # fmt: skip
    return "module attributes {gpu.container_module} {\n" + "\n".join(parts_) + "\n}\n"


def _function_of(kernel: Kernel) -> str:
    """The `gpu.func` in the module of a kernel."""
    return "\n".join(kernel.module.strip().splitlines()[2:-2])


def _declaration(call: _Call, host: _Host) -> str:
    types = ", ".join(_placed_type(t, host.placement) for t in (*call.operands, call.result))
    tag = call.symbol.split("_")[0]
    return f'func.func private @{call.symbol}({types}) attributes {{{LIBRARY} = "{tag}"}}'


def _memref(shape: Sequence[int], dtype: str, layout: str = "") -> str:
    return f"memref<{''.join(f'{n}x' for n in shape)}{dtype}{layout}>"


def _placed_type(tensor: Tensor, placement: Placement) -> str:
    placed = placement.placed[tensor.name]
    strides = ", ".join(map(str, placed.strides))
    layout = f", strided<[{strides}], offset: {placed.offset}>"
    return _memref(tensor.shape, tensor.dtype, layout)


class _HostText:
    """One host function, line by line."""

    def __init__(self, host: _Host) -> None:
        self.host = host
        self.lines: list[str] = []
        self.values = 0
        self.numbers: dict[int, str] = {}
        self.flat: dict[str, tuple[str, str]] = {}

    def text(self) -> str:
        host, program = self.host, self.host.program
        given = [(f"%in{number}", tensor) for number, tensor in enumerate(program.inputs)]
        outputs = [(f"%out{number}", tensor) for number, tensor in enumerate(program.outputs)]
        # An output that is an input too, or that is named before, is copied to at the end.
        sources = {t.name: value for value, t in (*reversed(outputs), *given)}
        for value, tensor in (*given, *outputs):
            if sources[tensor.name] == value:
                self.flat[tensor.name] = self.flattened(value, tensor)
        for name, offset in host.offsets.items():
            self.flat[name] = self.viewed(name, offset)
        for step in host.steps:
            self.launch(step) if isinstance(step, _Launch) else self.call(step)
        for value, tensor in outputs:
            source = sources[tensor.name]
            if source != value:
                type_ = _memref(tensor.shape, tensor.dtype)
                self.lines.append(f"gpu.memcpy {value}, {source} : {type_}, {type_}")
        parameters = [f"{v}: {_memref(t.shape, t.dtype)}" for v, t in (*given, *outputs)]
        parameters.append(f"%arena: memref<{host.arena}xi8>")
        body = "\n".join(self.lines)
        return f"func.func @{host.name}({', '.join(parameters)}) {{\n{body}\nreturn\n}}"

    def line(self, operation: str) -> str:
        """The name of what the operation gives."""
        name = f"%v{self.values}"
        self.values += 1
        self.lines.append(f"{name} = {operation}")
        return name

    def number(self, value: int) -> str:
        if value not in self.numbers:
            self.numbers[value] = self.line(f"arith.constant {value} : index")
        return self.numbers[value]

    def flattened(self, value: str, tensor: Tensor) -> tuple[str, str]:
        """A dense tensor as one dimension, and its type."""
        buffer = self.host.placement.buffers[tensor.name]
        here = _memref(tensor.shape, tensor.dtype)
        flat = _memref((buffer.elements,), tensor.dtype)
        if here == flat:
            return value, flat
        if not tensor.shape:
            made = f"memref.expand_shape {value} [] output_shape [1] : {here} into {flat}"
            return self.line(made), flat
        dimensions = list(range(len(tensor.shape)))
        return self.line(f"memref.collapse_shape {value} [{dimensions}] : {here} into {flat}"), flat

    def viewed(self, name: str, offset: int) -> tuple[str, str]:
        """A temporary, as one dimension of the arena's bytes from the offset on, and its type."""
        buffer = self.host.placement.buffers[name]
        flat = _memref((buffer.elements,), buffer.dtype)
        arena_ = f"memref<{self.host.arena}xi8>"
        view = f"memref.view %arena[{self.number(offset)}][] : {arena_} to {flat}"
        return self.line(view), flat

    def launch(self, step: _Launch) -> None:
        kernel = step.kernel
        sizes = [self.number(n) for n in (*kernel.grid, *kernel.block)]
        grid, block = (", ".join(sizes[n : n + 3]) for n in (0, 3))
        arguments = ", ".join(f"{v} : {t}" for v, t in (self.flat[n] for n in step.arguments))
        self.lines.append(
            f"gpu.launch_func @{MODULE}::@{kernel.symbol} blocks in ({grid}) threads in ({block})"
            f" args({arguments})"
        )

    def call(self, step: _Call) -> None:
        tensors = (*step.operands, step.result)
        types = [_placed_type(t, self.host.placement) for t in tensors]
        values = [self.placed(t, type_) for t, type_ in zip(tensors, types, strict=True)]
        self.lines.append(f"call @{step.symbol}({', '.join(values)}) : ({', '.join(types)}) -> ()")

    def placed(self, tensor: Tensor, type_: str) -> str:
        """The tensor in its buffer, with its strides."""
        placed = self.host.placement.placed[tensor.name]
        value, flat = self.flat[placed.buffer]
        shape, strides = ([*numbers] for numbers in (tensor.shape, placed.strides))
        return self.line(
            f"memref.reinterpret_cast {value} to offset: [{placed.offset}], sizes: {shape},"
            f" strides: {strides} : {flat} to {type_}"
        )
