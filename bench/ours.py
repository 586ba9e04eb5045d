"""Our contender: a workload compiled for the GPU, all of its variants measured, the fastest taken.

Models are compiled from their ONNX files where torch-mlir is installed. On a GPU host without it
they are compiled from what `python -m bench.ours MODEL...` wrote before, elsewhere: the same module
as text, beside which the weights come from the ONNX file again.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.command import Parser
from bench.contender import Workload
from einnet.codegen.gpu.host import key_of
from einnet.driver import lifted_program
from einnet.driver_cuda import CudaCompilation, finish_race, start_race
from einnet.errors import InputError, Location
from einnet.expr.program import Program
from einnet.frontend.load import load_model
from einnet.options import Options
from einnet.race_cuda import write_race
from einnet.runtime.cuda.artifact import executable, load_cuda_artifact
from einnet.runtime.cuda.device import open_device
from einnet.runtime.cuda.executor import CudaProgram
from einnet.runtime.cuda.forms import ORIGINAL
from einnet.runtime.cuda.timing import Contender as Replays
from einnet.runtime.cuda.timing import contender
from einnet.trace import Trace

Array = NDArray[Any]

IMPORTED = Path(__file__).resolve().parents[1] / "build" / "imported"
"""Where the modules of models are, for hosts that cannot import."""


@dataclass
class Compiled:
    """A workload compiled and loaded, its inputs in place."""

    name: str
    compilation: CudaCompilation
    program: CudaProgram

    @property
    def provenance(self) -> str:
        race = self.compilation.race
        chosen = self.compilation.variant.choices
        candidates = [s.candidates[n] for s, n in zip(race.subprograms, chosen, strict=True)]
        return "derived" if any(c.steps and not c.as_written for c in candidates) else ORIGINAL

    @property
    def candidates(self) -> Mapping[str, float]:
        records = self.compilation.records
        return {n: s.median for n, s in records.variants.items()} if records else {}

    @property
    def algorithms(self) -> Sequence[str]:
        records = self.compilation.records
        found = records.calls if records else {}
        chosen = [
            (c.label, found[k]) for c in self.program.program.calls if (k := key_of(c)) in found
        ]
        return [f"{label}: {r.algorithm['name']}" for label, r in chosen if r.algorithm]

    def capture(self, stream: int) -> Replays:
        return contender(self.program, stream)

    def output(self) -> Array:
        (array,) = self.program.read_outputs().values()
        return array


def build(workload: Workload, precision: str) -> Compiled:
    """Search, prove and lower the variants of a workload, measure them here, load the fastest.

    Raises EinnetError if it cannot be compiled, or there is no GPU.
    """
    options = Options(target="cuda", precision=precision, repetitions=20, candidates=3)
    trace = Trace(lambda line: print(f"  {line}", file=sys.stderr, flush=True))
    program, weights = _program(workload)
    race = start_race(program, weights, options, trace)
    compilation = finish_race(race, options, trace)
    for stage, seconds in compilation.seconds.items():
        print(f"  {stage}: {seconds:.1f} s", file=sys.stderr)
    with TemporaryDirectory(prefix="einnet-") as scratch:
        folder = Path(scratch) / "ours.einnet"
        write_race(race, folder, compilation.chosen, compilation.records, options, {})
        artifact = load_cuda_artifact(folder)
        made = executable(artifact, device=open_device())
    inputs = {b.name: np.ascontiguousarray(workload.inputs[b.name]) for b in made.inputs}
    made.write_inputs(inputs)
    return Compiled(workload.name, compilation, made)


def _program(workload: Workload) -> tuple[Program, Mapping[str, Array]]:
    """The program in f32, as models are imported, and its weights."""
    if isinstance(workload.source, Program):
        weights = {n: w.astype(np.float32) for n, w in workload.weights.items()}
        return workload.source, weights
    path = workload.source
    if importlib.util.find_spec("torch_mlir") is not None:
        model = load_model(str(path))
        return lifted_program(model), model.weights
    module = IMPORTED / f"{path.stem}.mlir"
    if not module.exists():
        raise InputError(
            "was not imported, and torch-mlir is not installed",
            location=Location(str(path)),
            hint=f"where it is: python -m bench.ours {path}",
        )
    model = load_model(str(module))
    return lifted_program(model), _initializers(path)


def _initializers(path: Path) -> dict[str, Array]:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def main() -> int:
    parser = Parser("bench.ours", "Import models for hosts that cannot.")
    parser.add_argument("models", type=Path, nargs="+", help="ONNX files")
    IMPORTED.mkdir(parents=True, exist_ok=True)
    for path in parser.parse_args().models:
        module = IMPORTED / f"{path.stem}.mlir"
        module.write_text(load_model(str(path)).mlir, encoding="utf-8")
        print(module)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
