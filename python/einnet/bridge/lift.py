"""From linalg on tensors to programs: every operation a definition, or opaque with a reason.

Nothing in the module is changed. Values that are not tensors of a static shape (scalars, dynamic
shapes) appear only around opaque operations, as tensors of shape () whose `dtype` is their type.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Set
from dataclasses import replace
from itertools import count

from mlir import ir
from mlir.dialects import func

from einnet.bridge.attributes import (
    LABEL,
    NAME,
    PREPARE,
    WEIGHT,
    constant_number,
    symbol_of,
    text_of,
)
from einnet.bridge.composition import compose_programs, unused_name
from einnet.bridge.generic import indexing_maps, lift_structured
from einnet.bridge.movement import lift_movement
from einnet.bridge.refusal import NotExpressible, Refusal
from einnet.errors import InputError, Location
from einnet.expr.index import var
from einnet.expr.nodes import Body, Read, Scope, Tensor, Term
from einnet.expr.program import Definition, Opaque, Program, Statement, results_of
from einnet.toolchain.mlir import locate

NameOf = Callable[[ir.Value], Tensor]


def lift_module(module: ir.Module) -> dict[str, Program]:
    """The programs of all functions of the module that have a body of one block, by name."""
    return {
        f.name.value: lift_function(f) for f in _functions(module) if len(f.regions[0].blocks) == 1
    }


def lift_function(function: func.FuncOp, filename: str = "<stdin>") -> Program:
    """The function as a program; see `lift_with_refusals`."""
    return lift_with_refusals(function, filename)[0]


def lift_with_refusals(
    function: func.FuncOp, filename: str = "<stdin>"
) -> tuple[Program, tuple[Refusal, ...]]:
    """The function as a program, and why which of its operations stayed opaque.

    The inputs are the arguments in order. The `handle` of an opaque operation is its position
    among the operations of the function's block (those in nested regions are not counted); its
    operands are `used_values`, scalars included, which are opaque statements too. Operations that
    depend on nothing, such as constants and empty tensors, are left out where nothing uses them.
    Raises InputError for a function without a body of one block, and for an argument or a result
    whose name is no string; `filename` stands there for a source without a name.
    """
    return _FunctionLifter(function, filename).lift()


def lift_operation(
    operation: ir.Operation | ir.OpView, name_of: NameOf, label: str | None = None
) -> tuple[Definition, ...] | None:
    """Definitions of the operation's results from the tensors that `name_of` gives its operands.

    None if it is not expressible. An operation that adds a sum to an initial tensor other than 0
    becomes two definitions, the sum under its result's name with `.sum` appended first. The label
    is the operation's `einnet.label` unless one is given.
    """
    operation = operation.operation
    try:
        return _definitions(operation, name_of, label or _label(operation) or _kind(operation))
    except NotExpressible:
        return None


def lift_composed(module: ir.Module, main: str = "main") -> Program:
    """@main with its constants computed by @prepare: one program over inputs and weights.

    Without a @prepare, the program of @main alone. Opaque operations of @prepare have the handle
    `-1 - position`. Raises InputError where @main wants a constant that @prepare does not return.
    """
    functions = {f.name.value: f for f in _functions(module)}
    if main not in functions:
        raise InputError(
            f"the module has no function @{main}",
            hint=f"it has: {', '.join('@' + name for name in functions) or 'none'}",
        )
    program = lift_function(functions[main])
    wanted = _constants_of(functions[main])
    if not wanted:
        return program
    if PREPARE not in functions:
        raise InputError(
            f"@{main} takes constants of @{PREPARE}, which the module lacks",
            location=Location(f"@{main}"),
        )
    prepared = lift_function(functions[PREPARE])
    for number in wanted.values():
        if not 0 <= number < len(prepared.outputs):
            raise InputError(
                f"@{main} takes constant {number}, but @{PREPARE} returns {len(prepared.outputs)}",
                location=Location(f"@{main}"),
            )
    return compose_programs(prepared, program, wanted)


# One operation ------------------------------------------------------------------------------


def _definitions(
    operation: ir.Operation, name_of: NameOf, label: str, taken: Set[str] = frozenset()
) -> tuple[Definition, ...]:
    """The definitions; the tensors that they add to the results get names that are not taken."""
    for value in (*operation.operands, *operation.results):
        if isinstance(value.type, ir.ShapedType) and not _is_static(value.type):
            raise NotExpressible(f"an operand or result of type {value.type}")
    if not operation.results or not all(_is_static(r.type) for r in operation.results):
        raise NotExpressible(f"{operation.name} has no tensor as its result")
    if any(0 in ir.RankedTensorType(r.type).shape for r in operation.results):
        raise NotExpressible("an empty tensor")
    if len(operation.regions) == 1 and indexing_maps(operation):
        definitions: list[Definition] = []
        for value, lifted in zip(
            operation.results, lift_structured(operation, name_of), strict=True
        ):
            result = name_of(value)
            if lifted.initial:
                partial = replace(result, name=unused_name(f"{result.name}.sum", taken))
                definitions.append(Definition(partial, lifted.scope, label))
                body = _plus(lifted.initial, partial, lifted.scope)
                total = Scope(lifted.scope.traversal, (), body)
                definitions.append(Definition(result, total, f"{label}.initial"))
            else:
                definitions.append(Definition(result, lifted.scope, label))
        return tuple(definitions)
    if len(operation.results) != 1:
        raise NotExpressible(f"{operation.name} has several results")
    return (Definition(name_of(operation.results[0]), lift_movement(operation, name_of), label),)


def _plus(initial: Body, partial: Tensor, scope: Scope) -> Body:
    here = tuple(var(i.name) for i in scope.traversal)
    return (*initial, Term((Read(partial, here),)))


def _is_static(type_: ir.Type) -> bool:
    """Whether the type says a static shape and elements and no more: encodings mean anything."""
    ranked = isinstance(type_, ir.RankedTensorType) and type_.has_static_shape
    return ranked and ir.RankedTensorType(type_).encoding is None


def _kind(operation: ir.Operation) -> str:
    """The operation's name without its dialect."""
    return operation.name.split(".", 1)[-1]


