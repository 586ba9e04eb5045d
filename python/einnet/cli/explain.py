"""`einnet explain`: how the search gets from one contraction to its derivation, state by state."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from einnet.cli.flags import add_model, source, whole
from einnet.errors import InputError, Location
from einnet.options import STRATEGIES, Options

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from einnet.expr.nodes import Scope, Tensor
    from einnet.expr.program import Definition
    from einnet.operators.target import Target
    from einnet.search.converge import Found, Result
    from einnet.search.strategy import Strategy

DESCRIPTION = """\
Searches one contraction as `einnet compile` does and prints the states that the search generated:
the move that led to each, its distance from the target, its estimated cost where it matched, and
why it was dropped. The cheapest derivation follows, with the expression after each step.

Of an artifact for cuda it prints what the chosen variant runs, step by step, the times of all
variants, and the proof."""

_LINES = 60
_VISITS = 10_000_000
_FOUND = 5


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "explain",
        help="show how a contraction's derivation is found, or what an artifact runs",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(parser, required=False)
    parser.add_argument(
        "--variant",
        type=source,
        metavar="NAME",
        help="variant of an artifact to show (default: the chosen one)",
    )
    parser.add_argument(
        "--subprogram",
        metavar="N|NAME",
        help="contraction of the model by number or name (default: the only one)",
    )
    parser.add_argument(
        "--expression", metavar="TEXT", help="explain this expression, without a model"
    )
    parser.add_argument(
        "--tensor",
        action="append",
        default=[],
        metavar="NAME=2x3x4",
        help="tensor that the expression reads, and its shape; give it once for each",
    )
    parser.add_argument(
        "--constant",
        action="append",
        default=[],
        metavar="NAME",
        help="tensor of the expression that is a weight: its layout costs nothing",
    )
    parser.add_argument(
        "--target",
        default="matmul",
        metavar="NAME",
        help="operator to derive: matmul (default), conv1d, conv2d, conv3d, conv3x3 and the like, "
        "g2bmm, gbmm",
    )
    parser.add_argument(
        "--strategy",
        default="converging",
        metavar="NAME",
        help=f"how to search: {', '.join(STRATEGIES)} (default: converging)",
    )
    parser.add_argument(
        "--visits",
        type=whole(1, _VISITS),
        default=1000,
        metavar="N",
        help="states that the explorative and the blind strategy visit (default: 1000, at most"
        f" {_VISITS})",
    )
    parser.add_argument(
        "--first", action="store_true", help="stop at the first match, not at the cheapest"
    )
    parser.add_argument(
        "--limit",
        type=whole(0, 2**31 - 1),
        default=_LINES,
        metavar="LINES",
        help=f"lines of the trees that are printed, 0 for all (default: {_LINES})",
    )
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    if (arguments.model is None) == (arguments.expression is None):
        raise InputError(
            "explain takes a model or --expression",
            hint="einnet explain model.onnx, or --expression 'L<i:4> S<k:8> A[i,k] * B[k]' "
            "--tensor A=4x8 --tensor B=8",
        )
    if arguments.model is not None and os.path.isdir(arguments.model):
        from einnet.cli.explain_artifact import explain_artifact

        _require_model_flags_unused(arguments)
        print(*explain_artifact(Path(arguments.model), arguments.variant), sep="\n")
        return 0
    if arguments.variant is not None:
        raise InputError("--variant is for an artifact, not for a model or an expression")
    from einnet.search.strategy import strategy

    search = strategy(arguments.strategy)
    target = find_target(arguments.target)
    if arguments.expression is not None:
        scope = _expression(arguments)
        constants = frozenset[str](arguments.constant)
        name = "out"
    else:
        definition, constants = _subprogram(arguments)
        scope, name = definition.scope, definition.result.name
    _explain(name, scope, constants, target, search, arguments)
    return 0


def _require_model_flags_unused(arguments: argparse.Namespace) -> None:
    for flag in ("subprogram", "batch", "entry", "tensor", "constant"):
        if getattr(arguments, flag):
            raise InputError(f"--{flag} is for a model or an expression, not for an artifact")


def find_target(name: str) -> Target:
    """The target operator of this name: `conv2d` has any kernel, `conv3x3` that one."""
    from einnet.operators.banded import G2BMM, GBMM
    from einnet.operators.convolution import any_convolution, convolution
    from einnet.operators.product import PRODUCT

    named = {t.name: t for t in (PRODUCT, *map(any_convolution, (1, 2, 3)), G2BMM, GBMM)}
    if name in named:
        return named[name]
    if re.fullmatch(r"conv[1-9]\d{0,5}(x[1-9]\d{0,5}){0,2}", name):
        return convolution(*map(int, name.removeprefix("conv").split("x")))
    raise InputError(
        f"unknown target operator '{name}'",
        hint=f"operators: {', '.join(named)}, and conv3, conv3x3, ... for one kernel",
    )


def _expression(arguments: argparse.Namespace) -> Scope:
    from einnet.expr.text import parse_scope

    for flag in ("subprogram", "batch", "entry"):
        if getattr(arguments, flag) is not None:
            raise InputError(f"--{flag} is for a model, not for an expression")
    tensors: dict[str, Tensor] = {}
    for text in arguments.tensor:
        tensor = _tensor(text)
        if tensor.name in tensors:
            raise InputError(f"--tensor gives {tensor.name} twice")
        tensors[tensor.name] = tensor
    for name in arguments.constant:
        if name not in tensors:
            raise InputError(
                f"--constant: there is no tensor '{name}'",
                hint=f"tensors: {', '.join(tensors) or 'none'}",
            )
    return parse_scope(arguments.expression, tensors, "--expression")


def _tensor(text: str) -> Tensor:
    from einnet.expr.nodes import Tensor

    match = re.fullmatch(r"([A-Za-z_][\w.]*)=([1-9]\d{0,11}(?:x[1-9]\d{0,11})*)", text)
    if match is None:
        raise InputError(f"--tensor '{text}' is not a name and a shape", hint="as in X=16x448x2x2")
    return Tensor(match[1], tuple(map(int, match[2].split("x"))))


def _subprogram(arguments: argparse.Namespace) -> tuple[Definition, frozenset[str]]:
    """The contraction that was asked for, and the names of the program's constants."""
    from einnet.driver import searched_program
    from einnet.expr.program import constants_of
    from einnet.program.subprograms import contractions_of

    for flag in ("tensor", "constant"):
        if getattr(arguments, flag):
            raise InputError(f"--{flag} is for an expression, not for a model")
    program = searched_program(
        arguments.model, Options(), batch=arguments.batch, entry=arguments.entry
    )
    constants = constants_of(program)
    contractions = contractions_of(program, constants)
    where = Location(arguments.model)
    if not contractions:
        raise InputError("the model has no contraction, so nothing is searched", location=where)
    wanted: str | None = arguments.subprogram
    if wanted is None and len(contractions) == 1:
        return contractions[0], constants
    for number, definition in enumerate(contractions, 1):
        if wanted in (str(number), definition.result.name):
            return definition, constants
    raise InputError(
        f"there are {len(contractions)} subprograms; --subprogram says which"
        if wanted is None
        else f"there is no subprogram '{wanted}'",
        location=where,
        hint="subprograms: "
        + ", ".join(f"{n} {d.result.name}" for n, d in enumerate(contractions, 1)),
    )


