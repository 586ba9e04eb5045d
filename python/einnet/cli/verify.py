"""`einnet verify`: are two functions equal for all inputs, and if not, where."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from einnet.cli.flags import add_batch, natural, path_of, source, whole
from einnet.errors import EinnetError, InputError, Location

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from einnet.cli.comparison import Compared, Side
    from einnet.expr.program import Program
    from einnet.verify.certificate import Certificate
    from einnet.verify.regions import Box

EQUAL, DIFFERENT, UNDECIDED, BAD_INPUT = range(4)
"""What the command returns."""

DESCRIPTION = """\
Compares two functions on tensors of static shape (linalg, tensor, arith), whoever wrote them, for
all inputs at once: by random testing in prime fields, at positions that decide all others, in
exact arithmetic, without roundings. Nonlinear functions stand for themselves: exp is equal to exp,
of equal arguments; that programs with functions differ is shown in double precision. The time does
not depend on the extents.

  einnet verify A.mlir B.mlir         two functions
  einnet verify MODEL.einnet MODEL    an artifact against the model that it was compiled from

Arguments that both files name (einnet.name, einnet.weight) are matched by name, the others by
position, and weights whose data both files hold by the data. Weights are inputs like others: equal
means equal for any data."""

EPILOG = """\
exit codes: 0 equal; 1 different; 2 cannot be decided; 3 the input, the options or the environment
is at fault; 70 a bug in einnet, with a report
"""

_BOXES = 8
_WEIGHT = "weight/"
_ROUNDS = 2
_MOST_ROUNDS = 10_000


def add_parser(verbs: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "verify",
        help="compare two functions, or an artifact with its model",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # Other verbs return 1 for a wrong command line, which here says that functions differ.
    parser.error = partial(_refuse, parser.prog)
    parser.add_argument(
        "first",
        type=source,
        metavar="A",
        help=".mlir or .onnx file, - for standard input, or an artifact",
    )
    parser.add_argument(
        "second",
        type=source,
        metavar="B",
        nargs="?",
        help=".mlir or .onnx file, or - for standard input",
    )
    parser.add_argument(
        "--entry",
        type=source,
        metavar="NAME",
        help="function to compare, in both files (default: main, or the only one)",
    )
    add_batch(parser)
    parser.add_argument(
        "--rounds",
        type=whole(1, _MOST_ROUNDS),
        metavar="N",
        help="random tests, each modulo a prime of its own (default: 2, or the certificate's; at"
        f" most {_MOST_ROUNDS})",
    )
    parser.add_argument(
        "--seed",
        type=natural,
        metavar="N",
        help="of the random inputs (default: 0, or the certificate's)",
    )
    parser.add_argument(
        "--picture",
        type=path_of,
        metavar="FILE",
        help=".png file to draw the first output that differs in, cells outlined",
    )
    parser.set_defaults(verb=run)


def _refuse(program: str, message: str) -> NoReturn:
    """Print what is wrong with the command line and leave with `BAD_INPUT`."""
    hint = f"{program} --help prints what it takes"
    print(InputError(message, location=Location(program), hint=hint), file=sys.stderr)
    raise SystemExit(BAD_INPUT)


def run(arguments: argparse.Namespace) -> int:
    try:
        return _verified(arguments)
    except EinnetError as error:
        error.location = error.location or Location("einnet verify")
        print(error, file=sys.stderr)
        return BAD_INPUT
    except MemoryError:
        print("undecided: memory ran out")
        return UNDECIDED


def _verified(arguments: argparse.Namespace) -> int:
    if arguments.picture is not None:
        _require_picture(arguments.picture)
    seed, rounds = arguments.seed or 0, arguments.rounds or _ROUNDS
    folder = Path(arguments.first)
    if not os.path.isdir(folder):
        _require_second(arguments, "B.mlir, the function to compare with")
        _require_flags_used(arguments, arguments.first, arguments.second)
        reference = _read(arguments.first, arguments)
        candidate = _read(arguments.second, arguments)
        return _report(reference, candidate, seed, rounds, arguments.picture)
    proof = _certified(folder)
    _require_second(arguments, "MODEL, the model that it was compiled from, which it does not hold")
    _require_flags_used(arguments, arguments.second)
    if proof is not None:
        seed = proof.seed if arguments.seed is None else seed
        rounds = arguments.rounds or len(proof.primes)
    reference = _read_model(arguments.second, arguments)
    candidate = _read_optimized(folder, reference.program.name)
    return _report(reference, candidate, seed, rounds, arguments.picture)


def _require_picture(path: Path) -> None:
    from einnet.cli.picture import require_matplotlib
    from einnet.output import require_writable

    if path.suffix != ".png":
        raise InputError("the picture is a .png file", location=Location(str(path)))
    require_matplotlib()
    require_writable(path)


def _require_second(arguments: argparse.Namespace, what: str) -> None:
    if arguments.second is None:
        raise InputError(
            f"the second argument is missing: {what}",
            location=Location(arguments.first),
            hint=f"einnet verify {arguments.first} {what.partition(',')[0]}",
        )
    if arguments.first == arguments.second == "-":
        raise InputError("standard input is one module, not two", hint="write one to a file")


def _require_flags_used(arguments: argparse.Namespace, *models: str) -> None:
    """Refuse a flag for models of a kind that none of these is of."""
    onnx = [Path(model).suffix == ".onnx" for model in models]
    if arguments.batch is not None and not any(onnx):
        raise InputError("--batch is for an ONNX model: the shapes of MLIR modules are fixed")
    if arguments.entry is not None and all(onnx):
        raise InputError("--entry is for an .mlir file: an ONNX model is one function")


# What is compared ---------------------------------------------------------------------------


def _read(path: str, arguments: argparse.Namespace) -> Side:
    from einnet.cli.comparison import read_side
    from einnet.toolchain.mlir import read_source

    if Path(path).suffix == ".onnx":
        return _read_model(path, arguments)
    if os.path.isdir(path):
        raise InputError(
            "this is a folder, not a function",
            location=Location(path),
            hint="an artifact is the first argument, its model the second",
        )
    return read_side(
        read_source(path), "<stdin>" if path == "-" else path, arguments.entry, beside=path
    )


def _read_model(path: str, arguments: argparse.Namespace) -> Side:
    """A model as the other verbs import it."""
    from einnet.cli.comparison import read_side
    from einnet.frontend.load import load_model

    onnx = Path(path).suffix == ".onnx"
    model = load_model(
        path,
        batch=arguments.batch if onnx else None,
        entry=None if onnx else arguments.entry,
    )
    return read_side(model.mlir, path, model.entry, model.weights)


def _read_optimized(folder: Path, entry: str) -> Side:
    from einnet.cli.comparison import read_side
    from einnet.runtime.folder import CONSTANTS, OPTIMIZED
    from einnet.toolchain.mlir import read_source
    from einnet.weights import Weights

    path = str(folder / OPTIMIZED)
    stored = Weights.load(folder / CONSTANTS)
    # Other constants were computed from weights when the artifact was compiled.
    weights = {n.removeprefix(_WEIGHT): a for n, a in stored.items() if n.startswith(_WEIGHT)}
    return read_side(read_source(path), path, entry, weights)


def _certified(folder: Path) -> Certificate | None:
    """Print what an artifact's certificate says; the proof of its module, if it has one."""
    from einnet.cli.proofs import read_proofs
    from einnet.runtime.folder import (
        CERTIFICATE,
        CONSTANTS,
        OPTIMIZED,
        check_files,
        read_manifest,
    )

    check_files(folder, read_manifest(folder), (OPTIMIZED, CERTIFICATE, CONSTANTS))
    proofs = read_proofs(folder)
    if proofs.variant is not None:
        print(f"{folder}: the certificate of the chosen variant")
        print(*_fields(proofs.variant), sep="\n")
        if proofs.module is None:
            print(f"of optimized.mlir: none: {proofs.unproved}")
        else:
            print("of optimized.mlir:", *_fields(proofs.module), sep="\n")
    elif proofs.module is not None:
        print(f"{folder}: the certificate of optimized.mlir", *_fields(proofs.module), sep="\n")
    else:
        print(f"{folder}: no certificate")
    return proofs.module


