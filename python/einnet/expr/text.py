"""The textual form of expressions: print, and parse what was printed.

Grammar (`div` and `mod` are the floor versions; ranges are half-open, `n:4` is `n:0:4`)::

    scope  := "L<" iters ">" ["S<" iters ">"] body       iters := name ":" [int ":"] int, ...
    body   := ["-"] term (("+" | "-") term)* | "0"
    term   := part ("*" part)*
    part   := rational | guard | read | call
    read   := (name | "{" scope "}") "[" index, ... "]"
    call   := name "(" body, ... ")"
    guard  := "[" index "mod" int "=" "0" "]" | "[" int "<=" index "<" int "]"
    index  := sum of products of integers, iterators and parenthesised indices,
              with "div" and "mod" by integers binding as tightly as "*"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from math import inf

from einnet.errors import InputError, Location
from einnet.expr.functions import FUNCTIONS
from einnet.expr.index import Index, Range, Ranges, constant, floordiv, format_index, mod, var
from einnet.expr.nodes import (
    Body,
    Call,
    Factor,
    Guard,
    Iterator,
    Read,
    Residue,
    Scope,
    Tensor,
    Term,
    Within,
)
from einnet.expr.transform import residue


def format_scope(scope: Scope) -> str:
    text = f"L<{_iterators(scope.traversal)}>"
    if scope.summation:
        text += f" S<{_iterators(scope.summation)}>"
    return f"{text} {format_body(scope.body)}"


def format_body(body: Body) -> str:
    if not body:
        return "0"
    text = ""
    for term in body:
        negative = term.coefficient < 0
        sign = (" - " if negative else " + ") if text else ("-" if negative else "")
        text += sign + _term(term)
    return text


def _iterators(iterators: tuple[Iterator, ...]) -> str:
    return ",".join(
        f"{i.name}:{i.hi}" if i.lo == 0 else f"{i.name}:{i.lo}:{i.hi}" for i in iterators
    )


def _term(term: Term) -> str:
    parts = [format_factor(f) for f in term.factors] + [format_guard(g) for g in term.guards]
    magnitude = abs(term.coefficient)
    if magnitude != 1 or not parts:
        parts.insert(0, str(magnitude))
    return " * ".join(parts)


def format_factor(factor: Factor) -> str:
    if isinstance(factor, Call):
        return f"{factor.function}({', '.join(format_body(a) for a in factor.arguments)})"
    index = ",".join(format_index(e) for e in factor.index)
    if isinstance(factor.source, Tensor):
        return f"{factor.source.name}[{index}]"
    return f"{{{format_scope(factor.source)}}}[{index}]"


def format_guard(guard: Guard) -> str:
    if isinstance(guard, Residue):
        text = format_index(guard.index)
        operand = text if guard.index.name else f"({text})"
        return f"[{operand} mod {guard.modulus} = 0]"
    return f"[{guard.lo} <= {format_index(guard.index)} < {guard.hi}]"


def parse_scope(text: str, tensors: Mapping[str, Tensor], file: str = "<expression>") -> Scope:
    """Parse one scope. `tensors` declares every tensor it may read.

    Raises InputError, located in `file`, for a syntax error, an unknown name, a wrong rank or a
    repeated iterator.
    """
    parser = _Parser(text, tensors, file)
    scope = parser.scope()
    parser.expect("")
    return scope


def parse_index(text: str, ranges: Ranges, file: str = "<index>") -> Index:
    """Parse one index over the iterators whose ranges are given; errors as in `parse_scope`."""
    parser = _Parser(text, {}, file)
    parser.scopes.append(dict(ranges))
    index = parser.index()
    parser.expect("")
    return index


_NESTING = 64
"""Brackets around one place: the parser and all that takes scopes apart recurse."""

_DIGITS = 1000
"""Of a number: a float's exact value has 767 at most, and Python refuses to read 4301."""

_MOST = 2**63 - 1
"""Of extents, divisors and moduli, which are integers of 64 bits in a machine."""

