"""`einnet-substitute`: new iterators in the place of an operation's loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from einnet.errors import InputError
from einnet.expr.index import Index, Range, bounds, substitute
from einnet.expr.nodes import Scope
from einnet.expr.text import parse_index
from einnet.passes.labelled import Labelled
from einnet.passes.module_pass import Example
from einnet.passes.rule_pass import RulePass
from einnet.rules.rewrite import NotApplicable
from einnet.rules.variable_substitution import (
    merge,
    permute,
    reflect,
    shift,
    solve,
    split,
    substitute_iterators,
)

_EXAMPLE = Example(
    """
func.func @f(%x: tensor<34xf32>, %w: tensor<3xf32>) -> tensor<32x3xf32> {
  %empty = tensor.empty() : tensor<32x3xf32>
  %p = linalg.generic {
      indexing_maps = [affine_map<(h, r) -> (h + r)>, affine_map<(h, r) -> (r)>,
                       affine_map<(h, r) -> (h, r)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%x, %w : tensor<34xf32>, tensor<3xf32>) outs(%empty : tensor<32x3xf32>)
      attrs = {einnet.label = "p"} {
  ^bb0(%a: f32, %k: f32, %old: f32):
    %ak = arith.mulf %a, %k : f32
    linalg.yield %ak : f32
  } -> tensor<32x3xf32>
  return %p : tensor<32x3xf32>
}
""",
    "label=p with=t=d0+d1",
)

_SYNTAX = {f"d{n}": Range(0, 1 << 20) for n in range(64)}
"""Ranges in which an index is read to see whether it is one."""


@dataclass(frozen=True, kw_only=True)
class Substitute(RulePass):
    """Loops are replaced by new ones, in bijection with them. For reduction loops the operation
    stays one; for parallel ones, an operation labelled `LABEL.inner` has the new loops, and the
    operation itself reads its result at the old ones: in the example the product is computed for
    every element of `x` and every weight, and then read along diagonals.

    One or more substitutions are given by `with`, which is general but linear, or one by a name.
    Parallel and reduction loops are not substituted together; a parallel loop is not replaced by an
    index that a reduction loop is part of. The pass refuses what cannot be inverted.
    """

    NAME: ClassVar[str] = "einnet-substitute"
    SUMMARY: ClassVar[str] = "Replace loops by new iterators that are functions of the old ones"
    EXAMPLE: ClassVar[Example] = _EXAMPLE

    with_: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "new iterators over the old ones, such as t1=d0+d3; each takes the place of "
            "the first loop in it that can be solved for"
        },
    )
    split: str = field(
        default="", metadata={"help": "a loop and a factor, such as d0:4, for quotient and rest"}
    )
    merge: str = field(default="", metadata={"help": "two loops that become one, such as d0:d1"})
    reflect: str = field(default="", metadata={"help": "a loop that runs backwards, such as d2"})
    shift: str = field(default="", metadata={"help": "a loop and an offset, such as d2:1"})
    permute: tuple[str, ...] = field(
        default=(), metadata={"help": "all parallel loops in their new order, such as d1,d0"}
    )

    def __post_init__(self) -> None:
        kinds = ("with", "split", "merge", "reflect", "shift", "permute")
        given = (self.with_, self.split, self.merge, self.reflect, self.shift, self.permute)
        if sum(map(bool, given)) != 1:
            raise InputError("give one kind of substitution", hint=f"kinds: {', '.join(kinds)}")
        for text in self.with_:
            _check(text)
        self._rule()

    def rewrite(self, found: Labelled) -> Scope:
        return self._rule()(found.scope)

    def _rule(self) -> Callable[[Scope], Scope]:
        """The substitution. Raises InputError for parameters that are none."""
        if self.with_:
            return self._substitute
        if self.permute:
            return lambda scope: permute(scope, self.permute)
        if self.reflect:
            return lambda scope: reflect(scope, self.reflect)
        if self.merge:
            outer, inner = _pair("merge", self.merge, "two loops, such as d0:d1")
            if outer == inner:
                raise InputError(f"merge={self.merge} is one loop, not two")
            return lambda scope: merge(scope, outer, inner)
        if self.split:
            name, factor = _with_number("split", self.split, "a loop and a factor, such as d0:4")
            return lambda scope: split(scope, name, factor)
        name, offset = _with_number("shift", self.shift, "a loop and an offset, such as d2:1")
        return lambda scope: shift(scope, name, offset)

    def _substitute(self, scope: Scope) -> Scope:
        phi = dict(_parse(text, scope) for text in self.with_)
        if len(phi) != len(self.with_):
            raise NotApplicable("a new iterator is given twice")
        return substitute_iterators(scope, phi, inverse(scope, phi))


def _pair(option: str, text: str, meaning: str) -> tuple[str, str]:
    first, colon, second = text.partition(":")
    if not colon or not first or not second:
        raise InputError(f"{option}={text} is not {meaning}")
    return first, second


def _with_number(option: str, text: str, meaning: str) -> tuple[str, int]:
    name, number = _pair(option, text, meaning)
    try:
        return name, int(number)
    except ValueError as error:
        raise InputError(f"{option}={text} is not {meaning}") from error


def _check(text: str) -> None:
    """Raise InputError unless the text is a new iterator, `=` and an index over some d0, d1, ..."""
    name, equals, index = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise InputError(f"'{text}' is no substitution", hint="write a new iterator = an index")
    parse_index(index, _SYNTAX)


def _parse(text: str, scope: Scope) -> tuple[str, Index]:
    name, _, index = text.partition("=")
    try:
        return name.strip(), parse_index(index, scope.ranges)
    except InputError as error:
        raise NotApplicable(f"in '{text}': {error.message}") from error


def inverse(scope: Scope, phi: Mapping[str, Index]) -> dict[str, Index]:
    """The old iterators that go, each over the new ones and those that stay: Gauss's elimination.

    Raises NotApplicable if an equation has no iterator left to solve for.
    """
    ranges = dict(scope.ranges)
    for name, index in phi.items():
        low, high = bounds(index, scope.ranges)
        ranges[name] = Range(low, high + 1)
    psi: dict[str, Index] = {}
    for name, index in phi.items():
        left = replace(
            scope,
            traversal=tuple(i for i in scope.traversal if i.name not in psi),
            summation=tuple(i for i in scope.summation if i.name not in psi),
        )
        _, solved = solve(left, name, substitute(index, psi, ranges))
        psi = {old: substitute(e, solved, ranges) for old, e in psi.items()} | solved
    return psi
