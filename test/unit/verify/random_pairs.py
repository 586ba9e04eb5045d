"""Random expressions as text, equal rewrites of them, and small faults."""

from __future__ import annotations

import random
import re
from dataclasses import replace

from einnet.errors import InputError
from einnet.expr.check import MalformedError, check_scope
from einnet.expr.index import Index, var
from einnet.expr.nodes import Guard, Iterator, Read, Scope, Tensor, Term, Within
from einnet.expr.text import format_scope, parse_scope
from einnet.expr.transform import substitute_body

TENSORS = {"X": Tensor("X", (9,)), "M": Tensor("M", (6, 5)), "B": Tensor("B", (4, 3, 4))}


def random_scope(choose: random.Random) -> Scope:
    """One or two terms of one or two reads, with div, mod, guards and nested scopes."""
    while True:
        text = _scope(choose, depth=0)
        scope = parse_scope(text, TENSORS)
        if scope.body:
            return scope


def _scope(choose: random.Random, depth: int) -> str:
    axes = [f"v{n}:{choose.randint(2, 7)}" for n in range(choose.choice((1, 1, 2, 2, 3)))]
    sums = [f"r{n}:{choose.randint(2, 4)}" for n in range(choose.choice((0, 1, 1, 2)))]
    if depth:
        axes, sums = axes[:2], sums[:1]
    names = [i.split(":")[0] for i in axes + sums]
    terms = [_term(choose, names, depth) for _ in range(choose.choice((1, 1, 2)))]
    head = f"L<{','.join(axes)}>" + (f" S<{','.join(sums)}>" if sums else "")
    return f"{head} {' + '.join(terms)}"


def _term(choose: random.Random, names: list[str], depth: int) -> str:
    parts = [_read(choose, names, depth) for _ in range(choose.choice((1, 1, 2, 2, 3)))]
    if choose.random() < 0.3:
        parts.append(
            f"[{choose.randint(-2, 2)} <= {_index(choose, names)} < {choose.randint(3, 6)}]"
        )
    if choose.random() < 0.3:
        parts.append(f"[({_linear(choose, names)}) mod {choose.randint(2, 3)} = 0]")
    if choose.random() < 0.3:
        parts.insert(0, f"{choose.randint(2, 5)}/{choose.randint(2, 5)}")
    return "*".join(parts)


def _read(choose: random.Random, names: list[str], depth: int) -> str:
    if depth == 0 and choose.random() < 0.2:
        text = _scope(choose, 1)
        rank = len(parse_scope(text, TENSORS).traversal)
        return f"{{{text}}}[{','.join(_index(choose, names) for _ in range(rank))}]"
    tensor = choose.choice(list(TENSORS.values()))
    return f"{tensor.name}[{','.join(_index(choose, names) for _ in tensor.shape)}]"


def _index(choose: random.Random, names: list[str]) -> str:
    kind = choose.random()
    if kind < 0.4:
        return choose.choice(names)
    text = _linear(choose, names)
    if kind < 0.7:
        return text
    operator = choose.choice(("div", "mod"))
    result = f"(({text}) {operator} {choose.randint(2, 3)})"
    return f"{result}+{choose.choice(names)}" if kind > 0.9 else result


def _linear(choose: random.Random, names: list[str]) -> str:
    chosen = choose.sample(names, min(len(names), choose.choice((1, 2, 2))))
    text = "".join(f"{choose.choice(('+', '+', '+', '+2*', '-'))}{n}" for n in chosen)
    return f"{choose.randint(0, 3)}{text}"


def rewritten(scope: Scope, choose: random.Random) -> Scope:
    """An equal scope: a few substitutions of sums, relayouts and orders."""
    for _ in range(choose.randint(1, 3)):
        scope = choose.choice((_reflected, _split, _skewed, _through_layout, _shuffled))(
            scope, choose
        )
    return scope


def _with_sum(
    scope: Scope,
    old: Iterator,
    new: tuple[Iterator, ...],
    value: Index,
    guards: tuple[Guard, ...] = (),
) -> Scope:
    """The scope with one sum replaced by others, that give its value under the guards."""
    sums = tuple(i for i in scope.summation if i != old) + new
    ranges = {i.name: i.range for i in scope.traversal + sums}
    body = substitute_body(scope.body, {old.name: value}, ranges)
    return Scope(scope.traversal, sums, tuple(replace(t, guards=t.guards + guards) for t in body))


def _reflected(scope: Scope, choose: random.Random) -> Scope:
    if not scope.summation:
        return scope
    old = choose.choice(scope.summation)
    return _with_sum(scope, old, (old,), var(old.name) * -1 + (old.lo + old.hi - 1))


def _split(scope: Scope, choose: random.Random) -> Scope:
    if not scope.summation:
        return scope
    old = choose.choice(scope.summation)
    step = choose.randint(2, 3)
    high = Iterator(f"{old.name}h", 0, -(-old.extent // step))
    low = Iterator(f"{old.name}l", 0, step)
    if {high.name, low.name} & scope.names:
        return scope
    value = var(high.name) * step + var(low.name) + old.lo
    return _with_sum(scope, old, (high, low), value, (Within(value, old.lo, old.hi),))


def _skewed(scope: Scope, choose: random.Random) -> Scope:
    if not scope.summation:
        return scope
    old, axis = choose.choice(scope.summation), choose.choice(scope.traversal)
    new = Iterator(old.name, old.lo + axis.lo, old.hi + axis.hi - 1)
    value = var(old.name) - var(axis.name)
    return _with_sum(scope, old, (new,), value, (Within(value, old.lo, old.hi),))


def _through_layout(scope: Scope, choose: random.Random) -> Scope:
    """The scope with its axes permuted, read back through the permutation."""
    order = list(range(len(scope.traversal)))
    choose.shuffle(order)
    inner = Scope(tuple(scope.traversal[p] for p in order), scope.summation, scope.body)
    outer = tuple(Iterator(f"o{n}", i.lo, i.hi) for n, i in enumerate(scope.traversal))
    index = tuple(var(f"o{p}") for p in order)
    return Scope(outer, (), (Term((Read(inner, index),)),))


def _shuffled(scope: Scope, choose: random.Random) -> Scope:
    body = [replace(t, factors=tuple(choose.sample(t.factors, len(t.factors)))) for t in scope.body]
    return Scope(scope.traversal, scope.summation, tuple(choose.sample(body, len(body))))


_INTEGER = re.compile(r"(?<![\w.])\d+")


def faulty(scope: Scope, choose: random.Random) -> Scope:
    """The scope with one integer of its text, outside the head, off by one."""
    text = format_scope(scope)
    start = text.index(">") + 1
    while True:
        places = [m for m in _INTEGER.finditer(text) if m.start() >= start]
        if not places:
            return scope
        place = choose.choice(places)
        value = int(place.group()) + choose.choice((-1, 1))
        if value < 0:
            continue
        changed = f"{text[: place.start()]}{value}{text[place.end() :]}"
        try:
            result = parse_scope(changed, TENSORS)
            check_scope(result)
        except (InputError, MalformedError, ZeroDivisionError):
            continue
        return result
