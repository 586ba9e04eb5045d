"""Expressions to linalg on tensors.

A definition becomes views if it is a reshape, a `linalg.matmul` or one of its kin if a library
computes it, a named convolution or a linear `linalg.generic` over padded operands where that pays,
and a `linalg.generic` with guards otherwise. Operations of one kernel share an `einnet.kernel`
number, and the main one carries the `einnet.label` of what it was derived from. What depends on
weights alone moves into a second function, `@prepare`, that runs once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    OPERATOR,
    PREPARE,
    WEIGHT,
    has_symbol,
)
from einnet.bridge.emit_correction import assembly_of, emit_parts
from einnet.bridge.emit_generic import arithmetic_dtype, emit_generic
from einnet.bridge.emit_product import emit_product
from einnet.bridge.emit_structured import emit_sum_of_products, is_structured, pays
from einnet.bridge.emit_windowed import describe, emit_windowed, named
from einnet.bridge.lift import places_of
from einnet.bridge.opaque import clone_operation, operations_of
from einnet.bridge.phases import emit_joined, phases_of
from einnet.bridge.reshape import emit_reshape, reshaped_tensor
from einnet.bridge.slices import emit_sliced, sliced_definition
from einnet.bridge.unroll import from_zero, materialize
from einnet.errors import InputError, Location
from einnet.expr.nodes import Tensor, Term
from einnet.expr.program import (
    Definition,
    Opaque,
    Product,
    Program,
    Statement,
    Windowed,
    constants_of,
)


def emit_definition(
    definition: Definition,
    values: Mapping[str, ir.Value],
    kernels: Iterator[int] | None = None,
    *,
    keep_sums: bool = False,
) -> ir.Value:
    """Emit the operations that compute one definition at the current insertion point.

    `values` has the tensors it reads, by name; `kernels` numbers the kernels, from 0 if not given;
    `keep_sums` makes a loop of every sum, however short, over the operands as they are.
    The result is one of `values` itself where the definition copies a tensor. Raises NotEmittable
    for a library product that the library cannot read in place (`emit_product`), and for
    arithmetic that the element types do not have.
    """
    if kernels is None:
        kernels = count()
    if isinstance(definition.library, Product):
        value, operations = emit_product(definition, definition.library, values)
        _mark(operations, definition.label, next(kernels))
        return value
    if isinstance(definition.library, Windowed):
        plain = None if named(definition) else emit_sum_of_products(definition, values)
        if plain is not None:
            value, views, operations = plain
            operator = describe(definition.scope, definition.library)
            operations[-1].attributes[OPERATOR] = ir.StringAttr.get(operator)
            _tag(views, definition.label)
        else:
            value, operations = emit_windowed(
                definition, definition.library, values, keep_sums=keep_sums
            )
        _mark(operations, definition.label, next(kernels))
        return value
    if _is_correction(definition.label):
        value = _emit_structured(definition, values, kernels, keep_sums)
        if value is not None:
            return value
    source = reshaped_tensor(definition)
    if source is not None:
        return emit_reshape(values[source.name], definition.result.shape)
    known = dict(values)
    accumulator = arithmetic_dtype(definition)
    if keep_sums:
        for part in materialize(definition, accumulator):
            value, operations = emit_generic(part, known, keep_sums=True)
            known[part.result.name] = value
            _mark(operations, part.label, next(kernels))
        return known[definition.result.name]
    for part in materialize(definition, accumulator, apart=is_structured):
        known[part.result.name] = _emit_part(part, known, kernels)
    return known[definition.result.name]


def _emit_part(
    part: Definition, values: Mapping[str, ir.Value], kernels: Iterator[int]
) -> ir.Value:
    """A definition without long nested sums: as its phases, over slices, or as it is."""
    phases = phases_of(from_zero(part.scope))
    if phases is not None:
        result = Tensor(f"{part.result.name}.phases", phases.scope.extents, part.result.dtype)
        value = _emit_part(replace(part, result=result, scope=phases.scope), values, kernels)
        value, views = emit_joined(phases, value, part.result)
        _tag(views, part.label)
        return value
    found = emit_sum_of_products(part, values) if pays(part.scope) else None
    if found is None:
        value, operations = emit_generic(part, values)
    else:
        value, views, operations = found
        _tag(views, part.label)
    _mark(operations, part.label, next(kernels))
    return value


def emit_structured(
    definition: Definition, values: Mapping[str, ir.Value], kernels: Iterator[int]
) -> ir.Value:
    """The same, as slices and named operations where the definition is one of those."""
    value = _emit_structured(definition, values, kernels, keep_sums=True)
    return emit_definition(definition, values, kernels) if value is None else value


def _emit_structured(
    definition: Definition,
    values: Mapping[str, ir.Value],
    kernels: Iterator[int],
    keep_sums: bool,
) -> ir.Value | None:
    """The definition as a slice, a sum of products over slices, or parts put into a tensor; None if
    it is none of these."""
    label = definition.label
    part = sliced_definition(definition)
    if part is not None:
        value, operations = emit_sliced(part, values[part.source.name])
        _tag(operations, label)
        return value
    sum_ = emit_sum_of_products(definition, values)
    if sum_ is not None:
        value, views, operations = sum_
        _tag(views, label)
        _mark(operations, label, next(kernels))
        return value
    assembly = assembly_of(definition.scope)
    if assembly is None:
        return None
    scope = replace(definition.scope, body=(Term((assembly.main,)),))
    names = dict.fromkeys(name.removeprefix(CORRECTION_OF) for name in label.split("+"))
    mutant = replace(definition, scope=scope, label="+".join(names))
    main = emit_definition(mutant, values, kernels, keep_sums=keep_sums)
    value, parts = emit_parts(assembly.parts, main, values)
    for operations in parts:
        _tag(operations, label)
    value.owner.attributes[LABEL] = ir.StringAttr.get(label)
    return value


def _is_correction(label: str) -> bool:
    return any(part.startswith(CORRECTION_OF) for part in label.split("+"))


def _tag(operations: Sequence[ir.OpView], label: str) -> None:
    """Tag the operations of a correction as such."""
    if _is_correction(label):
        for operation in operations:
            operation.attributes[CORRECTION] = ir.UnitAttr.get()


def _mark(operations: Sequence[ir.OpView], label: str, kernel: int) -> None:
    """Number the operations of one kernel; the last one, which does the work, gets the label.

    Those of a correction are tagged as such.
    """
    for operation in operations:
        operation.attributes[KERNEL] = _integer(kernel)
    _tag(operations, label)
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

    Raises InputError if `source` has a symbol `@prepare` of its own.
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


def replace_function(program: Program, module: ir.Module, entry: str) -> func.FuncOp:
    """Put the program in the place of the module's function `entry`, which it was lifted from.

    The new function has the old one's name, attributes and place; @prepare, if parts need weights
    alone, comes before it. Nothing else in the module is touched. The function that was replaced is
    returned, in no module: `restore_function` undoes the replacement.

    Raises InputError if there is a @prepare to be made and the module has one of its own.
    """
    old = function_named(module, entry)
    emitter = _Emitter(program, _split(program), module, entry)
    with module.context, ir.Location.unknown():
        # Made apart, so that nothing is left in the module of what cannot be emitted.
        made = ir.Module.create()
        with ir.InsertionPoint(made.body):
            if emitter.split.constants:
                _refuse_prepare(module)
                emitter.prepare()
            emitter.main()
        for operation in list(made.body.operations):
            operation.operation.move_before(old.operation)
    old.operation.detach_from_parent()
    return old


def restore_function(module: ir.Module, old: func.FuncOp, *, prepared: bool) -> None:
    """Undo `replace_function`; `prepared` says that it made a @prepare."""
    new = function_named(module, old.name.value)
    with ir.InsertionPoint(new):
        ir.InsertionPoint(new).insert(old)
    new.operation.erase()
    if prepared:
        function_named(module, PREPARE).operation.erase()


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
        self.function = None if source is None else function_named(source, entry)
        self.operations = [] if self.function is None else operations_of(self.function)
        self.places = {} if self.function is None else places_of(self.function)
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
        if self.function is not None and name == self.entry:
            # The source's results, too, need not be tensors of a static shape.
            results = list(self.function.type.results)
        else:
            results = [_type(t) for t in outputs]
        types = [self._input_type(t) for t in inputs] + [_type(t) for t in constants]
        location, places = self._locations(name, inputs, len(arguments))
        function = func.FuncOp(name, (types, results), loc=location)
        if self.function is not None and name == self.entry:
            _copy_attributes(self.function, function)
        attributes = [self._attributes(t) for t in inputs]
        attributes += [{CONSTANT: _integer(i)} for i in range(len(constants))]
        function.arg_attrs = [ir.DictAttr.get(a) for a in attributes]
        if name == self.entry:
            function.attributes["res_attrs"] = self._result_attributes()
        with ir.InsertionPoint(function.add_entry_block(places)), location:
            values = dict(zip((t.name for t in arguments), function.arguments, strict=True))
            for statement in statements:
                if isinstance(statement, Opaque):
                    self._copy(statement, values)
                else:
                    self._define(statement, values)
            func.ReturnOp([values[t.name] for t in outputs])

    def _locations(
        self, name: str, inputs: Sequence[Tensor], count: int
    ) -> tuple[ir.Location, list[ir.Location]]:
        """Those of the function and of its arguments, as they are in the source."""
        if self.function is None:
            return ir.Location.unknown(), [ir.Location.unknown()] * count
        location = self.function.location
        arguments = self.function.arguments if name == self.entry else ()
        places = [arguments[self.program.inputs.index(t)].location for t in inputs if arguments]
        return location, places + [location] * (count - len(places))

    def _define(self, definition: Definition, values: dict[str, ir.Value]) -> None:
        label = definition.label or definition.result.name
        # Of several operations fused into one, the first says where it came from.
        place = self.places.get(label.split("+")[0].removesuffix(".initial"))
        with ir.Location.name(label, place):
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


def function_named(module: ir.Module, entry: str) -> func.FuncOp:
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
    _refuse_prepare(source)
    for name in source.operation.attributes:
        module.operation.attributes[name] = source.operation.attributes[name]
    for operation in source.body.operations:
        if not isinstance(operation, func.FuncOp) or operation.name.value != entry:
            operation.operation.clone(ir.InsertionPoint(module.body))


def _refuse_prepare(module: ir.Module) -> None:
    if has_symbol(module, PREPARE):
        raise InputError(
            f"the module has a symbol @{PREPARE}, the function in which constants are computed",
            location=Location(f"@{PREPARE}"),
            hint="rename it",
        )


def _copy_attributes(source: func.FuncOp, function: func.FuncOp) -> None:
    """Copy what the function is beside its signature: visibility, and what others attached."""
    for name in source.operation.attributes:
        if name not in ("sym_name", "function_type", "arg_attrs", "res_attrs"):
            function.operation.attributes[name] = source.operation.attributes[name]
