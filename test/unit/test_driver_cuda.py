"""The CUDA target's flow on a host without a GPU: choosing by records, and what is refused."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from einnet import driver, driver_cuda, race_cuda
from einnet.bridge.refusal import NotEmittable
from einnet.codegen.gpu.assemble import Binary, assemble_all
from einnet.codegen.gpu.host import key_of
from einnet.driver import compile_model, lifted_program
from einnet.driver_cuda import CudaCompilation, finish_race, start_race
from einnet.errors import EinnetError, InputError, ToolchainError
from einnet.expr.program import Program
from einnet.frontend.mlir import import_mlir
from einnet.options import Options
from einnet.program.variants import Proved, Variant
from einnet.race_cuda import Race, samples_of
from einnet.runtime.cuda.artifact import load_cuda_artifact
from einnet.runtime.cuda.forms import ORIGINAL
from einnet.runtime.cuda.records import CallRecord, Environment, KernelRecord, Records
from einnet.runtime.cuda.timing import GpuSamples
from einnet.toolchain import tools
from einnet.toolchain.doctor import Gpu
from einnet.trace import Trace
from einnet.verify.equivalence import Undecided

CHAIN = """
func.func @main(%a: tensor<4x6xf32> {einnet.name = "a"}, %b: tensor<6x5xf32> {einnet.name = "b"},
    %c: tensor<5x8xf32> {einnet.name = "c"}, %d: tensor<8x7xf32> {einnet.name = "d"})
    -> (tensor<4x7xf32> {einnet.name = "e"}) {
  %zero5 = arith.constant dense<0.0> : tensor<4x5xf32>
  %p = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>)
      outs(%zero5 : tensor<4x5xf32>) -> tensor<4x5xf32>
  %zero8 = arith.constant dense<0.0> : tensor<4x8xf32>
  %q = linalg.matmul ins(%p, %c : tensor<4x5xf32>, tensor<5x8xf32>)
      outs(%zero8 : tensor<4x8xf32>) -> tensor<4x8xf32>
  %zero7 = arith.constant dense<0.0> : tensor<4x7xf32>
  %e = linalg.matmul ins(%q, %d : tensor<4x8xf32>, tensor<8x7xf32>)
      outs(%zero7 : tensor<4x7xf32>) -> tensor<4x7xf32>
  return %e : tensor<4x7xf32>
}
"""

OPTIONS = Options(target="cuda", precision="tf32", measure=False)


@pytest.fixture(scope="module")
def started() -> Race:
    model = import_mlir(Path("chain.mlir"), CHAIN)
    return start_race(lifted_program(model), model.weights, OPTIONS, Trace())


@pytest.fixture
def race(started: Race) -> Race:
    """A race of three products, each by cuBLASLt or by a generated kernel, nothing combined yet."""
    return copy.copy(replace(
        started, variants=dict(started.variants), verified=dict(started.verified),
        hosts=dict(started.hosts), kernels=dict(started.kernels),
    ))  # fmt: skip


def measured(race: Race, times: Mapping[str, float], precision: str = "tf32") -> Records:
    """Records as if these variants of the race had taken these microseconds."""
    calls = {
        key_of(call): CallRecord({"name": "a"}, 1e-6)
        for name in times
        for call in race.hosts[name].calls
    }
    kernels = {s: KernelRecord(s, {s: 1e-6}) for s in race.kernels}
    samples = {name: GpuSamples((t,) * 5) for name, t in times.items()}
    return Records(Environment("H100", "580", "13.0", "", "", precision), calls, kernels, samples)


def test_without_records_the_cheapest_by_estimate_is_chosen(race: Race):
    compilation = finish_race(race, OPTIONS, Trace())
    assert compilation.chosen == next(iter(race.variants)) and compilation.records is None
    assert len(race.subprograms) == 3 and len(race.variants) >= 4


def test_records_decide_and_a_lead_within_the_noise_does_not(race: Race):
    first, *others = race.variants
    slower = dict.fromkeys([first, *others], 50.0)
    fastest = others[-1]
    found = finish_race(race, OPTIONS, Trace(), measured(race, {**slower, fastest: 20.0}))
    assert found.chosen == fastest
    assert found.records is not None and fastest in found.records.variants
    if ORIGINAL in race.variants:
        close = measured(race, {**slower, first: 49.99})
        assert finish_race(race, OPTIONS, Trace(), close).chosen == ORIGINAL


def test_schedules_that_spill_are_no_choice(monkeypatch: pytest.MonkeyPatch):
    spilling: list[str] = []

    def assemble(modules: Sequence[str], chip: str) -> list[Binary]:
        """Every kernel's second schedule spills."""
        found = assemble_all(modules, chip)
        worse = {s for b in found for s in b.resources if s.startswith("e_") and s[2] in "02468ace"}
        spilling.extend(worse)
        return [
            replace(b, resources={
                s: replace(r, spill_bytes=8 * (s in worse)) for s, r in b.resources.items()
            })
            for b in found
        ]  # fmt: skip

    monkeypatch.setattr(race_cuda, "assemble_all", assemble)
    model = import_mlir(Path("chain.mlir"), CHAIN)
    made = start_race(lifted_program(model), model.weights, OPTIONS, Trace())
    offered = {a.symbol for others in made.alternatives.values() for a in others}
    assert made.spilling == set(spilling) and spilling
    assert offered and not offered & made.spilling