def places_of(function: func.FuncOp) -> dict[str, ir.Location]:
    """The locations of the operations of the function's block, by the labels of what they lift to;
    the first one where several have the same."""
    counts: dict[str, int] = {}
    found: dict[str, ir.Location] = {}
    for view in function.regions[0].blocks[0].operations:
        operation = view.operation
        found.setdefault(_numbered_label(operation, counts), operation.location)
    return found


def _numbered_label(operation: ir.Operation, counts: dict[str, int]) -> str:
    """The operation's label, or its kind and its number among those of its kind in `counts`."""
    kind = _kind(operation)
    counts[kind] = counts.get(kind, 0) + 1
    return _label(operation) or f"{kind}.{counts[kind]}"


def _label(operation: ir.Operation) -> str | None:
    """What is no string is no label: only reports call an operation by it."""
    attribute = operation.attributes.get(LABEL)
    return attribute.value if isinstance(attribute, ir.StringAttr) else None


# One function -------------------------------------------------------------------------------


class _FunctionLifter:
    """Names the values of one function and lifts its operations in order."""

    def __init__(self, function: func.FuncOp, filename: str) -> None:
        self.function = function
        self.filename = filename
        if len(function.regions[0].blocks) != 1:
            raise InputError(
                f"@{function.name.value} has {len(function.regions[0].blocks)} blocks, not one",
                location=Location(f"@{function.name.value}"),
                hint="control flow between blocks is outside what einnet optimizes",
            )
        self.block = function.regions[0].blocks[0]
        self.state = ir.AsmState(function)
        self.tensors: dict[ir.Value, Tensor] = {}
        self.taken: set[str] = set()
        self.counts: dict[str, int] = {}
        self.refusals: list[Refusal] = []

    def lift(self) -> tuple[Program, tuple[Refusal, ...]]:
        inputs: list[Tensor] = []
        weights: set[str] = set()
        passed = count()
        attributes = argument_attributes(self.function)
        for argument, given in zip(self.block.arguments, attributes, strict=True):
            here = locate(argument.location, self.filename)
            weight = text_of(given, WEIGHT, here)
            if weight:
                inputs.append(self.name(argument, weight_name(weight)))
                weights.add(inputs[-1].name)
                continue
            # By its place among what callers pass, however many weights are between them.
            place = next(passed)
            inputs.append(self.name(argument, text_of(given, NAME, here) or f"arg{place}"))
        *body, terminator = (view.operation for view in self.block.operations)
        returned = list(terminator.operands)
        for value, given in zip(returned, result_attributes(self.function), strict=True):
            name = text_of(given, NAME, locate(self.function.location, self.filename))
            if name and value not in self.tensors:
                self.name(value, name)
        statements: list[Statement] = []
        for handle, operation in enumerate(body):
            statements.extend(self.statements_of(handle, operation))
        outputs = tuple(self.name_of(value) for value in returned)
        statements = _used(statements, outputs)
        opaque = {s.handle for s in statements if isinstance(s, Opaque)}
        program = Program(
            self.function.name.value,
            tuple(inputs),
            tuple(statements),
            outputs,
            frozenset(weights),
        )
        return program, tuple(r for r in self.refusals if r.handle in opaque)

    def statements_of(self, handle: int, operation: ir.Operation) -> Iterable[Statement]:
        label = _numbered_label(operation, self.counts)
        try:
            definitions = _definitions(operation, self.name_of, label, self.taken)
        except NotExpressible as refusal:
            self.refusals.append(Refusal(label, handle, str(refusal)))
            results = tuple(self.name_of(r) for r in operation.results)
            operands = tuple(self.name_of(v) for v in used_values(operation))
            return (Opaque(results, operands, _text_of(operation), handle),)
        self.taken.update(d.result.name for d in definitions)
        return definitions

    def name_of(self, value: ir.Value) -> Tensor:
        return self.tensors.get(value) or self.name(value, self.ssa_name(value))

    def name(self, value: ir.Value, wanted: str) -> Tensor:
        """The value's tensor, under a new name as near to the wanted one as can be printed."""
        name = unused_name(wanted, self.taken)
        self.taken.add(name)
        type_ = value.type
        if _is_static(type_):
            ranked = ir.RankedTensorType(type_)
            tensor = Tensor(name, tuple(ranked.shape), str(ranked.element_type))
        else:
            tensor = Tensor(name, (), str(type_))
        self.tensors[value] = tensor
        return tensor

    def ssa_name(self, value: ir.Value) -> str:
        name = value.get_name(self.state).lstrip("%")
        return f"v{name}" if name[:1].isdigit() else name


