"""Programs: tensors defined one after another by expressions, with opaque operations between.

The same type describes the imported function, a plan for one of its subprograms, and the
optimized function: a plan is a program whose statements say which of them a library computes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from einnet.expr.nodes import Factor, Read, Scope, Tensor, Term, fresh_name, tensors_of


@dataclass(frozen=True)
class Product:
    """A definition that is one (batched) matrix product of two reads.

    `out[batch, m, n] = S<k> a[batch, m, k] * b[batch, k, n]`, each letter a group of iterators of
    the scope, in the order in which the operands and the result hold them. The definition's body
    is one term of two factors, a first; every index is a bare iterator.
    """

    batch: tuple[str, ...]
    m: tuple[str, ...]
    n: tuple[str, ...]
    k: tuple[str, ...]


@dataclass(frozen=True)
class Window:
    """A dimension that two iterators share: operand `operand` (0 or 1) is read there at
    `stride*x + dilation*y` plus a constant, or, transposed, at `(x - y + c) div stride` plus a
    constant, guarded so that the division is exact."""

    operand: int
    x: str
    y: str
    stride: int = 1
    dilation: int = 1
    transposed: bool = False


@dataclass(frozen=True)
class Windowed:
    """A definition that is one library operator with windows: a convolution, a banded product.

    As `Product`, but one or more dimensions of the operands are windows, whose iterators are in
    none of the groups; those of the result stand between m and n.
    """

    operator: str
    batch: tuple[str, ...]
    m: tuple[str, ...]
    n: tuple[str, ...]
    k: tuple[str, ...]
    windows: tuple[Window, ...]


Library = Product | Windowed


@dataclass(frozen=True)
class Definition:
    """`result = scope`. The scope's traversal box starts at 0 and has the result's shape.

    `label` names the operation it came from (attribute `einnet.label`, or the operation's name);
    `library` says how a library computes it, None for an eOperator.
    """

    result: Tensor
    scope: Scope
    label: str = ""
    library: Library | None = None

    @property
    def operands(self) -> tuple[Tensor, ...]:
        return tensors_of(self.scope)


_PURE = ("arith.", "complex.", "index.", "linalg.", "math.", "shape.", "tensor.", "ub.poison")
"""How the names of operations begin that do nothing but compute their results."""


@dataclass(frozen=True)
class Opaque:
    """An operation that the expression language does not describe.

    `operation` identifies it (its name and attributes as text): equal operations on equal
    operands have equal results. `handle` finds the operation in the module it was lifted from.
    """

    results: tuple[Tensor, ...]
    operands: tuple[Tensor, ...]
    operation: str
    handle: int

    @property
    def may_have_effects(self) -> bool:
        """Whether the operation might do more than compute its results: it then stays where no
        result is used, and in its order among others of its kind."""
        return not self.results or not self.operation.startswith(_PURE)


Statement = Definition | Opaque


@dataclass(frozen=True)
class Program:
    """A function on tensors: inputs, statements in order of evaluation, outputs.

    `weights` are the inputs that hold constants of the model; what is computed from them alone is
    computed at compile time. Every tensor has one definition, before its uses.
    """

    name: str
    inputs: tuple[Tensor, ...]
    statements: tuple[Statement, ...]
    outputs: tuple[Tensor, ...]
    weights: frozenset[str] = frozenset()

    @property
    def definitions(self) -> tuple[Definition, ...]:
        return tuple(s for s in self.statements if isinstance(s, Definition))

    def definition_of(self, name: str) -> Definition | None:
        """The definition of the tensor `name`; None for an input or an opaque result."""
        for statement in self.statements:
            if isinstance(statement, Definition) and statement.result.name == name:
                return statement
        return None


def results_of(statement: Statement) -> tuple[Tensor, ...]:
    return statement.results if isinstance(statement, Opaque) else (statement.result,)


def constants_of(program: Program) -> frozenset[str]:
    """The names of all tensors that depend on weights alone, the weights included."""
    known = set(program.weights)
    for statement in program.statements:
        if isinstance(statement, Definition) and all(t.name in known for t in statement.operands):
            known.add(statement.result.name)
    return frozenset(known)


def uses_of(program: Program) -> Mapping[str, int]:
    """How many statements and outputs use each tensor."""
    count: dict[str, int] = {}
    for statement in program.statements:
        for tensor in statement.operands:
            count[tensor.name] = count.get(tensor.name, 0) + 1
    for tensor in program.outputs:
        count[tensor.name] = count.get(tensor.name, 0) + 1
    return count


def without_dead(program: Program) -> Program:
    """The program without statements that no output depends on and that have no effect."""
    needed = {t.name for t in program.outputs}
    kept: list[Statement] = []
    for statement in reversed(program.statements):
        effect = isinstance(statement, Opaque) and statement.may_have_effects
        if effect or any(t.name in needed for t in results_of(statement)):
            kept.append(statement)
            needed.update(t.name for t in statement.operands)
    return replace(program, statements=tuple(reversed(kept)))


def define_nested(definition: Definition, taken: set[str]) -> tuple[Definition, ...]:
    """The definition with each nested scope that one of its terms reads as one of its own, first.

    The nested scopes' ranges start at 0. New names are not in `taken`, and are added to it.
    """
    inner: list[Definition] = []
    body: list[Term] = []
    for term in definition.scope.body:
        factors: list[Factor] = []
        for factor in term.factors:
            if isinstance(factor, Read) and isinstance(factor.source, Scope):
                name = fresh_name(f"{definition.result.name}_part", taken)
                taken.add(name)
                source = factor.source
                tensor = Tensor(name, source.extents, definition.result.dtype)
                nested = Definition(tensor, source, definition.label)
                inner += define_nested(nested, taken)
                factor = Read(tensor, factor.index)
            factors.append(factor)
        body.append(replace(term, factors=tuple(factors)))
    return (*inner, replace(definition, scope=replace(definition.scope, body=tuple(body))))


def names_of(program: Program) -> set[str]:
    """Every tensor name in the program."""
    names = {t.name for t in program.inputs}
    for statement in program.statements:
        names.update(t.name for t in results_of(statement))
    return names


def splice(program: Program, replacements: Mapping[str, Iterable[Statement]]) -> Program:
    """Replace the definitions of some tensors by sequences of statements that define them."""
    statements: list[Statement] = []
    for statement in program.statements:
        if isinstance(statement, Definition) and statement.result.name in replacements:
            statements.extend(replacements[statement.result.name])
        else:
            statements.append(statement)
    return replace(program, statements=tuple(statements))
