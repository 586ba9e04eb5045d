"""A program that is ready to run: compiled code with its weights and constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from einnet.codegen.cpu.call import Array, CompiledFunction, check_array
from einnet.codegen.cpu.signature import Signature
from einnet.errors import InputError, Location

if TYPE_CHECKING:
    from einnet.codegen.cpu.lower import Lowered


class Program:
    """A compiled `@main` with everything but its inputs; `engine` is "library" or "jit".

    Inputs are read in place. A program may be called from several threads, which take turns.
    """

    def __init__(self, function: CompiledFunction, stored: Sequence[Array], engine: str) -> None:
        self.engine = engine
        self._function = function.bind(stored)

    @property
    def signature(self) -> Signature:
        return self._function.signature

    def __call__(self, *arrays: Array, out: Sequence[Array] | None = None) -> tuple[Array, ...]:
        """Results in order, for inputs in order; `out` as in `CompiledFunction.__call__`."""
        return self._function(*arrays, out=out)

    def check(self, inputs: Mapping[str, Array], locations: Mapping[str, Location]) -> None:
        """Raise `InputError` for an input of a wrong shape or dtype, at its location."""
        for argument in self.signature.inputs:
            if argument.name in inputs:
                array, tensor = inputs[argument.name], argument.tensor
                location = locations.get(argument.name)
                check_array(argument.what, array, tensor.shape, tensor.dtype, location)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Results by name, for inputs by name; `InputError` for a name missing or unknown."""
        names = [argument.name for argument in self.signature.inputs]
        missing = [name for name in names if name not in inputs]
        unknown = [name for name in inputs if name not in names]
        if missing or unknown:
            wrong = [
                *(f"input '{name}' is missing" for name in missing),
                *(f"'{name}' is no input" for name in unknown),
            ]
            raise InputError("; ".join(wrong), hint=f"inputs: {', '.join(names) or 'none'}")
        results = self(*(inputs[name] for name in names))
        return {
            result.name: array
            for result, array in zip(self.signature.results, results, strict=True)
        }


def jit_program(lowered: Lowered, weights: Mapping[str, Array]) -> Program:
    """Compile `lowered` in this process and evaluate its prepared constants from `weights`."""
    from einnet.codegen.cpu.jit import Executable  # MLIR: artifacts with a library do without

    executable = Executable(lowered)
    return Program(executable.main, executable.stored(weights), "jit")