def test_what_was_best_in_each_subprogram_is_combined_and_found_again(race: Race):
    first, *others = race.variants
    swaps = [n for n in others if n != ORIGINAL][:2]
    times = {first: 50.0, **dict.fromkeys(swaps, 40.0)}
    messages: list[str] = []
    finish_race(race, OPTIONS, Trace(messages.append), measured(race, times))
    (name,) = [n for n in race.variants if n.startswith("combined ")]
    base, found = race.variants[first].choices, race.variants[name].choices
    assert sum(a != b for a, b in zip(base, found, strict=True)) == 2
    assert any(f"not in the records: {name}" in m for m in messages)

    # Measured again, the exchanges do not pay any more, but the combination does.
    again = measured(race, {first: 50.0, **dict.fromkeys(swaps, 60.0), name: 30.0})
    del race.variants[name], race.verified[name], race.hosts[name]
    assert finish_race(race, OPTIONS, Trace(), again).chosen == name


def test_names_do_not_make_records_of_this_model(race: Race):
    known = measured(race, dict.fromkeys(race.variants, 10.0))
    called = [name for name, host in race.hosts.items() if host.calls]
    assert called and set(samples_of(race, known)) == set(race.variants)
    others = replace(known, calls={"0123456789abcdef": CallRecord({}, 1.0)})
    assert not set(samples_of(race, others)) & set(called)
    others = replace(others, variants={n: known.variants[n] for n in called})
    with pytest.raises(InputError, match="of another model, or of other options") as caught:
        finish_race(race, OPTIONS, Trace(), others)
    assert "artifact of this model" in (caught.value.hint or "")


def test_records_of_several_sessions_do_not_compare(race: Race):
    known = measured(race, dict.fromkeys(race.variants, 10.0))
    mixed = {**known.variants, ORIGINAL: GpuSamples((9.0,) * 7)}
    with pytest.raises(InputError, match="different numbers of rounds"):
        finish_race(race, OPTIONS, Trace(), replace(known, variants=mixed))


def test_a_program_of_which_nothing_is_proved_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch):
    real = race_cuda.verified_variants

    def verified(program: Program, found: Sequence[Variant], *, seed: int, rounds: int) -> Proved:
        if len(found) > 1:
            return Proved((), tuple(f"{v.name}: out of reach" for v in found))
        return real(program, found, seed=seed, rounds=rounds)

    monkeypatch.setattr(race_cuda, "verified_variants", verified)
    compilation = compile_chain(OPTIONS)
    assert list(compilation.race.hosts) == [compilation.chosen] == [ORIGINAL]
    assert len(compilation.race.dropped) >= 4
    assert not compilation.race.hosts[ORIGINAL].calls, "kernels compute each operator as it stands"


def compile_chain(options: Options, records: Records | None = None) -> CudaCompilation:
    compilation = compile_model(import_mlir(Path("m.mlir"), CHAIN), options, Trace(), records)
    assert isinstance(compilation, CudaCompilation)
    return compilation


