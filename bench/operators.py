"""Operators on a GPU: ours against PyTorch, torch.compile and JAX, row by row.

    python -m bench.operators --device cuda                 the 17 rows of cases.py, tf32 and fp16
    python -m bench.operators --rows convT --precision fp16 rows whose names hold a text
    python -m bench.operators --check                       exit 1 and name what falls short

Every side of a row runs in one process, interleaved in random order, from CUDA graphs. Inputs and
outputs may have whichever layout suits the side, constants may be laid out in advance; whatever
else a side does is in its time. L2-hot times decide, L2-cold ratios stand beside them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from bench.cases import CASES, Case, Layout, reference, to_layout
from bench.contender import TOLERANCE, Workload
from bench.peers_jax import operator_contender
from bench.peers_torch import (
    NHWC_OF_NCHW,
    TorchContender,
    float64_reference,
    operator_function,
)
from bench.roofline import H100, roof_microseconds
from bench.rows_cuda import Setting, Sides, measure_row
from bench.table_cuda import Table, main
from bench.verdict import Row, Verdict, judge_operators

DTYPES: dict[str, Any] = {
    "fp32": np.float32,
    "tf32": np.float32,
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
}

_CASES = {case.name: case for case in CASES}


def blank(name: str, precision: str) -> Row:
    case = _CASES[name]
    baseline = case.baselines.get(precision)
    return Row(
        "operators",
        name,
        precision,
        case.decides,
        None if baseline is None else baseline.best,
        roof_microseconds(H100, precision, case.flops, case.bytes(precision)),
        TOLERANCE[precision],
        (),
    )


def workload(case: Case, layout: Layout, precision: str, seed: int) -> Workload:
    """The operator with input and output in one layout, on the data of a seed.

    The program is in f32, as models are imported; the arrays are in the precision.
    """
    x, w = (a.astype(DTYPES[precision]) for a in case.operands(seed))
    image = np.ascontiguousarray(to_layout(x, layout))
    return Workload(
        f"{case.name} {layout} {precision}",
        case.program(layout, layout, "fp32"),
        {"X": image},
        {"W": w},
    )


def sides_of(case: Case, precision: str, setting: Setting) -> Sides:
    """The sides of one operator; results are compared channels last."""
    x, w = (a.astype(DTYPES[precision]) for a in case.operands(setting.seed))

    def ours() -> dict[str, tuple[Workload, tuple[int, ...] | None]]:
        return {
            f"einnet-{layout}": (
                workload(case, layout, precision, setting.seed),
                NHWC_OF_NCHW if layout == "nchw" else None,
            )
            for layout in setting.layouts
        }

    def torch(layout: Layout, compiled: bool) -> TorchContender:
        name = "torch-compile" if compiled else f"torch-{layout}"
        function = operator_function(case, x, w, layout, "cuda", compiled=compiled)
        return TorchContender(name, function, NHWC_OF_NCHW)

    def expected() -> NDArray[np.float64]:
        if find_spec("torch") is not None:
            return float64_reference(case, x, w)
        return reference(case, to_layout(x.astype(np.float64), "nhwc"), w.astype(np.float64))

    return Sides(ours, torch, lambda: operator_contender(case, x, w, precision), expected)


def measure(row: Row, setting: Setting) -> Row:
    return measure_row(row, setting, sides_of(_CASES[row.name], row.precision, setting))


def judge(rows: Sequence[Row]) -> Verdict:
    return judge_operators(rows, [case.name for case in CASES if case.decides])


TABLE = Table(
    "operators", "bench.operators", tuple(_CASES), ("tf32", "fp16"), blank, measure, judge
)

if __name__ == "__main__":
    sys.exit(main(TABLE, __doc__ or "", None))
