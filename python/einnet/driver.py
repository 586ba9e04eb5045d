"""The whole flow, flat: read this first.

A model becomes linalg, linalg becomes expressions, each contraction is searched, mutants with their
corrections join what was found, every candidate is proved and timed, the winners are put together
and fused, the result becomes linalg again, is proved equal to the imported function as a whole, and
is lowered to an artifact.

`driver_cuda.py` goes on from the expressions for a GPU: there whole programs are proved, lowered
and timed, and the one that is chosen becomes linalg to be proved once more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from mlir import ir
from mlir.dialects import func

from einnet.bridge.attributes import CONSTANT, LIBRARY, PREPARE, WEIGHT, has_symbol
from einnet.bridge.emit import (
    emit_program,
    function_named,
    replace_function,
    restore_function,
)
from einnet.bridge.lift import lift_composed, lift_function
from einnet.bridge.mutants import refuse_uncorrected
from einnet.bridge.natural import natural
from einnet.bridge.refusal import NotEmittable
from einnet.codegen.cpu.isolated import lower_isolated
from einnet.codegen.cpu.jit import Executable
from einnet.codegen.cpu.library import build_library
from einnet.codegen.cpu.lower import Lowered
from einnet.codegen.cpu.openblas import set_threads
from einnet.driver_cuda import (
    CudaCompilation,
    choose_program,
    compile_cuda,
    require_expressions,
    write_compilation,
)
from einnet.errors import InputError, Location
from einnet.expr.canonical import fingerprint
from einnet.expr.check import check_program
from einnet.expr.program import Definition, Program, constants_of
from einnet.mutations.candidates import parallel_plans, promising, setting_of, with_mutants
from einnet.operators.cost import CPU, h100
from einnet.options import Options
from einnet.program.folding import fold_constants
from einnet.program.fusion import fuse_eoperators
from einnet.program.interplay import rewrite_program
from einnet.program.joint import Joint, spliced
from einnet.program.selection import Choice, choose, choose_joint, prove, prove_joint
from einnet.program.subprograms import Subprogram, contractions_of
from einnet.runtime.artifact import Library, write_artifact
from einnet.toolchain import tools
from einnet.toolchain.doctor import environment
from einnet.toolchain.mlir import locate, make_context, parse_module
from einnet.trace import Trace
from einnet.verify.certificate import Certificate
from einnet.verify.equivalence import Different, Undecided
from einnet.verify.plan import VerifiedProgram, verify_plan

if TYPE_CHECKING:
    from einnet.frontend.model import ImportedModel
    from einnet.runtime.cuda.records import Records


T = TypeVar("T")


@dataclass(frozen=True)
class Compilation:
    """A model compiled for the CPU: the imported program, what was chosen for each of its
    subprograms, the optimized module and its proof, the lowered module, CPU seconds of each stage.
    """

    model: ImportedModel
    program: Program
    choices: tuple[Choice, ...]
    optimized: str
    certificate: Certificate
    lowered: Lowered
    seconds: dict[str, float]


def compile_file(
    path: str,
    options: Options,
    trace: Trace | None = None,
    *,
    batch: int | None = None,
    entry: str | None = None,
    records: Records | None = None,
) -> Compilation | CudaCompilation:
    """Load a model from a file and compile it. Raises EinnetError for what is the user's."""
    from einnet.frontend.load import load_model

    trace = trace or Trace()
    with trace.stage("importing"):
        model = load_model(path, batch=batch, entry=entry)
    return compile_model(model, options, trace, records)


def compile_model(
    model: ImportedModel, options: Options, trace: Trace, records: Records | None = None
) -> Compilation | CudaCompilation:
    """Compile an imported model for the target of the options. `records` are for a GPU."""
    with trace.stage("lifting"):
        imported, reference, program = _lifted(model)
        _require_weights(program, model)
    if options.target == "cuda":
        require_expressions(program, Location(str(model.source)))
        compilation = compile_cuda(program, model.weights, options, trace, records)
        return _with_module(compilation, imported, reference, model.entry, options, trace)
    return _compile_cpu(model, imported, reference, program, options, trace)


