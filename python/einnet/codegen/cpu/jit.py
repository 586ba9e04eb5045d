"""A lowered module to machine code of this host, in this process, by LLVM's JIT."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

from mlir.execution_engine import ExecutionEngine

from einnet.codegen.cpu.call import Array, CompiledFunction
from einnet.codegen.cpu.lower import Lowered
from einnet.codegen.cpu.openblas import load_openblas
from einnet.codegen.cpu.signature import Signature
from einnet.errors import InputError
from einnet.toolchain import tools
from einnet.toolchain.mlir import make_context, parse_module

OPTIMIZATION_LEVEL = 3


class Executable:
    """A compiled module: callable on arrays, in the order of `signature.arguments`."""

    def __init__(self, lowered: Lowered) -> None:
        load_openblas()
        context = make_context()
        with context:
            module = parse_module(lowered.text, context, "<lowered>")
            self._engine = ExecutionEngine(
                module, opt_level=OPTIMIZATION_LEVEL, shared_libs=[str(tools.openblas())]
            )
        self.main = self._function(lowered.main)
        self.prepare = self._function(lowered.prepare) if lowered.prepare else None

    def __call__(self, *arguments: Array, out: Sequence[Array] | None = None) -> tuple[Array, ...]:
        """Run `@main`; see `CompiledFunction.__call__`."""
        return self.main(*arguments, out=out)

    @property
    def signature(self) -> Signature:
        return self.main.signature

    def constants(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """The prepared constants, by the names that `main`'s arguments give them."""
        if self.prepare is None:
            return {}
        values = self.prepare(*(_weight(weights, a.name) for a in self.prepare.signature.arguments))
        return {str(number): value for number, value in enumerate(values)}

    def stored(self, weights: Mapping[str, Array]) -> tuple[Array, ...]:
        """What `main` needs besides its inputs: weights and constants, in the signature's order."""
        constants = self.constants(weights)
        return tuple(
            _weight(weights, a.name) if a.role == "weight" else _constant(constants, a.name)
            for a in self.signature.stored
        )

    def _function(self, signature: Signature) -> CompiledFunction:
        address = self._engine.raw_lookup(signature.symbol)
        if not address:
            raise AssertionError(f"the JIT did not find @{signature.symbol}")
        return CompiledFunction(_Call(self._engine, address), signature)


class _Call:
    """A function of an engine, which it keeps alive: the code is the engine's.

    What the engine looks up is its own wrapper, which takes the addresses of the arguments.
    """

    def __init__(self, engine: ExecutionEngine, address: int) -> None:
        self._engine = engine
        self._packed = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)

    def __call__(self, pointers: int) -> None:
        argument = ctypes.c_void_p(pointers)
        self._packed(ctypes.byref(ctypes.c_void_p(ctypes.addressof(argument))))


def _weight(weights: Mapping[str, Array], name: str) -> Array:
    if name not in weights:
        raise InputError(
            f"the weight '{name}' is missing", hint=f"given: {', '.join(weights) or 'none'}"
        )
    return weights[name]


def _constant(constants: Mapping[str, Array], name: str) -> Array:
    if name not in constants:
        raise InputError(
            f"@main wants the prepared constant {name}, @prepare returns {len(constants)}"
        )
    return constants[name]
