"""Expressions to linalg on tensors.

A definition becomes views if it is a reshape, a `linalg.matmul` or one of its kin if a library
computes it, and a `linalg.generic` otherwise. Operations of one kernel share an `einnet.kernel`
number, and the main one carries the `einnet.label` of what it was derived from. What depends on
weights alone moves into a second function, `@prepare`, that runs once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from mlir import ir
from mlir.dialects import func

from einnet.bridge.attributes import (
    CONSTANT,
    CORRECTION,
    CORRECTION_OF,
    KERNEL,
    LABEL,
    NAME,
    PREPARE,
    WEIGHT,
)
from einnet.bridge.emit_generic import arithmetic_dtype, emit_generic
from einnet.bridge.emit_product import emit_product
from einnet.bridge.opaque import clone_operation, operations_of
from einnet.bridge.reshape import emit_reshape, reshaped_tensor
from einnet.bridge.unroll import materialize
from einnet.errors import InputError, Location
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Opaque, Product, Program, Statement, constants_of


def emit_definition(
    definition: Definition,
    values: Mapping[str, ir.Value],
    kernels: Iterator[int] | None = None,
    *,
    keep_sums: bool = False,
) -> ir.Value:
    """Emit the operations that compute one definition at the current insertion point.

    `values` has the tensors it reads, by name; `kernels` numbers the kernels, from 0 if not given;
    `keep_sums` makes a loop of every sum, however short.
    The result is one of `values` itself where the definition copies a tensor. Raises ValueError
    for a library product that the library cannot read in place (`emit_product`), and for
    arithmetic that the element types do not have.
    """
    if kernels is None:
        kernels = count()
    if isinstance(definition.library, Product):
        value, operations = emit_product(definition, definition.library, values)
        _mark(operations, definition.label, next(kernels))
        return value
    source = reshaped_tensor(definition)
    if source is not None:
        return emit_reshape(values[source.name], definition.result.shape)
    known = dict(values)
    for part in materialize(definition, arithmetic_dtype(definition)):
        value, operations = emit_generic(part, known, keep_sums=keep_sums)
        known[part.result.name] = value
        _mark(operations, part.label, next(kernels))
    return known[definition.result.name]


def _mark(operations: Sequence[ir.OpView], label: str, kernel: int) -> None:
    """Number the operations of one kernel; the last one, which does the work, gets the label.

    Those of a correction are tagged as such.
    """
    corrects = any(part.startswith(CORRECTION_OF) for part in label.split("+"))
    for operation in operations:
        operation.attributes[KERNEL] = _integer(kernel)
        if corrects:
            operation.attributes[CORRECTION] = ir.UnitAttr.get()
    if label:
        operations[-1].attributes[LABEL] = ir.StringAttr.get(label)


def _integer(value: int) -> ir.Attribute:
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)


def emit_program(
    program: Program, context: ir.Context, source: ir.Module | None = None, entry: str = "main"
) -> ir.Module:
    """A module with the program as `@<entry>`, and `@prepare` if parts need weights alone.

    `@<entry>` takes the inputs in order, without the weights that it does not read, and then the
    results of `@prepare`, numbered by `einnet.constant`. `source` is the module, in the same
    context, that the program was lifted from: its function `entry` has the program's inputs as
    arguments. They and the results keep its attributes, opaque statements are copies of its
    operations, and what is beside the function is copied too.

    Raises InputError if `source` has a function `@prepare` of its own.
    """
    emitter = _Emitter(program, _split(program), source, entry)
    with context, ir.Location.unknown():
        module = ir.Module.create()
        if source is not None:
            _copy_surroundings(source, module, entry)
        with ir.InsertionPoint(module.body):
            if emitter.split.constants:
                emitter.prepare()
            emitter.main()
    module.operation.verify()
    return module


@dataclass(frozen=True)
class _Split:
    """What runs once and what runs every time; `constants` goes from the one to the other."""

    once: tuple[Definition, ...]
    always: tuple[Statement, ...]
    constants: tuple[Tensor, ...]

    def reads(self, tensor: Tensor, always: bool) -> bool:
        statements = self.always if always else self.once
        return any(tensor in s.operands for s in statements)


def _split(program: Program) -> _Split:
    known = constants_of(program) if program.weights else frozenset[str]()
    computed = [d for d in program.definitions if d.result.name in known]
    always = tuple(s for s in program.statements if s not in computed)
    needed = {t.name for s in always for t in s.operands} | {t.name for t in program.outputs}
    constants = tuple(d.result for d in computed if d.result.name in needed)
    once: list[Definition] = []
    for definition in reversed(computed):
        if definition.result.name in needed:
            once.append(definition)
            needed.update(t.name for t in definition.operands)
    return _Split(tuple(reversed(once)), always, constants)


class _Emitter:
    """Emits the functions of one program into the module at the current insertion point."""

    def __init__(
        self, program: Program, split: _Split, source: ir.Module | None, entry: str
    ) -> None:
        self.program = program
        self.split = split
        self.entry = entry
        self.function = None if source is None else _function(source, entry)
        self.operations = [] if self.function is None else operations_of(self.function)
        self.kernels = count()

    def prepare(self) -> None:
        weights = [t for t in self.program.inputs if self.split.reads(t, always=False)]
        self._emit(PREPARE, weights, (), self.split.once, self.split.constants)

    def main(self) -> None:
        inputs = [t for t in self.program.inputs if self._is_argument(t)]
        self._emit(
            self.entry, inputs, self.split.constants, self.split.always, self.program.outputs
        )

    def _is_argument(self, tensor: Tensor) -> bool:
        if tensor.name not in self.program.weights or tensor in self.program.outputs:
            return True
        return self.split.reads(tensor, always=True)

    def _emit(
        self,
        name: str,
        inputs: Sequence[Tensor],
        constants: Sequence[Tensor],
        statements: Sequence[Statement],
        outputs: Sequence[Tensor],
    ) -> None:
        arguments = [*inputs, *constants]
        results = [_type(t) for t in outputs]
        if self.function is not None and name == self.entry:
            results = list(self.function.type.results)
        types = [self._input_type(t) for t in inputs] + [_type(t) for t in constants]
        function = func.FuncOp(name, (types, results))
        attributes = [self._attributes(t) for t in inputs]
        attributes += [{CONSTANT: _integer(i)} for i in range(len(constants))]
        function.arg_attrs = [ir.DictAttr.get(a) for a in attributes]
        if name == self.entry:
            function.attributes["res_attrs"] = self._result_attributes()
        with ir.InsertionPoint(function.add_entry_block()):
            values = dict(zip((t.name for t in arguments), function.arguments, strict=True))
            for statement in statements:
                if isinstance(statement, Opaque):
                    self._copy(statement, values)
                else:
                    self._define(statement, values)
            func.ReturnOp([values[t.name] for t in outputs])

    def _define(self, definition: Definition, values: dict[str, ir.Value]) -> None:
        with ir.Location.name(definition.label or definition.result.name):
            value = emit_definition(definition, values, self.kernels)
        values[definition.result.name] = value

    def _copy(self, statement: Opaque, values: dict[str, ir.Value]) -> None:
        if self.function is None or not 0 <= statement.handle < len(self.operations):
            raise ValueError(f"no operation {statement.handle} to copy for {statement.operation}")
        operands = [values[t.name] for t in statement.operands]
        results = clone_operation(self.operations[statement.handle], operands)
        values.update(zip((t.name for t in statement.results), results, strict=True))

    def _input_type(self, tensor: Tensor) -> ir.Type:
        if self.function is None:
            return _type(tensor)
        # The source's inputs need not be tensors; scalars stand among them as tensors too.
        return self.function.type.inputs[self.program.inputs.index(tensor)]

    def _attributes(self, tensor: Tensor) -> dict[str, ir.Attribute]:
        if self.function is None:
            key = WEIGHT if tensor.name in self.program.weights else NAME
            return {key: ir.StringAttr.get(tensor.name)}
        if "arg_attrs" not in self.function.attributes:
            return {}
        place = self.program.inputs.index(tensor)
        given = ir.DictAttr(ir.ArrayAttr(self.function.attributes["arg_attrs"])[place])
        return {a.name: a.attr for a in given}

    def _result_attributes(self) -> ir.ArrayAttr:
        if self.function is not None and "res_attrs" in self.function.attributes:
            return ir.ArrayAttr(self.function.attributes["res_attrs"])
        if self.function is not None:
            return ir.ArrayAttr.get([ir.DictAttr.get({}) for _ in self.program.outputs])
        names = [{NAME: ir.StringAttr.get(t.name)} for t in self.program.outputs]
        return ir.ArrayAttr.get([ir.DictAttr.get(n) for n in names])


def _type(tensor: Tensor) -> ir.Type:
    return ir.RankedTensorType.get(tensor.shape, ir.Type.parse(tensor.dtype))


def _function(module: ir.Module, entry: str) -> func.FuncOp:
    """Raises InputError if the module has no function of that name."""
    for operation in module.body.operations:
        if isinstance(operation, func.FuncOp) and operation.name.value == entry:
            return operation
    raise InputError(
        f"the module has no function @{entry}",
        hint="name the function to optimize",
    )


def _copy_surroundings(source: ir.Module, module: ir.Module, entry: str) -> None:
    """Copy the source's attributes and everything in it but the function `entry`."""
    for attribute in source.operation.attributes:
        module.operation.attributes[attribute.name] = attribute.attr
    for operation in source.body.operations:
        if not isinstance(operation, func.FuncOp):
            operation.operation.clone(ir.InsertionPoint(module.body))
        elif operation.name.value == PREPARE:
            raise InputError(
                f"the module has a function @{PREPARE}, which is where constants are computed",
                location=Location(f"@{PREPARE}"),
                hint="rename it",
            )
        elif operation.name.value != entry:
            operation.operation.clone(ir.InsertionPoint(module.body))
