"""Products of matrices through cuBLASLt: descriptors, algorithms and calls."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import chain, islice, zip_longest
from types import ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from einnet.codegen.gpu.host import ALIGNMENT, BYTES, MatrixProduct
from einnet.errors import ToolchainError
from einnet.runtime.cuda.algorithm import Candidate, Record, Unsupported, integer, one_line
from einnet.runtime.cuda.call import Addresses, Handles
from einnet.runtime.cuda.product_layout import (
    COMPUTE_TYPE,
    IN_PLACE,
    NO_SPLIT,
    TYPES,
    Operand,
    product_layout,
)

WORKSPACE_LIMIT = 32 << 20
"""Bytes of scratch memory that an algorithm may use."""

LIMIT = 48
"""Algorithms of one product that are worth trying."""

_LIBRARY = "cublasLt"

_SPLITS = (2, 3, 4, 6, 8, 12, 16, 24, 32)
_SHORTEST_PART = 32
"""Splitting a sum into parts shorter than this never pays."""

_VARIATIONS = 16
"""Changes of one algorithm that cuBLASLt is asked about, at most; it refuses most of them."""

_CLUSTERS = ("SHAPE_1x1x1", "SHAPE_2x1x1", "SHAPE_1x2x1", "SHAPE_2x2x1", "SHAPE_4x1x1")


def alignment_of(address: int) -> int:
    """The largest power of two, up to 256, that divides the address."""
    return min(ALIGNMENT, address & -address) if address else ALIGNMENT


class PreparedProduct:
    """A product with its algorithm; `algorithm` is the record that finds it again."""

    def __init__(self, product: _Product, blob: bytes, workspace: int) -> None:
        self._product = product
        self._blob = np.frombuffer(bytearray(blob), np.uint8)
        self._needed = workspace
        self.algorithm: Record = product.record(blob, workspace)

    @property
    def workspace(self) -> int:
        # nvmath-python adds 16 bytes where there is an epilogue: some algorithms ask for too few.
        return self._needed + ALIGNMENT if self._needed else 0

    def launch(self, stream: int, workspace: int) -> None:
        self._product.launch(self._blob, stream, workspace, self.workspace)


def prepare_matmul(
    call: MatrixProduct, addresses: Addresses, algorithm: Record | None, handles: Handles
) -> PreparedProduct:
    """The product ready to run: with the algorithm recorded, or, if there is none or cuBLASLt does
    not accept it for this call (another version, another alignment), with the heuristic's first.

    `Unsupported`: cuBLASLt has no algorithm for the call. `ToolchainError`: it is missing.
    """
    product = _Product(call, addresses, handles)
    if algorithm is not None:
        blob = _recorded(algorithm, product.version)
        workspace = None if blob is None else product.check(blob)
        if blob is not None and workspace is not None and product.is_aligned(blob):
            return PreparedProduct(product, blob, workspace)
    for blob, workspace in product.heuristic(8):
        return PreparedProduct(product, blob, workspace)
    raise Unsupported(f"cuBLASLt has no algorithm for this product: {product.refusal}")


def candidates(
    call: MatrixProduct, addresses: Addresses, handles: Handles, limit: int = LIMIT
) -> tuple[Candidate, ...]:
    """Up to `limit` different algorithms, the heuristic's first at the front.

    After the better half of what the heuristic proposes come its best of other algorithm ids, then
    variations of its best four (parts of the sum, stages, tile, cluster, swizzling) that cuBLASLt
    checks and accepts, then the other half. Raises as `prepare_matmul`.
    """
    product = _Product(call, addresses, handles)
    best = list(product.heuristic(limit))
    if not best:
        raise Unsupported(f"cuBLASLt has no algorithm for this product: {product.refusal}")
    half = max(1, limit // 2)
    by_id = islice(product.heuristic_by_id(), max(1, limit // 4))
    varied = interleave([product.variations(blob) for blob, _ in best[:4]])
    found: dict[bytes, int] = {}
    for blob, workspace in chain(best[:half], by_id, varied, best[half:]):
        found.setdefault(blob, workspace)
        if len(found) >= limit:
            break
    prepared = [PreparedProduct(product, blob, size) for blob, size in found.items()]
    return tuple(Candidate(p.algorithm, p) for p in prepared)


def interleave(sources: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """The first of each source, then the second of each that has one, and so on."""
    missing = object()
    for row in zip_longest(*sources, fillvalue=missing):
        yield from (item for item in row if item is not missing)


def load_cublaslt() -> ModuleType:
    """nvmath-python's binding, with the library loaded. `ToolchainError`: one is missing."""
    try:
        library = import_module("nvmath.bindings.cublasLt")
    except ImportError as error:
        raise ToolchainError(
            f"nvmath-python cannot be imported: {one_line(error)}",
            hint="pip install nvmath-python nvidia-cublas",
        ) from error
    try:
        library.get_version()
    except RuntimeError as error:
        raise ToolchainError(
            f"cuBLASLt cannot be loaded: {one_line(error)}",
            hint="needs an NVIDIA driver and libcublasLt: pip install nvidia-cublas",
        ) from error
    return library