def _fields(proof: Certificate) -> list[str]:
    lines = [
        f"  {s.name}: {_count(s.cells, 'cell')}, {_count(s.positions, 'position')} ({s.method}),"
        f" terms {s.terms[0]} and {s.terms[1]}, {_count(s.slopes, 'slope')}, degree {s.degree},"
        f" {_count(s.bits, 'bit')}"
        for s in proof.segments
    ]
    primes = ", ".join(map(str, proof.primes))
    return [
        *lines,
        f"  {_count(proof.comparisons, 'comparison')}, seed {proof.seed}, modulo {primes}:"
        f" {_chance(proof)}",
    ]


# What is said -------------------------------------------------------------------------------


def _report(reference: Side, candidate: Side, seed: int, rounds: int, picture: Path | None) -> int:
    """Compare, print the verdict, draw; the exit code."""
    from einnet.cli.comparison import aligned, compare_outputs
    from einnet.cli.weight_data import confirmed, identified
    from einnet.verify.certificate import Certificate
    from einnet.verify.equivalence import Different, Equal

    given = identified(reference, candidate)
    programs = aligned(given.reference, given.candidate)
    found = compare_outputs(*programs, seed=seed, rounds=rounds)
    if given.others and not isinstance(found, Certificate):
        found = confirmed(found, programs, given, rounds)
    if isinstance(found, Certificate):
        print(_equal(found, len(programs[0].outputs)))
        if picture is not None:
            _draw(picture, programs, 0, ())
        return EQUAL
    differing = [n for n, c in enumerate(found) if isinstance(c.verdict, Different)]
    for number, compared in enumerate(found):
        if not isinstance(compared.verdict, Equal):
            print(*describe(compared, number, (reference.file, candidate.file)), sep="\n")
    equal = sum(isinstance(c.verdict, Equal) for c in found)
    if len(found) > 1:
        print(f"{equal} of {len(found)} outputs are equal")
    if picture is not None:
        number = differing[0] if differing else 0
        verdict = found[number].verdict
        _draw(picture, programs, number, verdict.boxes if isinstance(verdict, Different) else ())
    return DIFFERENT if differing else UNDECIDED


