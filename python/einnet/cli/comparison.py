"""Two modules as programs of the same inputs, and the verdict on each of their outputs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from mlir import ir
from mlir.dialects import func

from einnet.bridge.attributes import NAME, PREPARE, WEIGHT
from einnet.bridge.composition import rename_tensors, unused_name
from einnet.bridge.lift import argument_attributes, lift_composed, weight_name
from einnet.bridge.mutants import take_mutants_as_they_are
from einnet.errors import InputError, Location
from einnet.expr.nodes import Tensor
from einnet.expr.program import Opaque, Program, Statement, names_of, results_of
from einnet.frontend.mlir import weights_beside
from einnet.frontend.model import weight_ports
from einnet.toolchain.mlir import locate, make_context, parse_module
from einnet.verify.cells import cells_of
from einnet.verify.certificate import Certificate
from einnet.verify.cuts import Session
from einnet.verify.equivalence import Equal, Verdict, compare
from einnet.verify.field import Randoms
from einnet.verify.flatten import UndecidedError
from einnet.verify.problem import problem_of
from einnet.verify.regions import Box, boxes_of_cell
from einnet.verify.segment import DEFAULT_BUDGET
from einnet.weights import Array


@dataclass(frozen=True)
class Side:
    """A function of a module as a program.

    `file` is what messages call it, `location` the function's; `named` are the inputs that the
    module gives names to: those of the others say their position only. `data` is that of weights,
    by the inputs' names, where it is known.
    """

    file: str
    location: Location
    program: Program
    named: frozenset[str]
    data: Mapping[str, Array]


@dataclass(frozen=True)
class Compared:
    """The verdict on one output; `tensor` is the reference's."""

    tensor: Tensor
    verdict: Verdict


# Reading ------------------------------------------------------------------------------------


def read_side(
    text: str,
    file: str,
    entry: str | None = None,
    weights: Mapping[str, Array] | None = None,
    beside: str | None = None,
) -> Side:
    """The function @entry of a module, its constants computed by @prepare where it has one.

    Without an entry, @main, or else the only function with a body. `weights` is the data of
    weights, by the module's names, as far as it is known; without it, that of the .safetensors file
    beside the path `beside`. Raises InputError in `file` for what is not MLIR, for no such
    function, for one that cannot be lifted and for two inputs of one name, and for data that lacks
    a weight or does not fit.
    """
    module = parse_module(text, make_context(), file)
    take_mutants_as_they_are(module)
    function = _entry(module, entry, file)
    location = locate(function.location, file)
    name = function.name.value
    try:
        program = lift_composed(module, name)
        if "dense_resource<" in text:
            program = _with_data(program, module)
    except InputError as error:
        raise InputError(error.message, location=location, hint=error.hint) from error
    wanted = weight_ports(function, file)
    if weights is None and beside is not None:
        weights = weights_beside(beside, wanted)
    prepare = [f for f in _functions(module) if f.name.value == PREPARE]
    named = frozenset(n for f in (function, *prepare) for n in _given_names(f))
    given = {weight_name(name): array for name, array in (weights or {}).items()}
    data = {
        t.name: given[t.name] for t in program.inputs if t.name in program.weights & given.keys()
    }
    return Side(file, location, program, named, data)


def _functions(module: ir.Module) -> list[func.FuncOp]:
    found = [op for op in module.body.operations if isinstance(op, func.FuncOp)]
    return [f for f in found if len(f.regions[0].blocks) > 0]


def _entry(module: ir.Module, wanted: str | None, file: str) -> func.FuncOp:
    functions = {f.name.value: f for f in _functions(module)}
    candidates = [name for name in functions if name != PREPARE]
    name = wanted or ("main" if "main" in functions or len(candidates) != 1 else candidates[0])
    if name not in functions:
        shown = ", ".join(f"@{name}" for name in functions) or "none"
        raise InputError(
            f"there is no function @{name} with a body",
            location=Location(file),
            hint=f"functions with a body: {shown}; name one of them: --entry NAME",
        )
    return functions[name]


