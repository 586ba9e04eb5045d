"""Tagged products become calls of OpenBLAS on pointers and strides.

A product of at most `FEW_ROWS` rows is a matrix-vector product for each row: `gemm` spends more on
packing the matrix than on multiplying (measured: 3 times the time at one row, even at four). Else
the innermost batch dimension goes to `gemm_batch_strided`. Other batch dimensions are loops.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager

from mlir import ir
from mlir.dialects import arith, func, llvm, scf

from einnet.codegen.cpu.products import Dimension, is_product, read_product, unfit
from einnet.codegen.cpu.walk import walk
from einnet.errors import InputError
from einnet.toolchain.mlir import locate

FEW_ROWS = 3

_ROW_MAJOR, _NO_TRANSPOSE, _TRANSPOSE = 101, 111, 112
_PREFIXES = {"f32": "scipy_cblas_s", "f64": "scipy_cblas_d"}
# In a list of constant indices, llvm.getelementptr's mark for one that is a value.
_DYNAMIC = -(2**31)


def call_blas(module: ir.Module, function: ir.Operation, filename: str = "<stdin>") -> None:
    """On memrefs: replace every tagged product of `function` by calls.

    `InputError`, at the operation: an operand is of a type or a layout that BLAS cannot read in
    place.
    """
    for op in list(walk(function)):
        if is_product(op):
            try:
                with ir.InsertionPoint(op), op.location:
                    _Emitter(module, op).emit()
            except InputError as error:
                error.location = error.location or locate(op.location, filename)
                raise
            op.erase()


class _Emitter:
    """Builds the calls for one product at the current insertion point."""

    def __init__(self, module: ir.Module, op: ir.Operation) -> None:
        self._module = module
        self._op = op
        self._product = read_product(op)
        self._element = ir.MemRefType(op.operands[2].type).element_type
        if str(self._element) not in _PREFIXES:
            raise unfit(op, f"BLAS has no product of {self._element}")
        for operand in op.operands:
            if (element := ir.MemRefType(operand.type).element_type) != self._element:
                raise unfit(op, f"BLAS has no product of {element} in {self._element}")
        self._i32, self._i64 = (ir.IntegerType.get_signless(width) for width in (32, 64))
        self._pointer = ir.Type.parse("!llvm.ptr")

    def emit(self) -> None:
        product = self._product
        first, second = (1, 0) if product.swapped else (0, 1)
        addresses = [self._address(self._op.operands[index]) for index in (first, second, 2)]
        if product.m.extent <= FEW_ROWS:
            rows = (product.m,) if product.m.extent > 1 else ()
            with self._loops((*product.batch, *rows), addresses) as inside:
                self._gemv(inside)
        else:
            with self._loops(product.batch[:-1], addresses) as inside:
                self._gemm(inside)

    def _gemm(self, addresses: Sequence[ir.Value]) -> None:
        product = self._product
        m, n, k = product.m, product.n, product.k
        transposed_a, leading_a = self._matrix("A", m.extent, k.extent, m.a, k.a)
        transposed_b, leading_b = self._matrix("B", k.extent, n.extent, k.b, n.b)
        transposed_c, leading_c = self._matrix("C", m.extent, n.extent, m.c, n.c)
        if transposed_c:
            raise unfit(self._op, "neither rows nor columns of its result are contiguous")
        batch = product.batch[-1] if product.batch else None
        a, b, c = (
            [address, self._integer(leading), *([self._integer(step)] if batch else [])]
            for address, leading, step in zip(
                addresses,
                (leading_a, leading_b, leading_c),
                (batch.a, batch.b, batch.c) if batch else (0, 0, 0),
                strict=True,
            )
        )
        self._call(
            "gemm_batch_strided" if batch else "gemm",
            self._integer(_ROW_MAJOR),
            self._transpose(transposed_a),
            self._transpose(transposed_b),
            *(self._integer(d.extent) for d in (m, n, k)),
            self._real(1.0),
            *a,
            *b,
            self._beta(),
            *c,
            *([self._integer(batch.extent)] if batch else []),
        )

    def _gemv(self, addresses: Sequence[ir.Value]) -> None:
        """One row: `c = a B`."""
        n, k = self._product.n, self._product.k
        a, b, c = addresses
        transposed, leading = self._matrix("B", k.extent, n.extent, k.b, n.b)
        rows, columns = (n, k) if transposed else (k, n)
        self._call(
            "gemv",
            self._integer(_ROW_MAJOR),
            # The vector is on the left of B, and BLAS has it on the right.
            self._transpose(not transposed),
            self._integer(rows.extent),
            self._integer(columns.extent),
            self._real(1.0),
            b,
            self._integer(leading),
            a,
            self._integer(k.a if k.extent > 1 else 1),
            self._beta(),
            c,
            self._integer(n.c if n.extent > 1 else 1),
        )

    def _matrix(
        self, name: str, rows: int, columns: int, row: int, column: int
    ) -> tuple[bool, int]:
        """Whether it is stored transposed, and its leading dimension.

        `row` and `column` are the distances of neighbouring rows and columns. That of a unit
        dimension says nothing, but BLAS wants a leading dimension no smaller than a stored row.
        """
        if (column == 1 or columns == 1) and (row >= columns or rows == 1):
            return False, row if rows > 1 else columns
        if (row == 1 or rows == 1) and (column >= rows or columns == 1):
            return True, column if columns > 1 else rows
        raise unfit(
            self._op, f"{name} has strides ({row}, {column}): no dimension of it is contiguous"
        )

    @contextmanager
    def _loops(
        self, dimensions: Sequence[Dimension], addresses: Sequence[ir.Value]
    ) -> Generator[list[ir.Value]]:
        """Build inside one loop for each of `dimensions`; gives the three addresses there."""
        index = ir.IndexType.get()
        inside = list(addresses)
        with ExitStack() as points:
            for dimension in dimensions:
                zero, one = arith.constant(index, 0), arith.constant(index, 1)
                loop = scf.ForOp(zero, arith.constant(index, dimension.extent), one)
                with ir.InsertionPoint(loop.body):
                    terminator = scf.YieldOp([])
                points.enter_context(ir.InsertionPoint(terminator))
                point = arith.index_cast(self._i64, loop.induction_variable)
                for which, stride in enumerate((dimension.a, dimension.b, dimension.c)):
                    offset = arith.muli(point, arith.constant(self._i64, stride))
                    inside[which] = self._advance(inside[which], [offset], _DYNAMIC)
            yield inside

    def _address(self, operand: ir.Value) -> ir.Value:
        """The pointer to the operand's first element.

        From the descriptor that `finalize-memref-to-llvm` will make of the operand: an address
        taken as an integer would hide from LLVM which `noalias` buffer the call accesses.
        """
        type_ = ir.MemRefType(operand.type)
        _, offset = type_.get_strides_and_offset()
        if offset == ir.ShapedType.get_dynamic_stride_or_offset():
            raise unfit(self._op, "an operand starts at an offset that is not static")
        sizes = f", array<{type_.rank} x i64>" * 2 if type_.rank else ""
        descriptor = ir.Operation.create(
            "builtin.unrealized_conversion_cast",
            results=[ir.Type.parse(f"!llvm.struct<(ptr, ptr, i64{sizes})>")],
            operands=[operand],
        ).result
        position = ir.DenseI64ArrayAttr.get([1])
        aligned = llvm.extractvalue(self._pointer, descriptor, position)
        return self._advance(aligned, [], offset) if offset else aligned

    def _advance(self, address: ir.Value, dynamic: Sequence[ir.Value], elements: int) -> ir.Value:
        """`address` moved by `elements`, or by the one value in `dynamic`."""
        index = ir.DenseI32ArrayAttr.get([elements])
        may_wrap = ir.IntegerAttr.get(self._i32, 0)
        return llvm.getelementptr(self._pointer, address, dynamic, index, self._element, may_wrap)

    def _integer(self, value: int) -> ir.Value:
        return arith.constant(self._i32, value)

    def _real(self, value: float) -> ir.Value:
        return arith.constant(self._element, value)

    def _beta(self) -> ir.Value:
        return self._real(0.0 if self._product.overwrites else 1.0)

    def _transpose(self, transposed: bool) -> ir.Value:
        return self._integer(_TRANSPOSE if transposed else _NO_TRANSPOSE)

    def _call(self, routine: str, *arguments: ir.Value) -> None:
        name = _PREFIXES[str(self._element)] + routine
        declared = (
            isinstance(op, func.FuncOp) and op.name.value == name
            for op in self._module.body.operations
        )
        if not any(declared):
            with ir.InsertionPoint.at_block_begin(self._module.body):
                types = [argument.type for argument in arguments]
                func.FuncOp(name, (types, []), visibility="private")
        func.call([], name, list(arguments))
