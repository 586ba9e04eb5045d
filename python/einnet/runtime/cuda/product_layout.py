"""A product of matrices in cuBLASLt's terms: its operands, epilogue and types.

cuBLASLt thinks in columns, and adds a bias along the rows of its result. Read by columns, a
row-major d is its transpose, whose rows are the n columns of d: the library is therefore asked
for `d^T = b^T a^T`, where a bias of n elements is an epilogue and no operand is ever copied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from einnet.codegen.gpu.host import Matrix, MatrixProduct
from einnet.runtime.cuda.algorithm import Unsupported

TYPES = {"f64": "CUDA_R_64F", "f32": "CUDA_R_32F", "f16": "CUDA_R_16F", "bf16": "CUDA_R_16BF"}

_EPILOGUES = {
    ("", False): "DEFAULT",
    ("", True): "BIAS",
    ("relu", False): "RELU",
    ("relu", True): "RELU_BIAS",
    ("gelu", False): "GELU",
    ("gelu", True): "GELU_BIAS",
}
"""By activation and whether there is a bias. The library's GELU is the one by tanh."""

NO_SPLIT, IN_PLACE, COMPUTE_TYPE, OUTPUT_TYPE = 0, 1, 2, 4
"""How the parts of a sum that was split are added up: bits of cublasLtReductionScheme_t."""


@dataclass(frozen=True)
class Operand:
    """A matrix as cuBLASLt sees it: `rows x columns` elements of `dtype` stored by columns that lie
    `leading` elements apart, from the element `offset` of the buffer on; read as its transpose
    if `transposed`."""

    buffer: str
    offset: int
    dtype: str
    rows: int
    columns: int
    leading: int
    batch_stride: int
    transposed: bool = False


@dataclass(frozen=True)
class ProductLayout:
    """`d = activation(alpha * op(a) op(b) + beta * c + bias)` over matrices stored by columns; the
    bias runs along the rows of d. The names of enumerators are cuBLASLt's."""

    a: Operand
    b: Operand
    c: Operand
    d: Operand
    batch: int
    depth: int
    compute: str
    scale: str
    epilogue: str
    reductions: int
    """The schemes allowed for split sums: those that keep partial sums in the sum's type."""


def product_layout(call: MatrixProduct) -> ProductLayout:
    """The call in cuBLASLt's terms. `Unsupported`: it has none."""
    if min(call.batch, call.m, call.n, call.k) < 1:
        raise Unsupported("cuBLASLt multiplies no empty matrices")
    if call.dtype not in TYPES or call.result not in TYPES:
        raise Unsupported(f"cuBLASLt does not multiply {call.dtype} to {call.result} here")
    if "f64" in (call.dtype, call.result) and call.dtype != call.result:
        raise Unsupported(f"cuBLASLt does not multiply {call.dtype} to {call.result}")
    if call.bias and call.d.transposed:
        raise Unsupported("cuBLASLt adds a bias along the contiguous dimension of the result only")
    if call.c is not None and call.c.transposed != call.d.transposed:
        raise Unsupported("cuBLASLt adds c only if it is stored in the same order as the result")
    a = _stored(call.a, call.m, call.k, call.dtype)
    b = _stored(call.b, call.k, call.n, call.dtype)
    d = _stored(call.d, call.m, call.n, call.result)
    c = d if call.c is None else _stored(call.c, call.m, call.n, call.result)
    if call.d.transposed:  # stored by columns as it is: d = a b
        first = replace(a, transposed=not call.a.transposed)
        second = replace(b, transposed=not call.b.transposed)
    else:
        first = replace(b, transposed=call.b.transposed)
        second = replace(a, transposed=call.a.transposed)
    wide = call.result in ("f32", "f64")
    return ProductLayout(
        first,
        second,
        c,
        d,
        call.batch,
        call.k,
        _compute_type(call),
        TYPES["f64" if call.dtype == "f64" else "f32"],
        _EPILOGUES[call.activation, bool(call.bias)],
        (IN_PLACE | COMPUTE_TYPE | OUTPUT_TYPE) if wide else COMPUTE_TYPE,
    )


def _stored(matrix: Matrix, rows: int, columns: int, dtype: str) -> Operand:
    """The matrix in memory read by columns: a row-major one appears as its transpose."""
    rows, columns = (rows, columns) if matrix.transposed else (columns, rows)
    # The distance of the columns means nothing where there is only one.
    leading = matrix.leading if columns > 1 else max(matrix.leading, rows)
    if leading < rows:
        raise Unsupported("cuBLASLt needs rows that do not overlap")
    stride, offset = matrix.batch_stride, matrix.offset
    return Operand(matrix.buffer, offset, dtype, rows, columns, leading, stride)


def _compute_type(call: MatrixProduct) -> str:
    if call.dtype == "f64":
        return "COMPUTE_64F"
    tf32 = call.dtype == "f32" and call.precision == "tf32"
    return "COMPUTE_32F_FAST_TF32" if tf32 else "COMPUTE_32F"