class _Product:
    """The descriptors of one product, and what cuBLASLt answers about it."""

    def __init__(self, call: MatrixProduct, addresses: Addresses, handles: Handles) -> None:
        self._lt = lt = load_cublaslt()
        self._types = import_module("nvmath").CudaDataType
        self._layout = layout = product_layout(call)
        self.version = int(lt.get_version())
        try:
            self._handle = handles.get(_LIBRARY, lt.create, lt.destroy)
        except lt.cuBLASLtError as error:
            raise ToolchainError(f"cuBLASLt does not start: {one_line(error)}") from error
        self.refusal = "the heuristic proposes none"
        operands = (layout.a, layout.b, layout.c, layout.d)
        self._pointers = [addresses(o.buffer) + o.offset * BYTES[o.dtype] for o in operands]
        self._alignments = [alignment_of(p) for p in self._pointers]
        scale = np.float64 if layout.scale == "CUDA_R_64F" else np.float32
        beta = call.beta if call.c is not None else 0.0
        self._scalars: NDArray[Any] = np.array([call.alpha, beta], scale)
        self._operation = self._describe_operation(addresses(call.bias) if call.bias else 0)
        self._matrices = [self._describe(o) for o in operands]
        self._preference = self._describe_preference()

    def launch(self, algorithm: NDArray[np.uint8], stream: int, workspace: int, size: int) -> None:
        a, b, c, d = self._pointers
        a_, b_, c_, d_ = self._matrices
        alpha = int(self._scalars.ctypes.data)
        beta = alpha + self._scalars.itemsize
        operation, blob = self._operation, int(algorithm.ctypes.data)
        try:
            self._lt.matmul(
                *(self._handle, operation, alpha, a, a_, b, b_, beta, c, c_, d, d_),
                *(blob, workspace if size else 0, size, stream),
            )
        except self._lt.cuBLASLtError as error:
            raise Unsupported(f"cuBLASLt does not run this product: {one_line(error)}") from error

    def heuristic(self, limit: int) -> Iterator[tuple[bytes, int]]:
        """Algorithms with their workspace, as the heuristic ranks them."""
        results = self._results(limit)
        yield from self._ask(results)

    def heuristic_by_id(self) -> Iterator[tuple[bytes, int]]:
        """The heuristic's best of each algorithm id that cuBLASLt has for these types."""
        lt, layout = self._lt, self._layout
        types = [self._type(t) for t in (layout.a, layout.b, layout.c, layout.d)]
        compute, scale = self._compute(), int(self._types[layout.scale])
        preference = self._describe_preference(by_id=True)
        try:
            ids = lt.matmul_algo_get_ids(self._handle, compute, scale, *types, 64)
        except lt.cuBLASLtError:
            return
        for id_ in ids:
            results = self._results(1)
            try:
                lt.matmul_algo_init(
                    self._handle, compute, scale, *types, int(id_), int(results.ctypes.data)
                )
            except lt.cuBLASLtError:
                continue  # an id that is of no use to these types
            yield from self._ask(results, preference)

    def variations(self, blob: bytes) -> Iterator[tuple[bytes, int]]:
        """The algorithm with one or two of its settings changed, where cuBLASLt accepts that; tiles
        and stages near its own first."""
        lt = self._lt
        settings = lt.MatmulAlgoConfigAttribute
        split = self._setting(blob, settings.SPLITK_NUM)
        changes: list[list[dict[Any, int]]] = [
            [{settings.STAGES_ID: s} for s in self._near(blob, settings.STAGES_ID, "STAGES_IDS")],
            [{settings.TILE_ID: t} for t in self._near(blob, settings.TILE_ID, "TILE_IDS")],
            [{settings.CLUSTER_SHAPE_ID: int(lt.ClusterShape[c])} for c in _CLUSTERS],
        ]
        if any(self._ability(blob, "SPLITK_SUPPORT")):
            schemes = self._layout.reductions & sum(self._ability(blob, "REDUCTION_SCHEME_MASK"))
            parts = [s for s in _SPLITS if self._layout.depth >= s * _SHORTEST_PART]
            split_ways = [
                {settings.SPLITK_NUM: s, settings.REDUCTION_SCHEME: scheme}
                for s in parts
                for scheme in (COMPUTE_TYPE, IN_PLACE)
                if scheme & schemes
            ]
            if split > 1:
                whole = {settings.SPLITK_NUM: 1, settings.REDUCTION_SCHEME: NO_SPLIT}
                split_ways.insert(0, whole)
            changes.insert(0, split_ways)
        if any(self._ability(blob, "CTA_SWIZZLING_SUPPORT")):
            changes.append([{settings.CTA_SWIZZLING: v} for v in (0, 1)])
        for change in islice(interleave(changes), _VARIATIONS):
            changed = self._changed(blob, change)
            workspace = None if changed is None else self.check(changed)
            if changed is not None and workspace is not None:
                yield changed, workspace

    def check(self, blob: bytes) -> int | None:
        """The bytes of workspace of an algorithm; None if cuBLASLt refuses it for this product or
        it needs more workspace than there is."""
        lt = self._lt
        algorithm = np.frombuffer(bytearray(blob), np.uint8)
        result = self._results(1)
        pointers = [int(algorithm.ctypes.data), int(result.ctypes.data)]
        try:
            lt.matmul_algo_check(self._handle, self._operation, *self._matrices, *pointers)
        except lt.cuBLASLtError:
            return None
        workspace = int(result["workspace_size"][0])
        if int(result["state"][0]) or workspace > WORKSPACE_LIMIT:
            return None
        return workspace

    def is_aligned(self, blob: bytes) -> bool:
        """Whether the operands are where the algorithm can read and write them, which changing its
        settings does not change."""
        return not any(
            least > alignment
            for name, alignment in zip("ABCD", self._alignments, strict=True)
            for least in self._ability(blob, f"MIN_ALIGNMENT_{name}_BYTES")
        )

    def record(self, blob: bytes, workspace: int) -> Record:
        """The algorithm as JSON."""
        lt = self._lt
        settings = lt.MatmulAlgoConfigAttribute
        id_ = self._setting(blob, settings.ID)
        tile = _enumerator(lt.MatmulTile, self._setting(blob, settings.TILE_ID), "TILE_")
        stages = _enumerator(lt.MatmulStages, self._setting(blob, settings.STAGES_ID), "STAGES_")
        cluster = self._setting(blob, settings.CLUSTER_SHAPE_ID)
        shape = _enumerator(lt.ClusterShape, cluster, "SHAPE_")
        split = self._setting(blob, settings.SPLITK_NUM)
        name = f"algorithm {id_} tile {tile} stages {stages} cluster {shape} split {split}"
        return {
            "library": _LIBRARY,
            "version": self.version,
            "name": name,
            "workspace": workspace,
            "algorithm": blob.hex(),
            "id": id_,
            "tile": tile,
            "stages": stages,
            "cluster": shape,
            "split": split,
            "reduction": self._setting(blob, settings.REDUCTION_SCHEME),
            "swizzling": self._setting(blob, settings.CTA_SWIZZLING),
            "option": self._setting(blob, settings.CUSTOM_OPTION),
        }

    def _ask(
        self, results: NDArray[Any], preference: int | None = None
    ) -> Iterator[tuple[bytes, int]]:
        lt = self._lt
        count = np.zeros(1, np.int32)
        try:
            lt.matmul_algo_get_heuristic(
                *(self._handle, self._operation, *self._matrices),
                self._preference if preference is None else preference,
                *(len(results), int(results.ctypes.data), int(count.ctypes.data)),
            )
        except lt.cuBLASLtError as error:
            self.refusal = one_line(error)  # its way to say that there is none
            return
        for result in results[: int(count[0])]:
            if not int(result["state"]):
                yield result["algo"].tobytes(), int(result["workspace_size"])

    def _results(self, count: int) -> NDArray[Any]:
        return np.zeros(count, self._lt.matmul_heuristic_result_dtype)

    def _describe_operation(self, bias: int) -> int:
        lt, layout = self._lt, self._layout
        operation = int(lt.matmul_desc_create(self._compute(), int(self._types[layout.scale])))
        weakref.finalize(self, lt.matmul_desc_destroy, operation)
        attributes = lt.MatmulDescAttribute
        values = {
            attributes.TRANSA: int(layout.a.transposed),  # CUBLAS_OP_N and CUBLAS_OP_T are 0 and 1
            attributes.TRANSB: int(layout.b.transposed),
            attributes.EPILOGUE: int(lt.Epilogue[layout.epilogue]),
        }
        if bias:
            values[attributes.BIAS_POINTER] = bias
            values[attributes.BIAS_DATA_TYPE] = self._type(layout.d)
        for attribute, value in values.items():
            dtype = lt.get_matmul_desc_attribute_dtype(attribute)
            _set(lt.matmul_desc_set_attribute, operation, attribute, value, dtype)
        return operation

    def _describe(self, o: Operand) -> int:
        lt = self._lt
        matrix = int(lt.matrix_layout_create(self._type(o), o.rows, o.columns, o.leading))
        weakref.finalize(self, lt.matrix_layout_destroy, matrix)
        attributes = lt.MatrixLayoutAttribute
        values = {
            attributes.BATCH_COUNT: self._layout.batch,
            attributes.STRIDED_BATCH_OFFSET: o.batch_stride,
        }
        for attribute, value in values.items():
            dtype = lt.get_matrix_layout_attribute_dtype(attribute)
            _set(lt.matrix_layout_set_attribute, matrix, attribute, value, dtype)
        return matrix

    def _describe_preference(self, by_id: bool = False) -> int:
        lt = self._lt
        preference = int(lt.matmul_preference_create())
        weakref.finalize(self, lt.matmul_preference_destroy, preference)
        attributes = lt.MatmulPreferenceAttribute
        values = {
            attributes.MAX_WORKSPACE_BYTES: WORKSPACE_LIMIT,
            attributes.REDUCTION_SCHEME_MASK: self._layout.reductions,
        }
        for name, alignment in zip("ABCD", self._alignments, strict=True):
            values[attributes[f"MIN_ALIGNMENT_{name}_BYTES"]] = alignment
        if by_id:
            values[attributes.SEARCH_MODE] = int(lt.MatmulSearch.LIMITED_BY_ALGO_ID)
        for attribute, value in values.items():
            dtype = lt.get_matmul_preference_attribute_dtype(attribute)
            _set(lt.matmul_preference_set_attribute, preference, attribute, value, dtype)
        return preference

    def _type(self, operand: Operand) -> int:
        return int(self._types[TYPES[operand.dtype]])

    def _compute(self) -> int:
        return int(import_module("nvmath.bindings.cublas").ComputeType[self._layout.compute])

    def _setting(self, blob: bytes, attribute: Any) -> int:
        """A setting of an algorithm; -1 if this version of cuBLASLt does not know it."""
        lt = self._lt
        value = np.zeros(1, lt.get_matmul_algo_config_attribute_dtype(attribute))
        values = self._read(lt.matmul_algo_config_get_attribute, blob, attribute, value)
        return values[0] if values else -1

    def _near(self, blob: bytes, attribute: Any, ability: str) -> list[int]:
        """The other values that a setting may have, the nearest to its own first."""
        own = self._setting(blob, attribute)
        return sorted(set(self._ability(blob, ability)) - {own}, key=lambda v: abs(v - own))

    def _ability(self, blob: bytes, name: str) -> list[int]:
        """What an algorithm is able to: a list for tiles and stages, else of one value; empty if
        this version of cuBLASLt does not know the question."""
        lt = self._lt
        attribute = lt.MatmulAlgoCapAttribute[name]
        dtype = np.dtype(lt.get_matmul_algo_cap_attribute_dtype(attribute))
        size = dtype.itemsize
        if name.endswith("_IDS"):
            size = self._get(lt.matmul_algo_cap_get_attribute, blob, attribute, None)
        room = np.zeros(size // dtype.itemsize, dtype)
        return self._read(lt.matmul_algo_cap_get_attribute, blob, attribute, room)

    def _read(self, getter: Any, blob: bytes, attribute: Any, room: NDArray[Any]) -> list[int]:
        written = self._get(getter, blob, attribute, room) if room.size else 0
        return [int(v) for v in room[: written // room.itemsize]]

    def _get(self, getter: Any, blob: bytes, attribute: Any, room: NDArray[Any] | None) -> int:
        """The bytes of an attribute, written to `room` if there is one; 0 if it is unknown."""
        algorithm = np.frombuffer(bytearray(blob), np.uint8)
        written = np.zeros(1, np.uint64)
        data, size = (0, 0) if room is None else (int(room.ctypes.data), room.nbytes)
        try:
            getter(
                *(int(algorithm.ctypes.data), int(attribute), data, size),
                int(written.ctypes.data),
            )
        except self._lt.cuBLASLtError:
            return 0
        return int(written[0])

    def _changed(self, blob: bytes, change: dict[Any, int]) -> bytes | None:
        lt = self._lt
        algorithm = np.frombuffer(bytearray(blob), np.uint8)
        for attribute, value in change.items():
            dtype = lt.get_matmul_algo_config_attribute_dtype(attribute)
            pointer = int(algorithm.ctypes.data)
            try:
                _set(lt.matmul_algo_config_set_attribute, pointer, attribute, value, dtype)
            except lt.cuBLASLtError:
                return None
        return algorithm.tobytes()


def _recorded(record: Record, version: int) -> bytes | None:
    """The algorithm of a record; None if it is not one of this version of cuBLASLt."""
    text = record.get("algorithm")
    if record.get("library") != _LIBRARY or integer(record, "version") != version:
        return None
    if not isinstance(text, str) or len(text) != 128 or set(text) - set("0123456789abcdef"):
        return None
    return bytes.fromhex(text)


def _set(setter: Any, object_: int, attribute: Any, value: int, dtype: Any) -> None:
    data = np.array([value], dtype)
    setter(object_, int(attribute), int(data.ctypes.data), data.nbytes)


def _enumerator(enumeration: Any, value: int, prefix: str) -> str:
    """The name of a value without its prefix; the number where a library is newer than the names
    of the binding."""
    names = cast("dict[int, Any]", enumeration._value2member_map_)
    return str(names[value].name).removeprefix(prefix) if value in names else str(value)