def weight_name(name: str) -> str:
    """The name itself if it can be printed, else followed by a digest of it.

    Weights are bound by their names alone, and functions that are compared may take different ones
    in different orders: two names must not become one, nor depend on what else there is.
    """
    if unused_name(name, frozenset()) == name:
        return name
    return f"{name}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _used(statements: list[Statement], outputs: tuple[Tensor, ...]) -> list[Statement]:
    """The statements without opaque ones that have no operand, and results that nothing uses."""
    needed = {t.name for t in outputs}
    kept: list[Statement] = []
    for statement in reversed(statements):
        pure = isinstance(statement, Opaque) and not statement.may_have_effects
        nullary = pure and not statement.operands
        if nullary and not any(t.name in needed for t in results_of(statement)):
            continue
        kept.append(statement)
        needed.update(t.name for t in statement.operands)
    kept.reverse()
    return kept


def used_values(operation: ir.Operation) -> list[ir.Value]:
    """Operands, then what the operation's regions use from outside it, each once, in pre-order."""
    values = dict.fromkeys(operation.operands)
    defined: set[ir.Value] = set()

    def visit(nested: ir.Operation) -> None:
        for region in nested.regions:
            for block in region.blocks:
                defined.update(block.arguments)
                for view in block.operations:
                    inner = view.operation
                    values.update(dict.fromkeys(v for v in inner.operands if v not in defined))
                    defined.update(inner.results)
                    visit(inner)

    visit(operation)
    return list(values)


_NAMES = re.compile(r'@(?:"[^"]*"|[\w$.-]+)|"(?:[^"\\]|\\.)*"|%[\w$.-]+')
"""Symbols, strings (which may hold anything) and values in the text of an operation."""


def _text_of(operation: ir.Operation) -> str:
    """The operation in generic form, its values numbered, with a digest of the symbols it uses.

    Two operations of one text compute the same results from the same `used_values`.
    """
    text, symbols = _numbered(operation)
    found = {f"@{s}": op for op in _symbol_table(operation) if (s := symbol_of(op)) is not None}
    texts: dict[str, str] = {}
    while symbols:
        symbol = symbols.pop()
        if symbol in found and symbol not in texts:
            texts[symbol], more = _numbered(found[symbol])
            symbols |= more
    if not texts:
        return text
    digest = hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()
    return f"{text} where {', '.join(sorted(texts))} are {digest[:32]}"


def _numbered(operation: ir.Operation) -> tuple[str, set[str]]:
    """The operation's text from its name on, and the symbols that it uses.

    Values, those inside its regions too, have numbers in order of appearance: which value goes
    where is part of the meaning, what it is called is not.
    """
    text = str(operation.get_asm(use_local_scope=True, print_generic_op_form=True))
    _, _, tail = text.partition(f'"{operation.name}"')
    numbers: dict[str, str] = {}
    symbols: set[str] = set()

    def renamed(match: re.Match[str]) -> str:
        name = match.group()
        if name.startswith("%"):
            return numbers.setdefault(name, f"%{len(numbers)}")
        if name.startswith("@"):
            symbols.add(name.replace('"', ""))
        return name

    return operation.name + _NAMES.sub(renamed, tail), symbols


def _symbol_table(operation: ir.Operation) -> Iterable[ir.Operation]:
    """The operations of the module that the operation is in."""
    module = operation
    while module.parent is not None:
        module = module.parent.operation
    return [view.operation for view in module.regions[0].blocks[0].operations]


# Attributes ---------------------------------------------------------------------------------


def _functions(module: ir.Module) -> list[func.FuncOp]:
    return [op for op in module.body.operations if isinstance(op, func.FuncOp)]


def _dictionaries(function: func.FuncOp, key: str, count: int) -> list[ir.DictAttr]:
    if key not in function.attributes:
        return [ir.DictAttr.get({}, context=function.context)] * count
    return [ir.DictAttr(item) for item in ir.ArrayAttr(function.attributes[key])]


def argument_attributes(function: func.FuncOp) -> list[ir.DictAttr]:
    """The attributes of each argument."""
    return _dictionaries(function, "arg_attrs", len(function.type.inputs))


def result_attributes(function: func.FuncOp) -> list[ir.DictAttr]:
    """The attributes of each result."""
    return _dictionaries(function, "res_attrs", len(function.type.results))


def _constants_of(function: func.FuncOp) -> dict[int, int]:
    """Which arguments are results of @prepare: position to number."""
    place = Location(f"@{function.name.value}")
    numbers = (constant_number(given, place) for given in argument_attributes(function))
    return {position: number for position, number in enumerate(numbers) if number is not None}
