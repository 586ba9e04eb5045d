"""An optimized module, ordinary linalg on tensors, to the LLVM dialect: one flat pipeline.

    decompose      packing, softmax, Winograd's transforms
    simplify       inline, elementwise operations to linalg, canonicalize
    drop fills     products overwrite instead of adding to zeros
    fuse           elementwise operations into their consumers
    bufferize      one-shot, row-major at function borders, arguments read-only
    place buffers  results and intermediates become arguments
    call products  operations tagged for BLAS become calls; the others become generics
    arrange        order of loops, vectorizable math, contraction to FMA
    loops, llvm    scalar loops, LLVM dialect; LLVM vectorizes the innermost loops

The result is text: it says nothing about the host's instruction set, which is chosen when the text
becomes machine code (`jit`, `library`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlir import ir
from mlir.dialects import func

from einnet.bridge.attributes import (
    CONSTANT,
    LIBRARY,
    NAME,
    PREPARE,
    WEIGHT,
    constant_number,
    symbol_of,
    text_of,
)
from einnet.bridge.mutants import refuse_uncorrected
from einnet.codegen.cpu.approximations import approximate_math
from einnet.codegen.cpu.blas_calls import call_blas
from einnet.codegen.cpu.buffers import copies_to_loops, place_buffers
from einnet.codegen.cpu.decompose import decompose
from einnet.codegen.cpu.loops import (
    allow_contraction,
    export_annotations,
    keep_rolled,
    reorder_reductions,
)
from einnet.codegen.cpu.products import drop_zero_fills, shield, unshield
from einnet.codegen.cpu.signature import (
    NUMPY_DTYPES,
    Argument,
    Result,
    Signature,
    Tensor,
)
from einnet.codegen.cpu.walk import walk
from einnet.errors import InputError, Location
from einnet.toolchain.mlir import locate, make_context, parse_module, run_pipeline

MAIN = "main"

_SYMBOL = re.compile(r'@(?:"([^"]*)"|([\w$.-]+))')

SIMPLIFY = "builtin.module(inline,func.func(convert-elementwise-to-linalg),canonicalize,cse)"
FUSE = "builtin.module(func.func(linalg-fuse-elementwise-ops),canonicalize,cse)"
BUFFERIZE = (
    "builtin.module(canonicalize,cse,eliminate-empty-tensors,one-shot-bufferize{bufferize-function-boundaries=1"
    " function-boundary-type-conversion=identity-layout-map"
    " unknown-type-conversion=identity-layout-map allow-return-allocs-from-loops=1},"
    "canonicalize,cse,canonicalize,func.func(buffer-loop-hoisting))"
)
GENERALIZE = "builtin.module(func.func(linalg-generalize-named-ops))"
LOOPS = (
    "builtin.module(func.func(convert-linalg-to-loops,scf-forall-to-for),canonicalize,cse,"
    "func.func(loop-invariant-code-motion))"
)
LLVM = (
    "builtin.module(expand-strided-metadata,lower-affine,"
    "func.func(math-expand-ops{ops=rsqrt,round,roundeven,ctlz}),convert-scf-to-cf,"
    "arith-expand{include-bf16=1},memref-expand,"
    "convert-math-to-llvm,convert-math-to-libm,convert-index-to-llvm,finalize-memref-to-llvm,"
    "convert-arith-to-llvm,convert-func-to-llvm{use-bare-ptr-memref-call-conv=1},"
    "convert-cf-to-llvm,convert-ub-to-llvm,reconcile-unrealized-casts,canonicalize,cse)"
)


@dataclass(frozen=True)
class Lowered:
    """A module in the LLVM dialect with one C symbol for `@main` and one for `@prepare`.

    `prepare` is None for a module without prepared constants; the n-th result of `prepare` is the
    argument of `main` with role "constant" and name "n".
    """

    text: str
    main: Signature
    prepare: Signature | None


def lower(text: str, function: str = MAIN, filename: str = "<stdin>") -> Lowered:
    """Lower the module `text`, whose entry point is `function`.

    `InputError`: the text does not parse, shapes are not static, an element type or a tag is not
    supported. `PipelineError`: an operation has no lowering; it carries the command to see it.
    """
    context = make_context(allow_unregistered=True)
    try:
        return lower_module(parse_module(text, context, filename), function, filename)
    except InputError as error:
        error.location = error.location or Location(filename)
        raise


def lower_module(module: ir.Module, function: str, filename: str) -> Lowered:
    """Lower the module in place, in its own context, which allows unregistered dialects. Errors
    are as of `lower`; the module is of no use then."""
    with module.context, ir.Location.unknown():
        names = _entries(module, function)
        interfaces = [_interface(_find(module, name), filename) for name in names]
        _keep_needed(module, names)
        _refuse_unknown(module, filename)
        refuse_uncorrected(module.operation, filename)
        _refuse_unnamed_libraries(module, filename)
        decompose(module, filename)

        run_pipeline(module, SIMPLIFY, filename)
        for name in names:
            drop_zero_fills(_find(module, name).operation)
            shield(_find(module, name).operation)
        run_pipeline(module, FUSE, filename)
        for name in names:
            unshield(_find(module, name).operation)
            _refuse_booleans(_find(module, name), filename)
            _refuse_cropping_pads(_find(module, name), filename)
            _protect_arguments(_find(module, name))
        run_pipeline(module, BUFFERIZE, filename)
        signatures: list[Signature] = []
        for name, (arguments, results) in zip(names, interfaces, strict=True):
            body = _find(module, name)
            workspace = place_buffers(body, tuple(result.tensor for result in results))
            signatures.append(Signature(_symbol(name, function), arguments, results, workspace))
            copies_to_loops(body)
            call_blas(module, body.operation, filename)
        run_pipeline(module, GENERALIZE, filename)
        for name in names:
            body = _find(module, name)
            reorder_reductions(body)
            approximate_math(body)
            allow_contraction(body)
        run_pipeline(module, LOOPS, filename)
        if PREPARE in names:
            keep_rolled(_find(module, PREPARE))
        run_pipeline(module, LLVM, filename)
        export_annotations(module)
        for name, signature in zip(names, signatures, strict=True):
            _export(module, name, signature)
        if not module.operation.verify():
            raise AssertionError("the lowered module does not verify")
        return Lowered(str(module), signatures[0], signatures[1] if len(signatures) > 1 else None)


def _entries(module: ir.Module, function: str) -> list[str]:
    """The entry point, then `@prepare` if the entry point takes results of it."""
    defined = [
        op.name.value
        for op in module.body.operations
        if isinstance(op, func.FuncOp) and not op.is_external
    ]
    if function not in defined:
        raise InputError(
            f"the module has no function @{function}",
            hint=f"it defines: {', '.join('@' + name for name in defined) or 'none'}",
        )
    main = _find(module, function)
    prepared = any(CONSTANT in a for a in _attributes(main, "arg_attrs"))
    return [function, PREPARE] if prepared and PREPARE in defined else [function]


def _find(module: ir.Module, name: str) -> func.FuncOp:
    # Looked up again after every pipeline: a pass may have replaced the operation.
    for op in module.body.operations:
        if isinstance(op, func.FuncOp) and op.name.value == name:
            return op
    raise AssertionError(f"a pass removed @{name}")


def _interface(
    function: func.FuncOp, filename: str
) -> tuple[tuple[Argument, ...], tuple[Result, ...]]:
    place = locate(function.location, filename)
    try:
        return _arguments_and_results(function, place)
    except InputError as error:
        error.location = error.location or place
        raise


def _arguments_and_results(
    function: func.FuncOp, place: Location
) -> tuple[tuple[Argument, ...], tuple[Result, ...]]:
    name = function.name.value
    arguments = tuple(
        _argument(name, index, type_, attributes, place)
        for index, (type_, attributes) in enumerate(
            zip(function.type.inputs, _attributes(function, "arg_attrs"), strict=True)
        )
    )
    results = tuple(
        Result(text_of(attributes, NAME, place) or f"result{index}", _tensor(name, type_))
        for index, (type_, attributes) in enumerate(
            zip(function.type.results, _attributes(function, "res_attrs"), strict=True)
        )
    )
    for kind, names in (
        ("arguments", [(a.role, a.name) for a in arguments]),
        ("results", [("result", r.name) for r in results]),
    ):
        if len(set(names)) != len(names):
            raise InputError(f"@{name}: two {kind} have the same name")
    return arguments, results


def _attributes(function: func.FuncOp, which: str) -> list[ir.DictAttr]:
    count = len(function.type.inputs if which == "arg_attrs" else function.type.results)
    if which not in function.attributes:
        return [ir.DictAttr.get({}, context=function.context)] * count
    return [ir.DictAttr(attributes) for attributes in ir.ArrayAttr(function.attributes[which])]


def _argument(
    function: str, index: int, type_: ir.Type, attributes: ir.DictAttr, place: Location
) -> Argument:
    tensor = _tensor(function, type_)
    if (weight := text_of(attributes, WEIGHT, place)) is not None:
        return Argument(weight, "weight", tensor)
    if (number := constant_number(attributes, place)) is not None:
        return Argument(str(number), "constant", tensor)
    return Argument(text_of(attributes, NAME, place) or f"arg{index}", "input", tensor)


def _tensor(function: str, type_: ir.Type) -> Tensor:
    if not isinstance(type_, ir.RankedTensorType):
        raise InputError(f"@{function}: {type_} is not a ranked tensor")
    tensor = ir.RankedTensorType(type_)
    if not tensor.has_static_shape:
        raise InputError(f"@{function}: {type_} has no static shape")
    if tensor.encoding is not None:
        raise InputError(f"@{function}: {type_} is not dense, as the CPU target's tensors are")
    element = str(tensor.element_type)
    if element not in NUMPY_DTYPES:
        raise InputError(
            f"@{function}: the CPU target has no element type {element}",
            hint=f"supported: {', '.join(NUMPY_DTYPES)}",
        )
    if 0 in tensor.shape[1:]:
        # convert-func-to-llvm (MLIR 22) leaves a function with such a buffer as it is.
        raise InputError(
            f"@{function}: {type_} has no elements",
            hint="of the axes of an argument or a result, only the first may be empty",
        )
    return Tensor(tuple(tensor.shape), element)


def _keep_needed(module: ir.Module, names: Sequence[str]) -> None:
    """Erase what the functions need not, and make private what they do need: it disappears once it
    is inlined, as they would if they were private.

    Nothing else may be lowered with them: passes of MLIR 22 fail or abort on what they meet in
    other functions and in nested modules, and linkers on symbols that nobody defines.
    """
    found: dict[str, list[ir.Operation]] = {}
    for view in module.body.operations:
        if (symbol := symbol_of(view.operation)) is not None:
            found.setdefault(symbol, []).append(view.operation)
    needed: set[str] = set()
    reached = list(names)
    while reached:
        name = reached.pop()
        if name in found and name not in needed:
            needed.add(name)
            reached.extend(s for op in found[name] for s in _symbols_in(op))
    kept = [op for name in needed for op in found[name]]
    for view in list(module.body.operations):
        if view.operation not in kept:
            view.operation.erase()
        elif isinstance(view, func.FuncOp):
            view.attributes["sym_visibility"] = ir.StringAttr.get(
                "public" if view.name.value in names else "private"
            )


def _symbols_in(op: ir.Operation) -> list[str]:
    """What looks like a symbol in the operation's text; too many names do no harm."""
    text = str(op.get_asm(large_elements_limit=0))
    return [quoted or plain for quoted, plain in _SYMBOL.findall(text)]