_OPENING, _CLOSING = frozenset("{[("), frozenset("}])")
_TOKEN = re.compile(r"\s*(?:(\d+)|([A-Za-z_][\w.]*)|(<=|[<>{}\[\](),:+\-*/=]))")


class _Parser:
    def __init__(self, text: str, tensors: Mapping[str, Tensor], file: str) -> None:
        self.text = text
        self.tensors = tensors
        self.file = file
        self.scopes: list[dict[str, Range]] = []
        self.tokens: list[tuple[str, int]] = []
        position = depth = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                position += len(text[position:]) - len(text[position:].lstrip())
                raise self.error(f"unexpected character {text[position]!r}", position)
            token = match.group().strip()
            start, position = match.end() - len(token), match.end()
            depth += (token in _OPENING) - (token in _CLOSING)
            if depth > _NESTING:
                raise self.error(f"nested more than {_NESTING} deep", start)
            if token.isdigit() and len(token) > _DIGITS:
                raise self.error(f"a number of {len(token)} digits", start)
            self.tokens.append((token, start))
        self.tokens.append(("", len(text)))
        self.next = 0

    def error(self, message: str, position: int | None = None) -> InputError:
        if position is None:
            position = self.tokens[self.next][1]
        before = self.text[:position]
        line = before.count("\n") + 1
        column = position - (before.rfind("\n") + 1) + 1
        return InputError(message, location=Location(self.file, line, column))

    @property
    def token(self) -> str:
        return self.tokens[self.next][0]

    @property
    def found(self) -> str:
        """The next token as messages show it."""
        return repr(self.token) if self.token else "the end"

    def take(self) -> str:
        token = self.token
        self.next += 1
        return token

    def expect(self, token: str) -> None:
        if self.token != token:
            raise self.error(
                f"expected {token!r} but found {self.found}"
                if token
                else f"unexpected {self.found} after the expression"
            )
        self.next += 1

    def accept(self, token: str) -> bool:
        if self.token == token:
            self.next += 1
            return True
        return False

    def name(self) -> str:
        if not re.fullmatch(r"[A-Za-z_][\w.]*", self.token):
            raise self.error(f"expected a name but found {self.found}")
        return self.take()

    def integer(self, most: float = inf) -> int:
        sign = -1 if self.accept("-") else 1
        if not self.token.isdigit():
            raise self.error(f"expected an integer but found {self.found}")
        start = self.tokens[self.next][1]
        value = sign * int(self.take())
        if abs(value) > most:
            raise self.error(f"{value} is out of range: at most {most}", start)
        return value

    def at_least(self, least: int, what: str, most: float = inf) -> int:
        start = self.tokens[self.next][1]
        value = self.integer(most)
        if value < least:
            raise self.error(f"{what} must be at least {least}, not {value}", start)
        return value

    def scope(self) -> Scope:
        self.scopes.append({})
        self.expect("L")
        traversal = self.iterators()
        # A tensor may be called S too.
        sums = self.token == "S" and self.tokens[self.next + 1][0] == "<"
        summation = self.iterators() if sums and self.accept("S") else ()
        body = self.body()
        self.scopes.pop()
        return Scope(traversal, summation, body)

    def iterators(self) -> tuple[Iterator, ...]:
        self.expect("<")
        found: list[Iterator] = []
        while self.token != ">":
            if found:
                self.expect(",")
            start = self.tokens[self.next][1]
            name = self.name()
            if name in self.scopes[-1]:
                raise self.error(f"iterator {name!r} is declared twice", start)
            self.expect(":")
            lo, hi = 0, self.integer(_MOST)
            if self.accept(":"):
                lo, hi = hi, self.integer(_MOST)
            if hi <= lo:
                raise self.error(f"iterator {name!r} has the empty range {lo}:{hi}", start)
            found.append(Iterator(name, lo, hi))
            self.scopes[-1][name] = Range(lo, hi)
        self.expect(">")
        return tuple(found)

    def body(self) -> Body:
        if self.token == "0" and self.tokens[self.next + 1][0] not in ("/", "*"):
            self.take()
            return ()
        terms = [self.term(-1 if self.accept("-") else 1)]
        while self.token in ("+", "-"):
            terms.append(self.term(1 if self.take() == "+" else -1))
        return tuple(terms)

    def term(self, sign: int) -> Term:
        factors: list[Factor] = []
        guards: list[Guard] = []
        coefficient = Fraction(sign)
        while True:
            if self.token.isdigit():
                coefficient *= int(self.take())
                if self.accept("/"):
                    coefficient /= self.at_least(1, "a denominator")
            elif self.token == "[":
                guards.append(self.guard())
            else:
                factors.append(self.factor())
            if not self.accept("*"):
                return Term(tuple(factors), tuple(guards), coefficient)

    def factor(self) -> Factor:
        if self.accept("{"):
            source: Tensor | Scope = self.scope()
            self.expect("}")
            rank = len(source.traversal)
        else:
            start = self.tokens[self.next][1]
            name = self.name()
            if self.accept("("):
                return self.call(name, start)
            if name not in self.tensors:
                known = ", ".join(sorted(self.tensors)) or "none"
                raise self.error(f"unknown tensor {name!r}; declared: {known}", start)
            source = self.tensors[name]
            rank = len(source.shape)
        start = self.tokens[self.next][1]
        self.expect("[")
        index: list[Index] = []
        while self.token != "]":
            if index:
                self.expect(",")
            index.append(self.index())
        self.expect("]")
        if len(index) != rank:
            raise self.error(f"{len(index)} indices for a source of rank {rank}", start)
        return Read(source, tuple(index))

    def call(self, name: str, start: int) -> Call:
        function = FUNCTIONS.get(name)
        if function is None:
            known = ", ".join(FUNCTIONS)
            raise self.error(f"unknown function {name!r}; there are: {known}", start)
        arguments = [self.body()]
        while self.accept(","):
            arguments.append(self.body())
        self.expect(")")
        if len(arguments) != function.arity:
            message = f"{len(arguments)} arguments for {name}, which takes {function.arity}"
            raise self.error(message, start)
        return Call(name, tuple(arguments))

    def guard(self) -> Guard:
        self.expect("[")
        start = self.next
        if self.token.isdigit() or self.token == "-":
            lo = self.integer()
            if self.accept("<="):
                index = self.index()
                self.expect("<")
                hi = self.integer()
                self.expect("]")
                return Within(index, lo, hi)
            self.next = start
        index = self.product(stop_at_mod=True)
        self.expect("mod")
        modulus = self.at_least(2, "the modulus of a guard", _MOST)
        self.expect("=")
        self.expect("0")
        self.expect("]")
        return residue(index, modulus)

    def index(self) -> Index:
        total = -self.product() if self.accept("-") else self.product()
        while self.token in ("+", "-"):
            total = total + self.product() if self.take() == "+" else total - self.product()
        return total

    def product(self, stop_at_mod: bool = False) -> Index:
        value = self.primary()
        ranges = self.scopes[-1]
        while self.token in ("*", "div", "mod"):
            if self.token == "mod" and stop_at_mod:
                break
            operator = self.take()
            if operator == "*":
                other = self.primary()
                if not (value.is_constant or other.is_constant):
                    raise self.error("an index may not multiply iterators")
                value = other * value.const if value.is_constant else value * other.const
            else:
                divisor = self.at_least(1, f"the divisor of {operator}", _MOST)
                divide = floordiv if operator == "div" else mod
                value = divide(value, divisor, ranges)
        return value

    def primary(self) -> Index:
        if self.accept("("):
            value = self.index()
            self.expect(")")
            return value
        if self.token.isdigit():
            return constant(self.integer())
        name = self.name()
        if name not in self.scopes[-1]:
            self.next -= 1
            known = ", ".join(self.scopes[-1])
            raise self.error(f"unknown iterator {name!r}; this scope has: {known}")
        return var(name)