def _compile_cpu(
    model: ImportedModel,
    imported: ir.Module,
    reference: Program,
    program: Program,
    options: Options,
    trace: Trace,
) -> Compilation:
    optimized, choices = optimize(program, options, trace)
    with trace.stage("emitting"):
        module = emit_program(optimized, imported.context, imported, model.entry)
    with trace.stage("validating"):
        verified = validate(reference, module, model.entry, options)
        if isinstance(verified, Undecided):
            trace.progress(f"left as it is, since the proof is out of reach: {verified.reason}")
            module, choices = imported, ()
            verified = validate(reference, module, model.entry, options)
            assert not isinstance(verified, Undecided), "a program equals itself"
    with trace.stage("lowering"):
        text = str(module)
        lowered = lower_isolated(text, model.entry, f"{model.source} (optimized)")
    return Compilation(
        model, program, choices, text, verified.certificate, lowered, dict(trace.seconds)
    )


def _with_module(
    compilation: CudaCompilation,
    imported: ir.Module,
    reference: Program,
    entry: str,
    options: Options,
    trace: Trace,
) -> CudaCompilation:
    """The compilation with the chosen variant as a module in the model's own types, proved equal to
    the imported one. What runs was proved as a program already: a module whose proof is out of
    reach is kept without one."""
    with trace.stage("emitting"):
        module = _emit_variant(compilation.variant.program, imported, entry, trace)
    with trace.stage("validating"):
        verified = validate(reference, module, entry, options)
    text, seconds = str(module), dict(trace.seconds)
    if isinstance(verified, Undecided):
        trace.progress(f"the module is not proved, only the program: {verified.reason}")
        return replace(compilation, optimized=text, unproved=verified.reason, seconds=seconds)
    certificate = verified.certificate
    return replace(compilation, optimized=text, module_certificate=certificate, seconds=seconds)


def _emit_variant(program: Program, imported: ir.Module, entry: str, trace: Trace) -> ir.Module:
    return _emitted(program, trace, lambda p: emit_program(p, imported.context, imported, entry))


def _emitted(program: Program, trace: Trace, emit: Callable[[Program], T]) -> T:
    try:
        return emit(program)
    except NotEmittable as error:
        # Libraries of a GPU read matrices that no linalg operation names; loops read anything.
        trace.progress(f"products are loops in the module: {error}")
        plain = tuple(
            replace(s, library=None) if isinstance(s, Definition) else s for s in program.statements
        )
        return emit(replace(program, statements=plain))


def searched_program(
    path: str, options: Options, *, batch: int | None = None, entry: str | None = None
) -> Program:
    """The program of a model's file as the search gets it, from which a compilation goes on. The
    values of weights need not be known."""
    from einnet.frontend.load import load_model

    *_, program = _lifted(load_model(path, batch=batch, entry=entry))
    return _rewritten(program, options, Trace())


def lifted_program(model: ImportedModel) -> Program:
    """The model as a program, each operation as the expression that it naturally is."""
    *_, program = _lifted(model)
    return program


def _lifted(model: ImportedModel) -> tuple[ir.Module, Program, Program]:
    """The model's module, what its function computes operation by operation, and the same with
    each operation as the expression that it naturally is."""
    imported = parse_module(model.mlir, make_context(), str(model.source))
    refuse_uncorrected(imported.operation, str(model.source))
    reference = lift_function(function_named(imported, model.entry))
    program = natural(reference)
    check_program(program)
    return imported, reference, program


def optimize_module(
    module: ir.Module, options: Options, trace: Trace | None = None, filename: str = "<stdin>"
) -> ir.Module:
    """Optimize, in place, every function of a module that has a contraction. All else stays as it
    is: other functions, declarations, nested modules, operations of any dialect, and functions in
    which operations have an `einnet.library` already.

    Each function is proved equal to what it was, or left as it was where the proof is out of reach,
    and where the target has no kernel for one of its operations. A function keeps its signature,
    but for that of the only one with weights, if nothing in the module refers to it: what it needs
    of weights alone is computed by @prepare. For a GPU, the module is that of the variant that a
    compilation would run. Raises EinnetError for what the options ask for and cannot be had.
    """
    trace = trace or Trace()
    types = (CPU if options.target == "cpu" else h100(options.precision)).types
    for entry in _functions(module):
        function = function_named(module, entry)
        if any(LIBRARY in op.attributes for op in function.regions[0].blocks[0].operations):
            continue
        program = lift_function(function, filename)
        if not _may_prepare(module, function, program):
            program = replace(program, weights=frozenset())
        searched = natural(program)
        if not contractions_of(searched, constants_of(searched), types):
            continue
        place = locate(function.location, filename)
        optimized = _optimized_function(searched, place, options, trace)
        if optimized is not None:
            _replace(module, entry, program, optimized, options, trace)
    return module


