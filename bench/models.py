"""Whole models on a GPU: ours against PyTorch, torch.compile and JAX, row by row.

    python -m bench.models --device cuda        InfoGAN and DCGAN, batch 1 and 16, tf32 and fp16
    python -m bench.models --check              exit 1 and name what falls short

Every side of a row runs in one process, interleaved in random order, from CUDA graphs, on the
weights of one ONNX file; inputs and outputs are as the model declares them, in the element type of
the precision. L2-hot times decide, L2-cold ratios stand beside them.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bench.cases import Layout
from bench.contender import TOLERANCE, Workload
from bench.generators import bytes_of, evaluate, flops_of, latent_of, read_generator
from bench.operators import DTYPES
from bench.peers_jax import model_contender
from bench.peers_torch import AS_IT_IS, TorchContender, model_function
from bench.roofline import ELEMENT_BYTES, H100, roof_microseconds
from bench.rows_cuda import Setting, Sides, measure_row
from bench.table_cuda import Table, main
from bench.verdict import Row, Verdict, judge_models

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@dataclass(frozen=True)
class Model:
    """A program of examples/ for a batch; `baselines` are the best peer's microseconds."""

    example: str
    batch: int
    baselines: dict[str, float]

    @property
    def name(self) -> str:
        return f"{self.example} b{self.batch}"


# On an NVIDIA H100 80GB HBM3 with PyTorch 2.11, cuDNN 9, CUDA 13.0, in CUDA graphs, L2 hot.
MODELS = {
    model.name: model
    for model in (
        Model("infogan", 1, {"tf32": 89.5, "fp16": 71.7}),
        Model("infogan", 16, {"tf32": 92.9, "fp16": 71.1}),
        Model("dcgan", 1, {"tf32": 89.4, "fp16": 78.2}),
        Model("dcgan", 16, {"tf32": 124.2, "fp16": 93.5}),
    )
}


def write_onnx(model: Model, folder: Path) -> Path:
    """Write the model into a folder; the same model gives the same bytes."""
    if str(EXAMPLES) not in sys.path:
        sys.path.insert(0, str(EXAMPLES))
    path = folder / f"{model.example}-b{model.batch}.onnx"
    built: Any = importlib.import_module(model.example).build(model.batch)
    path.write_bytes(built.SerializeToString())
    return path


def blank(name: str, precision: str) -> Row:
    model = MODELS[name]
    with tempfile.TemporaryDirectory() as folder:
        generator = read_generator(write_onnx(model, Path(folder)))
    moved = bytes_of(generator, ELEMENT_BYTES[precision])
    roof = roof_microseconds(H100, precision, flops_of(generator), moved)
    baseline = model.baselines.get(precision)
    # Errors of the layers are independent: they add up as the root of their number.
    tolerance = TOLERANCE[precision] * sqrt(len(generator.layers))
    return Row("models", name, precision, True, baseline, roof, tolerance, ())


def sides_of(model: Model, path: Path, precision: str, setting: Setting) -> Sides:
    """The sides of one model, whose ONNX file is at `path`."""
    generator = read_generator(path)
    latent: NDArray[Any] = latent_of(generator, setting.seed).astype(DTYPES[precision])

    def ours() -> dict[str, tuple[Workload, tuple[int, ...] | None]]:
        given = Workload(f"{model.name} {precision}", path, {"latent": latent})
        return {"einnet": (given, None)}

    def torch(layout: Layout, compiled: bool) -> TorchContender:
        name = "torch-compile" if compiled else f"torch-{layout}"
        function = model_function(generator, latent, layout, "cuda", compiled=compiled)
        return TorchContender(name, function, AS_IT_IS)

    return Sides(
        ours,
        torch,
        lambda: model_contender(generator, latent, precision),
        lambda: evaluate(generator, latent),
    )


def measure(row: Row, setting: Setting) -> Row:
    model = MODELS[row.name]
    with tempfile.TemporaryDirectory() as folder:
        path = write_onnx(model, Path(folder))
        return measure_row(row, setting, sides_of(model, path, row.precision, setting))


PRECISIONS = ("tf32", "fp16")


def judge(rows: Sequence[Row]) -> Verdict:
    judged = [row for row in rows if row.precision in PRECISIONS]
    return judge_models(judged, len(MODELS) * len(PRECISIONS))


TABLE = Table("models", "bench.models", tuple(MODELS), PRECISIONS, blank, measure, judge)

if __name__ == "__main__":
    sys.exit(main(TABLE, __doc__ or "", None))