def _equal(proof: Certificate, outputs: int) -> str:
    return (
        f"equal: {_count(outputs, 'output')} compared on {_count(proof.cells, 'cell')} in"
        f" {_count(len(proof.primes), 'round')}: {_chance(proof)}"
    )


def _chance(proof: Certificate) -> str:
    from einnet.cli.proofs import format_chance

    if not proof.comparisons:
        return "they are one expression"
    return f"a wrong answer has a chance below {format_chance(proof.error_bound)}"


def describe(compared: Compared, number: int, files: tuple[str, str]) -> list[str]:
    """The lines on an output that is not equal: where, and one position with both values."""
    from einnet.verify.equivalence import Equal, Undecided

    tensor, verdict = compared.tensor, compared.verdict
    type_ = "x".join([*map(str, tensor.shape), tensor.dtype])
    name = f"output {number} ({tensor.name}: {type_})"
    if isinstance(verdict, Equal):
        return [f"equal: {name}"]
    if isinstance(verdict, Undecided):
        return [f"undecided: {name}: {verdict.reason}"]
    total = prod(tensor.shape)
    covered = min(total, sum(prod(len(range(*s)) for s in box) for box in verdict.boxes))
    lines = [
        f"different: {name}: {_count(covered, 'position')} of {total} ({_share(covered, total)})"
        f" in {_count(verdict.cells, 'cell')} not shown equal",
        *(f"  {format_box(box)}" for box in sorted(verdict.boxes)[:_BOXES]),
    ]
    if len(verdict.boxes) > _BOXES:
        lines.append(f"  and {_count(len(verdict.boxes) - _BOXES, 'box', 'es')} more")
    position = ", ".join(map(str, verdict.position))
    values = ", ".join(f"{v} in {f}" for v, f in zip(verdict.values, files, strict=True))
    real = isinstance(verdict.values[0], float)
    where = "in double precision, for random inputs" if real else "in a prime field, for the inputs"
    lines.append(f"at [{position}]: {values}, {where} of seed {verdict.seed}")
    return [*lines, *(f"note: {note}" for note in verdict.notes)]


def format_box(box: Box) -> str:
    """A strided box as slices; a single coordinate as a number."""
    sides = (str(s.start) if len(range(*s)) == 1 else ":".join(map(str, s)) for s in box)
    return f"[{', '.join(sides)}]"


def _share(part: int, total: int) -> str:
    return "all" if part == total else f"{100 * part / total:.2g} %"


def _count(number: int, what: str, plural: str = "s") -> str:
    return f"{number} {what}{plural * (number != 1)}"


def _draw(
    path: Path, programs: tuple[Program, Program], number: int, failing: Sequence[Box]
) -> None:
    from einnet.cli.comparison import cells_of_output
    from einnet.cli.picture import draw
    from einnet.output import write_file

    tensor = programs[0].outputs[number]
    cells = cells_of_output(*programs, number)
    title = f"{tensor.name}: {_count(len(cells), 'cell') if cells else 'cells out of reach'}"
    write_file(path, [draw(title, tensor.shape, cells or (), failing)])