def _explain(
    name: str,
    scope: Scope,
    constants: frozenset[str],
    target: Target,
    search: Strategy,
    arguments: argparse.Namespace,
) -> None:
    from dataclasses import replace

    from einnet.cli.trees import format_trees
    from einnet.expr.nodes import tensors_of
    from einnet.operators.contraction import estimate
    from einnet.operators.cost import CPU
    from einnet.program.subprograms import LIMITS
    from einnet.search.record import Trees

    limits = replace(LIMITS, total=arguments.visits, first=arguments.first)
    trees = Trees()
    result = search(scope, lambda match: estimate(match, CPU, constants), limits, target, trees)
    if not trees.trees:
        raise InputError(
            "this is not the sum of a product of two tensors, or always 0: nothing is searched",
            location=Location("--expression"),
        )
    tensors = ", ".join(
        f"{t.name} {_shape(t)}{' constant' * (t.name in constants)}" for t in tensors_of(scope)
    )
    print(f"{name} = {scope}")
    print(f"tensors: {tensors}")
    print(
        f"{arguments.strategy} towards {target.name}: {result.visited} states visited, "
        f"{result.generated} generated, {result.duplicates} duplicates\n"
    )
    print(*format_trees(trees.trees, arguments.limit), sep="\n")
    _print_found(name, scope, result)


def _print_found(name: str, scope: Scope, result: Result) -> None:
    from einnet.cli.trees import format_seconds
    from einnet.operators.contraction import describe

    if not result.found:
        print("\nnothing found")
        return
    print(f"\nfound {len(result.found)}, cheapest first")
    for found in result.found[:_FOUND]:
        sums = ", ".join(f"{i.name}:{i.extent}" for i in found.state.scope.summation)
        print(
            f"  {describe(found.match)}, {format_seconds(found.cost)} estimated, "
            f"{len(found.state.steps)} steps" + (f", outer sum over {sums}" if sums else "")
        )
    if len(result.found) > _FOUND:
        print(f"  {len(result.found) - _FOUND} more")
    _print_derivation(name, scope, result.found[0])


def _print_derivation(name: str, scope: Scope, found: Found) -> None:
    """The steps with the expression after each, and the statements that the last one stands for."""
    from einnet.cli.trees import format_step
    from einnet.expr.nodes import Tensor, tensors_of
    from einnet.expr.program import Definition
    from einnet.operators.contraction import plan
    from einnet.search.state import apply, start

    state = start(scope)
    assert state is not None
    print(f"\nderivation of the cheapest\n  0  normalised\n     {state.scope}")
    for number, step in enumerate(found.state.steps, 1):
        state = apply(state, step)
        assert state is not None
        print(f"  {number}  {format_step(step)}\n     {state.scope}")
    print("\nplan")
    result = Tensor(name, scope.extents)
    taken = {name, *(t.name for t in tensors_of(scope))}
    for statement in plan(found.match, result, taken):
        assert isinstance(statement, Definition)
        library = f"  ({found.match.target.name})" if statement.library is not None else ""
        print(f"  {statement.result.name} {_shape(statement.result)} = {statement.scope}{library}")


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))
