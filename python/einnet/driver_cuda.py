"""The flow of the CUDA target, flat, from the program that was lifted to an artifact.

Each contraction is searched for what products and convolutions of libraries can do, mutants with
their corrections join what was found; whole-program variants are put together from the candidates
and race each other (`race_cuda.py`): on the GPU here, by records of another host, or by estimates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from einnet.codegen.gpu.assemble import lowering_pipeline
from einnet.codegen.gpu.host import BYTES
from einnet.errors import InputError, Location, ToolchainError
from einnet.expr.program import Opaque, Program, constants_of
from einnet.mutations.candidates import (
    chain_plans,
    parallel_plans,
    promising,
    setting_of,
    with_mutants,
)
from einnet.operators.cost import h100
from einnet.options import Options
from einnet.program.interplay import rewrite_program
from einnet.program.joint import entered
from einnet.program.subprograms import Subprogram, contractions_of
from einnet.program.variants import (
    Variant,
    variants,
    verified_variants,
)
from einnet.race_cuda import Race, check_records, choose_variant, enter, enter_combined, write_race
from einnet.runtime.cuda.artifact import best_chip
from einnet.runtime.cuda.forms import ORIGINAL
from einnet.runtime.cuda.measure import measure_artifact
from einnet.runtime.cuda.records import Records
from einnet.toolchain import tools
from einnet.toolchain.doctor import find_gpus
from einnet.trace import Trace
from einnet.tuning.constants import Constants
from einnet.verify.certificate import Certificate
from einnet.verify.plan import VerifiedProgram, verify_plan

Array = NDArray[Any]

MAX_VARIANTS = 16
"""Whole programs that are proved, lowered and measured, at most, besides the combined one."""


@dataclass(frozen=True)
class CudaCompilation:
    """A race that is decided: the variant that runs, what was measured, seconds of each stage.

    `optimized` is the chosen variant as a module, once there is one, in the model's own types.
    `module_certificate` proves it equal to the imported module; `unproved` says why nothing does.
    """

    race: Race
    chosen: str
    records: Records | None
    seconds: dict[str, float]
    optimized: str = ""
    module_certificate: Certificate | None = None
    unproved: str = ""

    @property
    def variant(self) -> Variant:
        return self.race.variants[self.chosen]

    @property
    def certificate(self) -> Certificate:
        """The proof of the program that was lowered."""
        return self.race.verified[self.chosen].certificate


def compile_cuda(
    program: Program,
    weights: Mapping[str, Array],
    options: Options,
    trace: Trace,
    records: Records | None = None,
) -> CudaCompilation:
    """Compile a program for a GPU. `records` decide if they are given, else measuring on the GPU
    here if `options.measure`, else estimates.

    Raises EinnetError for what the CUDA target cannot compute, for records of something else, and
    for a missing ptxas or GPU: before the search as far as that can be told.
    """
    check_target(options, records)
    race = start_race(program, weights, options, trace)
    return finish_race(race, options, trace, records)


def check_target(options: Options, records: Records | None) -> None:
    """Raise EinnetError for what a compilation with these options would lack in the end."""
    chips = options.chips.split(",")
    for chip in chips:
        lowering_pipeline(chip)
    tools.require("ptxas")
    if records is not None:
        if records.environment.precision != options.precision:
            raise InputError(
                f"the records are of precision {records.environment.precision}, not"
                f" {options.precision}",
                hint=f"compile with --precision {records.environment.precision}, or measure an"
                f" artifact of precision {options.precision}",
            )
    elif options.measure:
        try:
            gpu = find_gpus()[0]
        except ToolchainError as error:
            raise ToolchainError(
                f"there is nothing to measure on: {error.message}",
                hint="--no-measure chooses by estimates; `einnet measure` on a host with a GPU then"
                " makes records, and --records chooses by them",
            ) from error
        if best_chip(dict.fromkeys(chips), gpu.capability) is None:
            raise InputError(
                f"kernels for {options.chips} cannot be measured on {gpu}",
                hint=f"--chips {options.chips},{gpu.chip} adds them, --no-measure does without",
            )


def require_expressions(program: Program, where: Location) -> None:
    """Raise InputError for what no GPU kernel computes: operations without an expression, and
    element types that kernels do not have."""
    for statement in program.statements:
        if isinstance(statement, Opaque):
            raise InputError(
                f"the target cuda cannot compute {statement.operation.partition('(')[0]}, which has"
                " no expression here",
                location=where,
                hint="--target cpu runs it",
            )
    for tensor in (*program.inputs, *(d.result for d in program.definitions)):
        if tensor.dtype not in BYTES:
            raise InputError(
                f"the target cuda has no elements of type {tensor.dtype}, as '{tensor.name}' has",
                location=where,
                hint=f"its types are {', '.join(BYTES)}; --target cpu runs the model as it is",
            )


def start_race(
    program: Program, weights: Mapping[str, Array], options: Options, trace: Trace
) -> Race:
    """Search a program for variants and enter them."""
    program, subprograms = _searched(program, options, trace)
    race = Race(program, subprograms, options.precision, Constants(weights))
    with trace.stage("combining"):
        found = variants(program, race.subprograms, MAX_VARIANTS)
    enter(race, found, options, trace)
    if not race.variants:
        trace.progress("left as it is: no variant can be proved, but a program equals itself")
        choices = tuple(len(s.candidates) - 1 for s in race.subprograms)
        enter(race, [Variant(ORIGINAL, choices, program)], options, trace)
    return race


def choose_program(
    program: Program, where: Location, options: Options, trace: Trace
) -> Program | None:
    """The program of the variant that a compilation would run; None if none can be proved.

    Raises EinnetError as `compile_cuda` does, and for weights if it is to be measured.
    """
    if options.measure:
        if program.weights:
            raise InputError(
                "the values of weights are not in a module, and measuring needs them",
                location=where,
                hint="measure=false chooses by estimates",
            )
        return compile_cuda(program, {}, options, trace).variant.program
    program, subprograms = _searched(program, options, trace)
    with trace.stage("combining"):
        found = variants(program, subprograms, MAX_VARIANTS)
    with trace.stage("proving"):
        # One at a time, and only until one is proved: they come in the order of their estimates.
        for variant in found:
            proved = verified_variants(program, [variant], seed=options.seed, rounds=options.rounds)
            if proved.variants:
                return proved.variants[0][0].program
            trace.progress(f"dropped: {', '.join(proved.dropped)}")
    return None


def _searched(
    program: Program, options: Options, trace: Trace
) -> tuple[Program, tuple[Subprogram, ...]]:
    """The program after rewrites over several definitions, and the candidates of each contraction
    in it."""
    machine = h100(options.precision)
    program = _rewritten(program, options, trace)
    constants = constants_of(program)
    contractions = contractions_of(program, constants, machine.types)
    setting = setting_of(program, constants, machine, options)
    subprograms: list[Subprogram] = []
    for number, definition in enumerate(contractions, 1):
        trace.progress(f"subprogram {number} of {len(contractions)}: {definition.label}")
        with trace.stage("searching"):
            subprogram = setting.derive(definition, constants)
        with trace.stage("mutating"):
            mutants = promising(subprogram, setting) if options.mutate else ()
        with trace.stage("proving"):
            subprograms.append(with_mutants(subprogram, mutants, setting))
    found = tuple(subprograms)
    if options.mutate:
        with trace.stage("mutating"):
            plans = (*parallel_plans(found, setting), *chain_plans(found, setting))
        for joint in plans:
            trace.progress(f"{'+'.join(joint.names)}: {joint.mutant}")
            found = entered(found, joint)
    return program, found


def _rewritten(program: Program, options: Options, trace: Trace) -> Program:
    with trace.stage("rewriting"):
        rewritten = rewrite_program(program, h100(options.precision))
    if not rewritten.applied:
        return program
    with trace.stage("proving"):
        verified = verify_plan(program, rewritten.program, seed=options.seed, rounds=options.rounds)
    if not isinstance(verified, VerifiedProgram):
        trace.progress(f"dropped: {', '.join(rewritten.applied)}: {verified}")
        return program
    trace.progress(f"rewritten: {', '.join(rewritten.applied)}")
    return verified.program


def finish_race(
    race: Race, options: Options, trace: Trace, records: Records | None = None
) -> CudaCompilation:
    """Measure the variants that are entered, unless records decide, and choose one.

    Raises InputError for records that are not of this race.
    """
    if records is None and options.measure:
        records = _measured(race, options, trace, None)
        if enter_combined(race, records, options, trace):
            records = _measured(race, options, trace, records)
    elif records is not None:
        enter_combined(race, records, options, trace)
        check_records(race, records, trace)
    chosen = choose_variant(race, records)
    trace.progress(f"chosen: {chosen}")
    return CudaCompilation(race, chosen, records, dict(trace.seconds))


def _measured(race: Race, options: Options, trace: Trace, known: Records | None) -> Records:
    with trace.stage("measuring"), TemporaryDirectory(prefix="einnet-") as scratch:
        folder = Path(scratch) / "race.einnet"
        write_race(race, folder, next(iter(race.hosts)), known, options, {})
        return measure_artifact(
            folder,
            rounds=options.repetitions,
            seed=options.seed,
            # Times compare round by round, so those of another session are left behind.
            known=known and replace(known, variants={}),
            say=trace.progress,
        )


def write_compilation(compilation: CudaCompilation, folder: Path, options: Options) -> None:
    """Write the artifact of a compilation."""
    write_race(
        compilation.race,
        folder,
        compilation.chosen,
        compilation.records,
        options,
        compilation.seconds,
        compilation.optimized,
        compilation.module_certificate,
        compilation.unproved,
    )