def _refuse_unknown(module: ir.Module, filename: str) -> None:
    """MLIR 22 may abort on an operation that no dialect has: its inliner on one with a region."""
    for op in walk(module.operation):
        if not module.context.is_registered_operation(op.name):
            raise InputError(
                f"no dialect has the operation {op.name}",
                location=locate(op.location, filename),
                hint="lower it to operations of MLIR's dialects before",
            )


def _refuse_unnamed_libraries(module: ir.Module, filename: str) -> None:
    for op in walk(module.operation):
        attribute = op.attributes.get(LIBRARY)
        if attribute is not None and not isinstance(attribute, ir.StringAttr):
            raise InputError(
                f"{op.name}: {LIBRARY} = {attribute} is not the name of a library",
                location=locate(op.location, filename),
                hint=f'write {LIBRARY} = "blas", or drop it, and it becomes loops',
            )


def _refuse_booleans(function: func.FuncOp, filename: str) -> None:
    """A `memref<i1>` would abort the process later, in finalize-memref-to-llvm (MLIR 22)."""
    for op in walk(function.operation):
        for result in op.results:
            if isinstance(result.type, ir.RankedTensorType):
                element = ir.RankedTensorType(result.type).element_type
                if str(element) == "i1":
                    raise InputError(
                        f"@{function.name.value}: {op.name} gives a tensor of i1",
                        location=locate(op.location, filename),
                        hint="the CPU target stores no booleans; compute them where they are used",
                    )