def _optimized_function(
    program: Program, place: Location, options: Options, trace: Trace
) -> Program | None:
    if options.target == "cpu":
        return optimize(program, options, trace)[0]
    try:
        require_expressions(program, place)
    except InputError as refusal:
        trace.progress(f"left as it is: {refusal}")
        return None
    return choose_program(program, place, options, trace)


def _replace(
    module: ir.Module,
    entry: str,
    reference: Program,
    optimized: Program,
    options: Options,
    trace: Trace,
) -> None:
    """Put the optimized program in the place of the function, if it is proved equal to it.

    Raises RefutedError, our bug, if it is not equal.
    """
    old = _emitted(optimized, trace, lambda program: replace_function(program, module, entry))
    prepared = bool(reference.weights) and has_symbol(module, PREPARE)
    lift = (
        lift_composed(module, entry) if prepared else lift_function(function_named(module, entry))
    )
    candidate = lift if reference.weights else replace(lift, weights=frozenset())
    verified = verify_plan(reference, candidate, seed=options.seed, rounds=options.rounds)
    if isinstance(verified, Different):
        raise RefutedError(f"the optimized module is not equal to @{entry}: {verified}")
    if isinstance(verified, Undecided):
        trace.progress(f"@{entry} is left as it is: {verified.reason}")
        restore_function(module, old, prepared=prepared)


def _may_prepare(module: ir.Module, function: func.FuncOp, program: Program) -> bool:
    """Whether the function's weights may become constants of a @prepare: nobody in the module calls
    it with them, no other function has weights, nothing is called @prepare, and no argument is a
    constant already."""
    if not program.weights or has_symbol(module, PREPARE):
        return False
    if CONSTANT in str(function.operation.attributes.get("arg_attrs")):
        return False
    name = function.name.value
    texts = [str(op) for op in module.body.operations if op.operation != function.operation]
    texts += map(str, module.operation.attributes.values())
    symbol = re.compile(rf'@"?{re.escape(name)}(?![\w$.-])')
    return not any(WEIGHT in text or symbol.search(text) for text in texts)


def optimize(
    program: Program, options: Options, trace: Trace
) -> tuple[Program, tuple[Choice, ...]]:
    """Search each subprogram, choose a candidate for it, put the choices together and fuse."""
    set_threads(options.threads)
    program = _rewritten(program, options, trace)
    constants = constants_of(program)
    contractions = contractions_of(program, constants)
    setting = setting_of(program, constants, CPU, options)
    subprograms: list[Subprogram] = []
    choices: list[Choice] = []
    for number, definition in enumerate(contractions, 1):
        label = f"subprogram {number} of {len(contractions)}: {definition.label}"
        trace.progress(label)
        with trace.stage("searching"):
            subprogram = setting.derive(definition, constants)
        with trace.stage("mutating"):
            mutants = promising(subprogram, setting) if options.mutate else ()
        with trace.stage("proving"):
            subprogram = with_mutants(subprogram, mutants, setting)
            proved = prove(subprogram, constants, options)
        with trace.stage("choosing"):
            choice = choose(proved, options)
        subprograms.append(subprogram)
        choices.append(choice)
        trace.progress(f"{label}: {choice.candidate.name or 'original'}")
    if options.mutate:
        with trace.stage("mutating"):
            plans = parallel_plans(subprograms, setting)
        choices = list(_with_joint_plans(program, plans, choices, options, trace))
    with trace.stage("fusing"):
        chosen = {c.subprogram.name: c.candidate.statements for c in choices}
        optimized = fold_constants(fuse_eoperators(spliced(program, chosen)))
        check_program(optimized)
    return optimized, tuple(choices)


