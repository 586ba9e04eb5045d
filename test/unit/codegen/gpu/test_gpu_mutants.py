"""Host programs of mutants with corrections, and of chains that are moved alike, mean what the
model means."""

from __future__ import annotations

from dataclasses import replace

from definitions import chain
from test_gpu_lower import Kernels, kernels, lowered  # pyright: ignore[reportUnusedImport]  # noqa: F401

from einnet.codegen.gpu.host import ConvolutionCall
from einnet.expr.program import Program, constants_of
from einnet.mutations.candidates import (
    Setting,
    chain_plans,
    promising,
    setting_of,
    with_mutants,
)
from einnet.operators.cost import h100
from einnet.options import Options
from einnet.program.joint import entered
from einnet.program.subprograms import Subprogram, contractions_of
from einnet.program.variants import variants

OPTIONS = Options(target="cuda", measure=False, mutation_depth=1, mutation_rounds=1)

IMAGES = chain(
    "L<n:2,f:4,h:30,w:20> S<c:3,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
    inputs={"X": (2, 3, 30, 20), "W": (4, 3, 3, 3)},
    weights=("W",),
)

LAYERS = chain(
    "L<n:2,f:4,h:7,w:6> S<c:3,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
    "L<n:2,f:4,h:7,w:6> relu(t0[n,f,h,w] + B[f])",
    "L<n:2,f:5,h:7,w:6> S<c:4,r:3,s:3> t1[n,c,h+r-1,w+s-1] * V[f,c,r,s]",
    inputs={"X": (2, 3, 7, 6), "W": (4, 3, 3, 3), "B": (4,), "V": (5, 4, 3, 3)},
    weights=("W", "B", "V"),
)


def searched(program: Program) -> tuple[tuple[Subprogram, ...], Setting]:
    """On a machine where only arithmetic takes time: layouts cost nothing."""
    machine = replace(h100("fp32"), launch=0.0, bandwidth=1e20, units=1, step=0.0, loop_rate=2e13)
    constants = constants_of(program)
    setting = setting_of(program, constants, machine, OPTIONS)
    definitions = contractions_of(program, constants, machine.types)
    return tuple(setting.derive(d, constants) for d in definitions), setting


def test_corrected_mutants_compute_the_convolution(kernels: Kernels):  # noqa: F811
    ((subprogram,), setting) = searched(IMAGES)
    after = with_mutants(subprogram, promising(subprogram, setting), setting)
    corrected = {v.name: v.program for v in variants(IMAGES, [after], 50) if "correction" in v.name}
    assert corrected
    for program in corrected.values():
        host = lowered(program, kernels, IMAGES)
        assert any(isinstance(step, ConvolutionCall) for step in host.steps)


def test_a_chain_side_by_side_computes_the_layers(kernels: Kernels):  # noqa: F811
    subprograms, setting = searched(LAYERS)
    plans = chain_plans(subprograms, setting)
    assert [p.names for p in plans] == [("t0", "t2")]
    found = variants(LAYERS, entered(subprograms, plans[0]), 50)
    programs = [v.program for v in found if v.name.startswith("t0+t2: ")] or [found[0].program]
    for program in programs:
        host = lowered(program, kernels, LAYERS)
        assert sum(isinstance(step, ConvolutionCall) for step in host.steps) == 2