def _refuse_cropping_pads(function: func.FuncOp, filename: str) -> None:
    """Upstream's lowering of a `tensor.pad` by a negative amount writes outside its buffer."""
    for op in walk(function.operation):
        if op.name == "tensor.pad":
            amounts = [
                n
                for side in ("static_low", "static_high")
                for n in ir.DenseI64ArrayAttr(op.attributes[side])
                if n != ir.ShapedType.get_dynamic_size()
            ]
            if any(n < 0 for n in amounts):
                raise InputError(
                    f"@{function.name.value}: {op.name} by a negative amount",
                    location=locate(op.location, filename),
                    hint="crop with tensor.extract_slice, pad the rest",
                )


def _protect_arguments(function: func.FuncOp) -> None:
    """Without this, bufferization may compute into the caller's inputs and weights."""
    count = len(function.type.inputs)
    readonly = ir.DictAttr.get({"bufferization.writable": ir.BoolAttr.get(False)})
    function.attributes["arg_attrs"] = ir.ArrayAttr.get([readonly] * count)


def _symbol(name: str, entry: str) -> str:
    return "einnet_main" if name == entry else "einnet_prepare"


def _export(module: ir.Module, name: str, signature: Signature) -> None:
    """`void symbol(void **pointers)`, which calls the function on the pointers.

    The function itself stays out of line: `noalias` is a property of its arguments.
    """
    body = f"{signature.symbol}_body"
    function = next(
        op
        for op in module.body.operations
        if op.operation.name == "llvm.func"
        and ir.StringAttr(op.attributes["sym_name"]).value == name
    )
    function.attributes["sym_name"] = ir.StringAttr.get(body)
    function.attributes["linkage"] = ir.Attribute.parse("#llvm.linkage<internal>")
    function.attributes["no_inline"] = ir.UnitAttr.get()
    count = len(signature.arguments) + len(signature.results) + len(signature.workspace)
    loads = "".join(
        f"    %a{i} = llvm.getelementptr %pointers[{i}] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr\n"
        f"    %p{i} = llvm.load %a{i} : !llvm.ptr -> !llvm.ptr\n"
        for i in range(count)
    )
    operands = ", ".join(f"%p{i}" for i in range(count))
    types = ", ".join(["!llvm.ptr"] * count)
    wrapper = ir.Module.parse(
        f"llvm.func @{body}({types})\n"
        f"llvm.func @{signature.symbol}(%pointers: !llvm.ptr) {{\n{loads}"
        f"    llvm.call @{body}({operands}) : ({types}) -> ()\n    llvm.return\n}}\n"
    )
    exported = wrapper.body.operations[1].operation
    module.body.append(exported.detach_from_parent())