def test_the_artifact_holds_every_variant_and_the_chosen_one_as_a_module(tmp_path: Path):
    compilation = compile_chain(OPTIONS)
    assert compilation.module_certificate is not None and not compilation.unproved
    driver.write(compilation, tmp_path / "m", OPTIONS)
    artifact = load_cuda_artifact(tmp_path / "m")
    assert set(artifact.variants) == set(compilation.race.hosts)
    text = (tmp_path / "m" / "optimized.mlir").read_text()
    assert "func.func @main" in text and "tensor<4x7xf32>" in text
    assert (artifact.precision, list(artifact.cubins)) == ("tf32", ["sm_90a"])


def test_a_module_that_cannot_be_proved_is_kept_without_a_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def undecided(*_: Program, **__: int) -> Undecided:
        return Undecided("for a test")

    monkeypatch.setattr(driver, "verify_plan", undecided)
    compilation = compile_chain(OPTIONS)
    assert compilation.module_certificate is None and compilation.unproved == "for a test"
    assert compilation.certificate.error_bound < 1e-9, "the program was proved"
    driver.write(compilation, tmp_path / "m", OPTIONS)
    assert '"unproved": "for a test"' in (tmp_path / "m" / "certificate.json").read_text()


def test_products_that_linalg_cannot_name_become_loops(monkeypatch: pytest.MonkeyPatch):
    real = driver.emit_program

    def emit(program: Program, *arguments: object) -> object:
        if any(d.library for d in program.definitions):
            raise NotEmittable("a library computes no scaled product")
        return real(program, *arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(driver, "emit_program", emit)
    compilation = compile_chain(OPTIONS)
    assert "linalg.matmul" not in compilation.optimized and compilation.module_certificate


class Gpus:
    def __init__(self, *gpus: Gpu) -> None:
        self.gpus = gpus

    def __call__(self) -> tuple[Gpu, ...]:
        if not self.gpus:
            raise ToolchainError("NVIDIA's driver (libcuda) is missing")
        return self.gpus


def test_no_gpu_to_measure_on_is_said_before_the_search(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(driver_cuda, "find_gpus", Gpus())
    searched: list[object] = []

    def search(*arguments: object) -> None:
        searched.append(arguments)

    monkeypatch.setattr(driver_cuda, "start_race", search)
    with pytest.raises(ToolchainError, match="nothing to measure on: NVIDIA's driver") as caught:
        compile_chain(replace(OPTIONS, measure=True))
    assert "--no-measure" in (caught.value.hint or "") and not searched


def test_kernels_for_other_gpus_than_the_one_here(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(driver_cuda, "find_gpus", Gpus(Gpu("A100", (8, 0))))
    with pytest.raises(InputError, match="sm_90a cannot be measured on A100") as caught:
        compile_chain(replace(OPTIONS, measure=True))
    assert "--chips sm_90a,sm_80" in (caught.value.hint or "")


def test_records_of_another_precision(race: Race):
    with pytest.raises(InputError, match="of precision fp16, not tf32"):
        compile_chain(OPTIONS, measured(race, {}, "fp16"))


def test_other_chips_and_a_missing_ptxas(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="chip 'sm_70'"):
        compile_chain(replace(OPTIONS, chips="sm_90a,sm_70"))

    def nothing(_: str) -> None:
        return None

    monkeypatch.setattr(tools, "find", nothing)
    with pytest.raises(ToolchainError, match="ptxas is neither"):
        compile_chain(OPTIONS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {\n"
            "  %c = arith.cmpf olt, %a, %a : tensor<4xf32>\n"
            "  %r = arith.select %c, %a, %a : tensor<4xi1>, tensor<4xf32>\n"
            "  return %r : tensor<4xf32>\n}",
            "cannot compute arith.cmpf, which has no expression",
        ),
        (
            "func.func @main(%a: tensor<4xf8E5M2>) -> tensor<4xf8E5M2> {\n"
            "  return %a : tensor<4xf8E5M2>\n}",
            "no elements of type f8E5M2, as 'arg0' has",
        ),
    ],
)
def test_what_no_kernel_computes(text: str, message: str):
    with pytest.raises(EinnetError, match=message) as caught:
        compile_model(import_mlir(Path("m.mlir"), text), OPTIONS, Trace())
    assert str(caught.value.location) == "m.mlir" and "cpu" in (caught.value.hint or "")