def _with_joint_plans(
    program: Program,
    plans: Sequence[Joint],
    choices: Sequence[Choice],
    options: Options,
    trace: Trace,
) -> Sequence[Choice]:
    """The choices with those joint plans that take less time, each subprogram in one at most."""
    for joint in plans:
        if any(c.candidate.joint for c in choices if c.subprogram.name in joint.plans):
            continue
        with trace.stage("proving"):
            proved = prove_joint(program, joint, choices, options)
        if isinstance(proved, str):
            trace.progress(f"dropped: {proved}")
            continue
        with trace.stage("choosing"):
            choices = choose_joint(proved, choices, options)
        taken = any(c.candidate.joint == joint.names for c in choices)
        trace.progress(f"{'+'.join(joint.names)}: {joint.mutant}: {'' if taken else 'not '}taken")
    return choices


def _rewritten(program: Program, options: Options, trace: Trace) -> Program:
    """The program after the rewrites over several definitions that pay, if they are proved."""
    with trace.stage("rewriting"):
        rewritten = rewrite_program(program, CPU)
    if not rewritten.applied:
        return program
    with trace.stage("proving"):
        verified = verify_plan(program, rewritten.program, seed=options.seed, rounds=options.rounds)
    names = ", ".join(rewritten.applied)
    if not isinstance(verified, VerifiedProgram):
        trace.progress(f"dropped: {names}: {verified}")
        return program
    trace.progress(f"rewritten: {names}")
    return verified.program


def validate(
    reference: Program, optimized: ir.Module, entry: str, options: Options
) -> VerifiedProgram | Undecided:
    """Translation validation: the optimized module, lifted again, equals the imported function as
    it was lifted.

    Raises RefutedError, our bug, if it does not.
    """
    candidate = lift_composed(optimized, entry)
    verified = verify_plan(reference, candidate, seed=options.seed, rounds=options.rounds)
    if isinstance(verified, Different):
        raise RefutedError(f"the optimized module is not equal to @{entry}: {verified}")
    return verified


def write(compilation: Compilation | CudaCompilation, folder: Path, options: Options) -> None:
    """Write the artifact. That for the CPU has a shared library where a linker is at hand, else it
    is for the JIT."""
    if isinstance(compilation, CudaCompilation):
        write_compilation(compilation, folder, options)
        return
    lowered = compilation.lowered
    stored = Executable(lowered).stored(compilation.model.weights)
    with TemporaryDirectory(prefix="einnet-") as scratch:
        library = None
        if all(tools.find(name) for name in ("opt", "llc", "cc")):
            path = Path(scratch) / "program.so"
            library = Library(path, build_library(lowered, path))
        write_artifact(
            folder,
            optimized=compilation.optimized,
            lowered=lowered,
            stored=stored,
            library=library,
            certificate=json.loads(compilation.certificate.to_json()),
            trace=[_choice_record(c) for c in compilation.choices],
            environment={**asdict(options), "seconds": compilation.seconds, **environment()},
        )


def _require_weights(program: Program, model: ImportedModel) -> None:
    """Raise InputError if the values of a weight are not known: before the search, not after."""
    missing = sorted(program.weights - model.weights.keys())
    if missing:
        raise InputError(
            f"the values of {', '.join(missing)} are missing",
            location=Location(str(model.source)),
            hint="weights (einnet.weight) are read from the .safetensors file beside an .mlir file",
        )


def _functions(module: ir.Module) -> list[str]:
    """The names of the functions with a body of one block that ends in a return."""
    found = [op for op in module.body.operations if isinstance(op, func.FuncOp)]
    single = (f for f in found if len(f.regions[0].blocks) == 1)
    return [f.name.value for f in single if _returns(f)]


def _returns(function: func.FuncOp) -> bool:
    operations = list(function.regions[0].blocks[0].operations)
    return bool(operations) and operations[-1].operation.name == "func.return"


def _choice_record(choice: Choice) -> dict[str, object]:
    """A choice as JSON: the derivation step by step, the proof, every sample."""
    return {
        "subprogram": choice.subprogram.name,
        "expression": str(choice.subprogram.definition.scope),
        "fingerprint": fingerprint(choice.subprogram.definition.scope),
        "chosen": choice.name,
        "mutant": choice.candidate.mutant,
        "joint": list(choice.candidate.joint),
        "steps": [[s.rule, dict(s.parameters)] for s in choice.candidate.steps],
        "visited": choice.subprogram.visited,
        "certificate": json.loads(choice.certificate.to_json()),
        "samples": {name: samples.to_json() for name, samples in choice.samples.items()},
        "dropped": list(choice.dropped),
    }


class RefutedError(Exception):
    """The final module failed translation validation: nothing may be made of it."""
