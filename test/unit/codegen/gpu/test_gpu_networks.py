"""Random networks compute, in every variant and every form, what they mean.

These are a few; `network_check.py` runs as many as one has time for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from network_check import Counts, Setup, WrongError, check, check_kernels, reduced, setup_of
from networks import network
from simulate import kernels_by_definition

from einnet.codegen.gpu import lower as lowering
from einnet.codegen.gpu.host import LibraryCall, MatrixProduct
from einnet.expr.check import check_program
from einnet.expr.program import Program

SEEDS = (1, 5, 12, 16, 17, 21, 24, 36, 45, 54, 61, 67)
"""Among them are mutants with and without corrections (54), a chain that is moved alike (67), calls
that end in residuals (21, 67), and every precision."""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_network_means_in_every_form_what_it_says(seed: int) -> None:
    counts = Counts()
    with kernels_by_definition() as kernels:
        check(network(seed), setup_of(seed), counts, kernels)
    assert counts.forms["plain"] == sum(counts.variants.values()) > 1


def test_kernels_mean_what_their_definitions_say() -> None:
    counts = Counts()
    check_kernels(network(18), setup_of(18), counts)
    assert counts.kernels > 1


def test_networks_are_well_formed() -> None:
    for seed in range(200):
        check_program(network(seed))


def test_a_wrong_call_is_found_and_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    right = lowering.library_call

    def wrong(*given: Any) -> LibraryCall:
        call = right(*given)
        return replace(call, alpha=-call.alpha) if isinstance(call, MatrixProduct) else call

    monkeypatch.setattr(lowering, "library_call", wrong)

    def fails(program: Program) -> bool:
        try:
            with kernels_by_definition() as kernels:
                check(program, Setup("fp32", True), Counts(), kernels, prove=False)
        except WrongError:
            return True
        return False

    program = network(21)
    assert fails(program)
    small = reduced(program, fails)
    assert len(small.statements) < len(program.statements) and fails(small)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(10))
def test_many_networks(batch: int) -> None:
    for seed in range(1000 + 10 * batch, 1010 + 10 * batch):
        with kernels_by_definition() as kernels:
            check(network(seed), setup_of(seed), Counts(), kernels, prove=False)