_RESOURCE = re.compile(r'dense_resource<("(?:[^"\\]|\\.)*"|[^">]*)>')
_DATA = re.compile(r'^ {6}("(?:[^"\\]|\\.)*"|[^"\s:]+): "0x([0-9A-F]*)"', re.MULTILINE)
_ALIGNMENT = 8
"""Digits in front of a resource's data."""


def _with_data(program: Program, module: ir.Module) -> Program:
    """The program with its resources named by their data: another file may have others under the
    same keys. Raises InputError for a resource without data."""
    operations, mark, section = str(module.operation.get_asm()).rpartition("{-#")
    if not mark:
        operations, section = section, ""
    digests = {
        key: hashlib.sha256(data[_ALIGNMENT:].encode()).hexdigest()[:32]
        for key, data in _DATA.findall(section)
    }
    missing = sorted(set(_RESOURCE.findall(operations)) - digests.keys())
    if missing:
        raise InputError(
            f"the module does not hold the data of dense_resource<{missing[0]}>",
            hint="print it with its resources: without --mlir-elide-resource-strings-if-larger and "
            "--mlir-elide-elementsattrs-if-larger",
        )

    def named(statement: Statement) -> Statement:
        if not isinstance(statement, Opaque):
            return statement
        text = _RESOURCE.sub(lambda m: f"dense_resource<{digests[m[1]]}>", statement.operation)
        # Of the functions that an operation calls it has no more than a digest.
        called = f" with {sorted(digests.items())}" if " where @" in text else ""
        return replace(statement, operation=text + called)

    return replace(program, statements=tuple(map(named, program.statements)))


def _given_names(function: func.FuncOp) -> Iterator[str]:
    """The lifter's names for the arguments that have one in the module."""
    for given in argument_attributes(function):
        if WEIGHT in given:
            yield weight_name(ir.StringAttr(given[WEIGHT]).value)
        elif NAME in given:
            yield unused_name(ir.StringAttr(given[NAME]).value, frozenset())


# The same inputs ----------------------------------------------------------------------------


def aligned(reference: Side, candidate: Side) -> tuple[Program, Program]:
    """Both programs over the reference's inputs, in its order.

    Inputs that both modules give one name are the same; the others correspond in order. The
    candidate may lack weights. Raises InputError, at the candidate's function, where the numbers or
    the types of the inputs or of the outputs are not the same.
    """
    ours, theirs = reference.program, candidate.program
    pairs = _pairs(reference, candidate)
    for mine, other in pairs:
        if (mine.shape, mine.dtype) != (other.shape, other.dtype):
            raise _unlike(
                reference, candidate, f"argument {_shown(other)} stands for {_shown(mine)}"
            )
    sides = [[(t.shape, t.dtype) for t in p.outputs] for p in (ours, theirs)]
    if sides[0] != sides[1]:
        shown = [", ".join(map(_type, p.outputs)) or "nothing" for p in (theirs, ours)]
        raise _unlike(reference, candidate, f"it returns {shown[0]}, the other {shown[1]}")
    if not ours.outputs:
        raise InputError(
            "the functions return nothing, so there is nothing to compare",
            location=candidate.location,
            hint="return the tensors that are to be compared",
        )
    # What is a weight changes nothing for a comparison, except that a candidate may lack it.
    taken = {mine.name for mine, _ in pairs}
    lacking = frozenset(t.name for t in ours.inputs if t.name not in taken)
    order = {t.name: n for n, t in enumerate(ours.inputs)}
    names = {other.name: mine for mine, other in sorted(pairs, key=lambda p: order[p[0].name])}
    return replace(ours, weights=lacking), _over(theirs, names)


