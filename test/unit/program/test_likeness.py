"""What is found for one definition and taken for another that is like it is what would have been
found for that one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from definitions import chain

from einnet.expr.program import Program, constants_of
from einnet.mutations.candidates import Setting, chain_plans, promising, setting_of, with_mutants
from einnet.operators.cost import h100
from einnet.options import Options
from einnet.program.likeness import form_of, program_form
from einnet.program.subprograms import Subprogram, contractions_of

CUDA = Options(target="cuda", precision="tf32", measure=False)

_CONVOLUTION = "L<n:2,f:64,h:28,w:28> S<c:64,r:3,s:3>"

LAYERS = chain(
    f"{_CONVOLUTION} X[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
    "L<n:2,f:64,h:28,w:28> relu(t0[n,f,h,w] + B[f])",
    f"{_CONVOLUTION} t1[n,c,h+r-1,w+s-1] * V[f,c,r,s]",
    "L<n:2,f:64,h:28,w:28> relu(t2[n,f,h,w] + B[f])",
    f"{_CONVOLUTION} t3[n,c,h+r-1,w+s-1] * U[f,c,r,s]",
    inputs={"X": (2, 64, 28, 28), "B": (64,)} | dict.fromkeys(("W", "V", "U"), (64, 64, 3, 3)),
    weights=("W", "V", "U", "B"),
)
"""Three convolutions that are alike."""


def setting() -> Setting:
    return setting_of(LAYERS, constants_of(LAYERS), h100("tf32"), CUDA)


def searched(program: Program, known: Setting | None) -> list[Subprogram]:
    """The subprograms with their mutants, each searched in a setting of its own if none is
    given."""
    found: list[Subprogram] = []
    for definition in contractions_of(program, constants_of(program)):
        used = known or setting()
        subprogram = used.derive(definition, used.constants)
        mutants = promising(subprogram, used)
        found.append(with_mutants(subprogram, mutants, used))
    return found


def test_candidates_are_those_that_each_would_have_got():
    program = replace(
        LAYERS,
        statements=tuple(replace(d, label=f"layer.{n}") for n, d in enumerate(LAYERS.definitions)),
    )
    known = setting()
    alike, apart = searched(program, known), searched(program, None)
    assert len(known.known.searched) == 1
    assert any(c.mutant for c in alike[0].candidates)
    for one, other in zip(alike, apart, strict=True):
        assert one.definition == other.definition
        assert one.candidates == other.candidates


def test_chains_that_are_alike_are_tried_once():
    known = replace(setting(), chain_margin=0.0)
    assert chain_plans(searched(LAYERS, known), known) == ()
    assert len(known.known.moved) == 1
    # The first two members, the last two, which are alike but for what becomes of the result, all.
    assert len(known.known.refused) == 2


@pytest.mark.parametrize(
    "other",
    [
        "L<n:4,f:6> S<c:8> X[n,c] * Y[f,c]",
        "L<n:4,f:6> S<c:8> W[f,c] * X[n,c]",
        "L<n:4,f:6> S<k:8> X[n,k] * W[f,k]",
        "L<n:4,f:6> S<c:8> X[n,c+1] * W[f,c]",
        "L<n:4,f:6> S<c:8> X[n,c] * W[f,c] * 2",
    ],
    ids=["a variable weight", "the operands exchanged", "other iterators", "an index", "a factor"],
)
def test_definitions_that_differ_have_different_forms(other: str):
    program = chain(
        "L<n:4,f:6> S<c:8> X[n,c] * W[f,c]",
        other,
        "L<n:4,f:6> S<c:8> X[n,c] * V[f,c]",
        inputs={"X": (4, 8), "Y": (6, 8), "W": (6, 8), "V": (6, 8)},
        weights=("W", "V"),
    )
    first, second, third = (form_of(d, constants_of(program)) for d in program.definitions)
    assert first != second
    assert first == third


def test_one_tensor_twice_is_no_product_of_two():
    program = chain(
        "L<i:4,j:4> S<k:4> X[i,k] * X[j,k]",
        "L<i:4,j:4> S<k:4> X[i,k] * Y[j,k]",
        inputs={"X": (4, 4), "Y": (4, 4)},
    )
    square, other = (form_of(d, frozenset()) for d in program.definitions)
    assert square != other


def test_forms_of_programs_know_outputs_and_weights():
    program = chain(
        "L<i:4> X[i] + W[i]",
        "L<i:4> t0[i] * V[i]",
        inputs={"X": (4,), "W": (4,), "V": (4,)},
        weights=("W", "V"),
    )
    again = chain(
        "L<i:4> Y[i] + A[i]",
        "L<i:4> t0[i] * B[i]",
        inputs={"Y": (4,), "A": (4,), "B": (4,)},
        weights=("A", "B"),
    )
    assert program_form(program) == program_form(again)
    assert program_form(program) != program_form(replace(again, weights=frozenset({"A"})))
    both = replace(again, outputs=tuple(d.result for d in again.definitions))
    assert program_form(program) != program_form(both)
