"""The executable specification of expressions and programs, checked at every border.

`check_scope` and `check_program` return nothing or raise `MalformedError`, which is our bug, never
the user's: whatever comes from a user is checked by the parser or the bridge first.
"""

from __future__ import annotations

from collections.abc import Mapping

from einnet.expr.functions import FUNCTIONS
from einnet.expr.index import FloorDiv, Index, Var, var
from einnet.expr.nodes import Body, Call, Read, Residue, Scope, Tensor, box_of, tensors_of
from einnet.expr.program import Definition, Product, Program, Window, Windowed, results_of


class MalformedError(Exception):
    """An expression or a program that breaks the rules of the language."""


def check_scope(scope: Scope) -> None:
    """Names unique, ranges non-empty, ranks right, every iterator declared, guards well formed."""
    names: set[str] = set()
    for iterator in scope.traversal + scope.summation:
        if iterator.name in names:
            raise MalformedError(f"iterator {iterator.name} is declared twice in {scope}")
        if iterator.hi <= iterator.lo:
            raise MalformedError(f"iterator {iterator.name} has the empty range of {iterator}")
        names.add(iterator.name)
    _check_body(scope.body, names, scope)


def _check_body(body: Body, names: set[str], scope: Scope) -> None:
    for term in body:
        for guard in term.guards:
            _check_index(guard.index, names, scope)
            if isinstance(guard, Residue) and guard.modulus < 2:
                raise MalformedError(f"residue modulo {guard.modulus} in {scope}")
        for factor in term.factors:
            if isinstance(factor, Call):
                function = FUNCTIONS.get(factor.function)
                if function is None:
                    raise MalformedError(f"unknown function {factor.function} in {scope}")
                if function.arity != len(factor.arguments):
                    raise MalformedError(
                        f"{factor.function} takes {function.arity} arguments: {scope}"
                    )
                for argument in factor.arguments:
                    _check_body(argument, names, scope)
            else:
                _check_read(factor, names, scope)


def _check_read(read: Read, names: set[str], scope: Scope) -> None:
    if len(read.index) != len(box_of(read.source)):
        raise MalformedError(f"a read with {len(read.index)} indices of the wrong rank in {scope}")
    for index in read.index:
        _check_index(index, names, scope)
    if isinstance(read.source, Scope):
        check_scope(read.source)


def _check_index(index: Index, names: set[str], scope: Scope) -> None:
    atoms = [atom for atom, _ in index.terms]
    if atoms != sorted(set(atoms)) or any(c == 0 for _, c in index.terms):
        raise MalformedError(f"the index {index} is not in normal form in {scope}")
    for atom in atoms:
        if isinstance(atom, Var):
            if atom.name not in names:
                raise MalformedError(f"the index {index} uses an undeclared iterator in {scope}")
        else:
            if atom.divisor < 2:
                raise MalformedError(f"division by {atom.divisor} in {scope}")
            _check_index(atom.operand, names, scope)


def check_program(program: Program) -> None:
    """Each tensor defined once and before its uses, boxes equal shapes, products well formed."""
    known: dict[str, Tensor] = {}
    for tensor in program.inputs:
        _define(tensor, known, program)
    for statement in program.statements:
        if isinstance(statement, Definition):
            check_scope(statement.scope)
            for tensor in tensors_of(statement.scope):
                _use(tensor, known, program)
            expected = tuple((0, extent) for extent in statement.result.shape)
            if tuple(tuple(r) for r in statement.scope.box) != expected:
                raise MalformedError(
                    f"{statement.result} is defined over another box: {statement.scope}"
                )
            if isinstance(statement.library, Product):
                _check_product(statement, statement.library)
            elif statement.library is not None:
                _check_windowed(statement, statement.library)
        else:
            for tensor in statement.operands:
                _use(tensor, known, program)
        for tensor in results_of(statement):
            _define(tensor, known, program)
    for tensor in program.outputs:
        _use(tensor, known, program)
    if not program.weights <= {t.name for t in program.inputs}:
        raise MalformedError(f"weights of {program.name} that are no inputs")


def _define(tensor: Tensor, known: dict[str, Tensor], program: Program) -> None:
    if tensor.name in known:
        raise MalformedError(f"{tensor.name} is defined twice in {program.name}")
    known[tensor.name] = tensor


def _use(tensor: Tensor, known: Mapping[str, Tensor], program: Program) -> None:
    if known.get(tensor.name) != tensor:
        raise MalformedError(
            f"{tensor} is used but {known.get(tensor.name)} is defined: {program.name}"
        )


def _check_product(definition: Definition, product: Product) -> None:
    scope = definition.scope
    if len(scope.body) != 1 or len(scope.term.reads) != 2 or scope.term.guards:
        raise MalformedError(f"no product of two reads: {scope}")
    indices = [[e.name for e in read.index] for read in scope.term.reads]
    b, m, n, k = product.batch, product.m, product.n, product.k
    for index, rows in zip(indices, ((b, m, k), (b, n, k)), strict=True):
        if sorted(filter(None, index)) != sorted(sum(rows, ())) or None in index:
            raise MalformedError(f"the operands are not those of {product}: {scope}")
    if tuple(i.name for i in scope.traversal) != b + m + n:
        raise MalformedError(f"the result is not that of {product}: {scope}")
    if {i.name for i in scope.summation} != set(k):
        raise MalformedError(f"the sum is not that of {product}: {scope}")


def _check_windowed(definition: Definition, library: Windowed) -> None:
    scope = definition.scope
    if len(scope.body) != 1 or len(scope.term.reads) != 2:
        raise MalformedError(f"no operator of two reads: {scope}")
    exact = [w for w in library.windows if w.transposed and w.stride > 1]
    if len(scope.term.guards) != len(exact):
        raise MalformedError(f"guards that are not those of {library}: {scope}")
    found: list[Window] = []
    for operand, read in enumerate(scope.term.reads):
        for index in read.index:
            window = next((w for w in library.windows if _is_window(index, operand, w)), None)
            if window is not None:
                found.append(window)
            elif index.name is None:
                raise MalformedError(f"{index} is neither an iterator nor a window: {scope}")
    if sorted(map(str, found)) != sorted(map(str, library.windows)):
        raise MalformedError(f"the windows are not those of {library}: {scope}")
    groups = {*library.batch, *library.m, *library.n, *library.k}
    windowed = {name for w in library.windows for name in (w.x, w.y)}
    if groups & windowed or frozenset(groups | windowed) != scope.names:
        raise MalformedError(f"the iterators are not those of {library}: {scope}")


def _is_window(index: Index, operand: int, window: Window) -> bool:
    if operand != window.operand:
        return False
    x, y = var(window.x), var(window.y)
    if not window.transposed:
        return (index - x * window.stride - y * window.dilation).is_constant
    if window.stride > 1:
        if len(index.terms) != 1:
            return False
        atom, coefficient = index.terms[0]
        if not isinstance(atom, FloorDiv) or (coefficient, atom.divisor) != (1, window.stride):
            return False
        index = atom.operand
    return (index - x + y).is_constant
