"""What ptxas says of InfoGAN's kernels and of a sample of others; what they compute, on a CPU too.

Kernels are assembled many at a time: starting ptxas takes longer than most of them.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from emulate import run
from kernel_sample import DTYPES, SAMPLES
from machine_code import check_resources

import infogan as example  # pyright: ignore[reportMissingImports]
from einnet.bridge.emit import emit_program
from einnet.codegen.cpu.lower import lower
from einnet.codegen.gpu.frame import Kernel
from einnet.codegen.gpu.gather import Gather, gathers
from einnet.codegen.gpu.kernel import Schedule, build_kernel, schedules
from einnet.codegen.gpu.lower import lower_program
from einnet.codegen.gpu.reductions import Reduce, reductions
from einnet.codegen.gpu.sums import is_whole
from einnet.codegen.gpu.transpose import Transpose, transposes
from einnet.codegen.gpu.window import Window, windows
from einnet.driver import lifted_program
from einnet.expr.program import Program, constants_of
from einnet.frontend.load import load_model
from einnet.operators.cost import h100
from einnet.program.precision import in_precision
from einnet.program.subprograms import LIBRARIES, LIMITS, contractions_of, derive
from einnet.program.variants import variants
from einnet.runtime.program import jit_program
from einnet.toolchain.mlir import make_context
from kernels import Case, case, expected, random_arrays

CHIPS = ("sm_80", "sm_90a")


def sample(name: str, dtype: str) -> Case:
    chosen = SAMPLES[name]
    return case(chosen.text, dtype, **chosen.shapes).with_strides(**chosen.strides)


def all_schedules(given: Case) -> tuple[Schedule, ...]:
    """What is offered, and what would be if there were more room."""
    found: list[Schedule] = [*schedules(given.definition, given.buffers)]
    if not is_whole(given.definition):
        for kind in (gathers, transposes, reductions, windows):
            found += kind(given.definition, given.buffers)
    return tuple(dict.fromkeys(found))


@pytest.fixture(scope="module")
def infogan(tmp_path_factory: pytest.TempPathFactory) -> Program:
    path = tmp_path_factory.mktemp("infogan") / "infogan.onnx"
    onnx.save(example.build(1), path)
    return lifted_program(load_model(path))


def kernels_of(program: Program, precision: str) -> tuple[Kernel, ...]:
    """The kernels, in all their schedules, of every variant of the program that is measured."""
    machine, constants = h100(precision), constants_of(program)
    subprograms = [
        derive(c, program, constants, machine, LIMITS, 2, "converging", LIBRARIES["cuda"])
        for c in contractions_of(program, constants, machine.types)
    ]
    kernels: dict[str, Kernel] = {}
    found = variants(program, tuple(subprograms), 16)
    assert len(found) > 5
    for variant in (v.program for v in found):
        lowered = lower_program(variant, in_precision(variant, precision), precision)
        others = [k for choices in lowered.alternatives.values() for k in choices]
        kernels |= {k.symbol: k for k in (*lowered.kernels, *others)}
    return tuple(kernels.values())


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_infogan(infogan: Program, precision: str) -> None:
    kernels = kernels_of(infogan, precision)
    assert len(kernels) > 30
    for chip in CHIPS:
        check_resources(kernels, chip)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_sample_of_kernels(dtype: str) -> None:
    kernels: list[Kernel] = []
    for name in SAMPLES:
        given = sample(name, dtype)
        offered = all_schedules(given)
        kernels += [build_kernel(given.definition, given.buffers, s) for s in offered]
    assert len(kernels) > 3 * len(SAMPLES)
    for chip in CHIPS:
        check_resources(kernels, chip)


def test_the_sample_has_every_kind_of_schedule() -> None:
    kinds = {type(s) for name in SAMPLES for s in all_schedules(sample(name, "f32"))}
    assert kinds == {Gather, Transpose, Reduce, Window}
    tiles = [s for n in SAMPLES for s in all_schedules(sample(n, "f32")) if isinstance(s, Reduce)]
    assert {s.form for s in tiles} == {"row", "column"}
    assert any(s.tile for s in tiles)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_cpu_computes_the_same(name: str) -> None:
    """The CPU target, the emulated kernel and the interpreter agree."""
    given = sample(name, "f32")
    arrays = random_arrays(given)
    definition = given.definition
    program = Program("f", definition.operands, (definition,), (definition.result,))
    executable = jit_program(lower(str(emit_program(program, make_context()))), {})
    (on_cpu,) = executable(*(arrays[t.name] for t in definition.operands))
    on_gpu = run(build_kernel(definition, given.buffers), given.buffers, arrays)
    correct = expected(given, arrays)
    bound = 2.0**-16 * max(1.0, float(np.abs(correct).max()))
    np.testing.assert_allclose(on_gpu, correct, rtol=0, atol=bound)
    np.testing.assert_allclose(on_cpu, on_gpu, rtol=0, atol=bound)
