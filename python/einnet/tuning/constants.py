"""Constants computed once for many programs: what variants of one model share is evaluated once.

Variants of a model differ in the layout of their weights, and most weights have the same layout in
most variants. A definition is known by what it computes from which weights; all that are new are
compiled together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from einnet.bridge.attributes import PREPARE
from einnet.bridge.emit import emit_program
from einnet.codegen.cpu.lower import lower
from einnet.expr.nodes import Body, Call, Factor, Read, Scope, Tensor
from einnet.expr.program import Definition, Program
from einnet.runtime.program import jit_program
from einnet.toolchain.mlir import make_context

Array = NDArray[Any]


@dataclass
class Constants:
    """Evaluates programs on a model's weights, in the model's own precision, on the CPU."""

    weights: Mapping[str, Array]
    values: dict[str, Array] = field(default_factory=dict[str, Array])

    def evaluate(self, programs: Sequence[Program]) -> list[dict[str, Array]]:
        """The outputs of each program by name. Their inputs are weights, by name too."""
        named = [_named(program) for program in programs]
        definitions = {d.result.name: d for _, made in named for d in made}
        wanted = {
            keys[t.name] for (keys, _), p in zip(named, programs, strict=True) for t in p.outputs
        }
        self._run(definitions, sorted(wanted & definitions.keys() - self.values.keys()))
        return [
            {t.name: self._value(keys[t.name]) for t in program.outputs}
            for (keys, _), program in zip(named, programs, strict=True)
        ]

    def _value(self, name: str) -> Array:
        return self.values[name] if name in self.values else self.weights[name]

    def _run(self, definitions: Mapping[str, Definition], wanted: Sequence[str]) -> None:
        """Evaluate the definitions that the wanted ones need, in one program."""
        needed: dict[str, Definition] = {}
        inputs: dict[str, Tensor] = {}

        def need(tensor: Tensor) -> None:
            definition = definitions.get(tensor.name)
            if definition is None:
                inputs[tensor.name] = tensor
            elif tensor.name not in needed:
                for operand in definition.operands:
                    need(operand)
                needed[tensor.name] = definition

        for name in wanted:
            need(definitions[name].result)
        if not needed:
            return
        outputs = tuple(definitions[name].result for name in wanted)
        program = Program(PREPARE, tuple(inputs.values()), tuple(needed.values()), outputs)
        module = emit_program(program, make_context(), entry=PREPARE)
        executable = jit_program(lower(str(module), PREPARE), {})
        arrays = executable(*(self.weights[name] for name in inputs))
        self.values.update(zip(wanted, arrays, strict=True))


def _named(program: Program) -> tuple[dict[str, str], list[Definition]]:
    """The program's definitions with results named by what they compute, and their new names."""
    names = {t.name: t.name for t in program.inputs}
    made: list[Definition] = []
    for definition in program.definitions:
        scope = _renamed(definition.scope, names)
        text = repr((definition.result.shape, definition.result.dtype, scope))
        name = f"c{hashlib.sha256(text.encode()).hexdigest()[:24]}"
        names[definition.result.name] = name
        made.append(Definition(replace(definition.result, name=name), scope, definition.label))
    return names, made


def _renamed(scope: Scope, names: Mapping[str, str]) -> Scope:
    def body_of(body: Body) -> Body:
        return tuple(replace(t, factors=tuple(map(factor_of, t.factors))) for t in body)

    def factor_of(factor: Factor) -> Factor:
        if isinstance(factor, Call):
            return replace(factor, arguments=tuple(map(body_of, factor.arguments)))
        if isinstance(factor.source, Scope):
            return Read(_renamed(factor.source, names), factor.index)
        return Read(replace(factor.source, name=names[factor.source.name]), factor.index)

    return replace(scope, body=body_of(scope.body))