def _pairs(reference: Side, candidate: Side) -> list[tuple[Tensor, Tensor]]:
    """Which input of the candidate is which of the reference."""
    theirs = {t.name: t for t in candidate.program.inputs}
    both = reference.named & candidate.named & theirs.keys()
    pairs = [(t, theirs[t.name]) for t in reference.program.inputs if t.name in both]
    ours = [t for t in reference.program.inputs if t.name not in both]
    rest = [t for t in candidate.program.inputs if t.name not in both]
    if len(rest) < len(ours):
        ours = [t for t in ours if t.name not in reference.program.weights]
    if len(rest) != len(ours):
        counts = [len(side.program.inputs) for side in (candidate, reference)]
        raise _unlike(reference, candidate, f"it takes {counts[0]} tensors, the other {counts[1]}")
    return [*pairs, *zip(ours, rest, strict=True)]


def _over(program: Program, inputs: Mapping[str, Tensor]) -> Program:
    """The program with its inputs called as the mapping says, in the mapping's order."""
    wanted = {t.name for t in inputs.values()}
    taken = names_of(program) | wanted
    names: dict[str, Tensor] = dict(inputs)
    for tensor in chain.from_iterable(map(results_of, program.statements)):
        if tensor.name in wanted:
            # The other program gives this name to an input.
            names[tensor.name] = replace(tensor, name=unused_name(tensor.name, taken))
            taken.add(names[tensor.name].name)
    return replace(
        program,
        inputs=tuple(inputs.values()),
        statements=tuple(rename_tensors(s, names) for s in program.statements),
        outputs=tuple(names.get(t.name, t) for t in program.outputs),
        weights=frozenset(),
    )


def _unlike(reference: Side, candidate: Side, message: str) -> InputError:
    return InputError(
        f"not a function like @{reference.program.name} of {reference.file}: {message}",
        location=candidate.location,
        hint="arguments that both files name (einnet.name, einnet.weight) are matched by name, the "
        "others by position; their types have to be the same",
    )


def _shown(tensor: Tensor) -> str:
    return f"{tensor.name} of type {_type(tensor)}"


def _type(tensor: Tensor) -> str:
    return "x".join([*map(str, tensor.shape), tensor.dtype])


# Comparing ----------------------------------------------------------------------------------


def compare_outputs(
    reference: Program, candidate: Program, *, seed: int, rounds: int
) -> Certificate | tuple[Compared, ...]:
    """One certificate for all outputs if they are equal, else the verdict on each of them: that
    they differ with the functions themselves, not with arbitrary ones in their places."""
    compared = partial(compare, seed=seed, rounds=rounds, real_functions=True)
    whole = compared(reference, candidate)
    if isinstance(whole, Equal):
        return whole.certificate
    if len(reference.outputs) == 1:
        return (Compared(reference.outputs[0], whole),)
    found: list[Compared] = []
    for ours, theirs in zip(reference.outputs, candidate.outputs, strict=True):
        one = replace(reference, outputs=(ours,)), replace(candidate, outputs=(theirs,))
        found.append(Compared(ours, compared(*one)))
    if all(isinstance(c.verdict, Equal) for c in found):
        # Together they may be out of reach, as where operations without results differ in order.
        return (Compared(reference.outputs[0], whole), *found[1:])
    return tuple(found)


def cells_of_output(
    reference: Program, candidate: Program, number: int
) -> tuple[tuple[Box, ...], ...] | None:
    """The cells on which an output's equality was decided, as boxes; None if they are out of
    reach."""
    names = frozenset(t.name for t in reference.inputs)
    session = Session(Randoms(0, 1), DEFAULT_BUDGET, names, DEFAULT_BUDGET.terms)
    try:
        ours = session.outputs(reference, candidate=False)[number]
        theirs = session.outputs(candidate, candidate=True)[number]
        problem = problem_of(ours, theirs)
        cells = cells_of(problem, DEFAULT_BUDGET.enumerated)
    except UndecidedError:
        return None
    if cells.count > DEFAULT_BUDGET.cells:
        return None
    return tuple(boxes_of_cell(problem, cell) for cell in cells)
