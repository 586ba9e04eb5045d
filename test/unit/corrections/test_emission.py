"""Corrected plans as MLIR: slices put into the mutant's result, proved again, and run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from definitions import chain
from mlir import ir
from mlir.dialects import func

from einnet.bridge.emit import emit_program
from einnet.bridge.lift import lift_function
from einnet.codegen.cpu.jit import Executable
from einnet.codegen.cpu.lower import lower
from einnet.corrections.boxes import cover, positions
from einnet.corrections.recompute import correct, failing, program_of
from einnet.corrections.sharing import shared
from einnet.expr.nodes import Scope
from einnet.expr.program import Definition, Statement
from einnet.mutations.moves import replay
from einnet.mutations.mutant import unmutated
from einnet.mutations.plan import as_library, batched, fused, plan_of
from einnet.rules.rewrite import Step
from einnet.toolchain.mlir import make_context
from einnet.verify.equivalence import Undecided
from einnet.verify.plan import VerifiedProgram, verify_plan
from einnet.verify.regions import Box

ROWS = chain(
    "L<n:2,f:2,h:8> S<c:2,r:3> X[n,c,h+r-1] * W[f,c,r]", inputs={"X": (2, 2, 8), "W": (2, 2, 3)}
).definitions[0]
IMAGE = chain(
    "L<n:1,f:2,h:12,w:10> S<c:2,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
    inputs={"X": (1, 2, 12, 10), "W": (2, 2, 3, 3)},
).definitions[0]
DILATED = chain(
    "L<n:1,f:2,h:8> S<c:2,r:3> X[n,c,h+2*r-2] * W[f,c,r]", inputs={"X": (1, 2, 8), "W": (2, 2, 3)}
).definitions[0]

SEAM = (Step("merge-borders", (("operand", 0), ("outer", 0), ("inner", 2), ("gap", 0))),)
TILES = tuple(
    Step("split-carry", (("operand", 0), ("dimension", d), ("tile", t), ("halo", 0)))
    for d, t in ((2, 6), (4, 5))
)
RESIDUES = (
    Step("split-residues", (("operand", 0), ("dimension", 2))),
    Step("merge-borders", (("operand", 0), ("outer", 2), ("inner", 3), ("gap", 0))),
)
CASES = [(ROWS, SEAM), (IMAGE, TILES), (DILATED, RESIDUES)]
NAMES = ["side by side", "tiles", "residues"]


def mutant_of(definition: Definition, steps: Sequence[Step]) -> tuple[Scope, tuple[Box, ...]]:
    """The mutant and exactly the boxes where it fails."""
    scope = batched(replay(unmutated(definition.scope), tuple(steps))).scope
    found = failing([definition], [replace(definition, scope=scope)])
    assert not isinstance(found, Undecided)
    return scope, cover(found.boxes["t0"], definition.result.shape, positions)


def apart(definition: Definition, steps: Sequence[Step]) -> tuple[Statement, ...]:
    scope, boxes = mutant_of(definition, steps)
    taken = {"X", "W", "t0"}
    main = plan_of(scope, definition.result, taken, "conv")
    return fused(correct([definition], main, {"t0": boxes}, as_library, taken), definition.result)


def emitted(definition: Definition, statements: Sequence[Statement]) -> ir.Module:
    program = replace(program_of([definition], definition.result), statements=tuple(statements))
    return emit_program(program, make_context())


def operations(module: ir.Module) -> list[ir.Operation]:
    return [view.operation for view in module.body.operations[0].regions[0].blocks[0].operations]


def is_equal(definition: Definition, module: ir.Module) -> bool:
    function = module.body.operations[0]
    assert isinstance(function, func.FuncOp)
    reference = program_of([definition], definition.result)
    return isinstance(verify_plan(reference, lift_function(function)), VerifiedProgram)


@pytest.mark.parametrize(("definition", "steps"), CASES, ids=NAMES)
def test_each_correction_is_slices_an_operator_and_an_insertion(
    definition: Definition, steps: Sequence[Step]
) -> None:
    _, boxes = mutant_of(definition, steps)
    module = emitted(definition, apart(definition, steps))
    assert is_equal(definition, module)
    tagged = [o for o in operations(module) if "einnet.correction" in o.attributes]
    kinds = {o.name for o in tagged}
    assert "linalg.generic" not in kinds
    inserted = [o for o in tagged if o.name == "tensor.insert_slice"]
    assert len(inserted) == len(boxes)
    assert len([o for o in tagged if ".conv" in o.name]) == len(boxes)
    # One chain: each goes into what the one before it left.
    for before, after in pairwise(inserted):
        assert after.operands[1] == before.results[0]
    assert "einnet.correction" not in inserted[0].operands[1].owner.attributes


@pytest.mark.parametrize(("definition", "steps"), CASES[:2], ids=NAMES[:2])
def test_shared_corrections_are_slices_of_the_mutants_own_result(
    definition: Definition, steps: Sequence[Step]
) -> None:
    scope, boxes = mutant_of(definition, steps)
    longer = shared(definition.scope, scope, boxes)
    assert longer is not None
    statements = plan_of(longer, definition.result, {"X", "W", "t0"}, "conv+correction of conv")
    module = emitted(definition, statements)
    assert is_equal(definition, module)
    assert len([o for o in operations(module) if ".conv" in o.name]) == 1
    inserted = [o for o in operations(module) if o.name == "tensor.insert_slice"]
    assert len(inserted) >= len(boxes)
    assert all("einnet.correction" in o.attributes for o in inserted)


def test_an_insertion_one_row_off_is_not_equal() -> None:
    text = str(emitted(ROWS, apart(ROWS, SEAM)))
    place = text.index("[", text.index("tensor.insert_slice"))
    moved = text[:place] + text[place:].replace("0, 7]", "0, 6]", 1)
    assert moved != text
    assert not is_equal(ROWS, ir.Module.parse(moved, make_context()))


@pytest.mark.parametrize(("definition", "steps"), CASES[1:2], ids=NAMES[1:2])
def test_the_cpu_computes_what_the_original_does(
    definition: Definition, steps: Sequence[Step]
) -> None:
    module = emitted(definition, apart(definition, steps))
    rng = np.random.default_rng(0)
    x, w = (rng.uniform(-1, 1, t.shape).astype(np.float32) for t in definition.operands)
    (found,) = Executable(lower(str(module)))(x, w)
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    np.testing.assert_allclose(
        found, np.einsum("nchwrs,fcrs->nfhw", windows, w), rtol=1e-5, atol=1e-5
    )
