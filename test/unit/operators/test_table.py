"""The rows of iterators, and who can absorb a guard."""

from __future__ import annotations

import pytest
from tensor_algebra import parse

from einnet.expr.nodes import Scope
from einnet.operators.table import Table, mapping_table, owner

SHAPES = {"X": (9, 9, 9), "Y": (9, 9, 9)}


def table_of(text: str, *, swapped: bool = False) -> tuple[Scope, Table]:
    core = parse(text, **SHAPES)
    first, second = core.term.reads
    return core, mapping_table(core, (second, first) if swapped else (first, second))


PRODUCT = "L<b:2,i:3,j:4> S<k:5> X[b,i,k] * Y[b,k,j]"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (PRODUCT, {"b": "b", "i": "m", "j": "n", "k": "k"}),
        # Only in the output, only summed in one operand, in one operand and the sum of it.
        ("L<i:3,j:4> S<k:5> X[i,k,0] * Y[k,0,0]", {"i": "m", "j": "?", "k": "k"}),
        ("L<i:3> S<k:5,l:2> X[i,k,l] * Y[k,0,0]", {"i": "m", "k": "k", "l": "?"}),
        ("L<i:3> S<k:5,l:2> X[i,k,0] * Y[k,0,0]", {"i": "m", "k": "k", "l": "?"}),
        ("L<i:6> S<k:2> X[(i+k) div 2,0,0] * Y[k,0,0]", {"i": "m", "k": "k"}),
    ],
)
def test_rows(text: str, rows: dict[str, str]):
    assert table_of(text)[1].rows == rows


def test_the_other_order_of_operands_swaps_m_and_n():
    table = table_of(PRODUCT, swapped=True)[1]
    assert table.row("m") == ("j",) and table.row("n") == ("i",)
    assert table.row("b") == ("b",) and table.row("k") == ("k",)


@pytest.mark.parametrize(
    ("guard", "which"),
    [
        ("[i mod 2 = 0]", 0),
        ("[j mod 2 = 0]", 1),
        ("[(i+k) mod 2 = 0]", 0),
        ("[0 <= j-k < 2]", 1),
        ("[b mod 2 = 0]", 0),
        ("[(i+j) mod 2 = 0]", None),
    ],
)
def test_the_owner_of_a_guard_has_all_of_its_iterators(guard: str, which: int | None):
    core, table = table_of(f"{PRODUCT} * {guard}")
    assert owner(core.term.guards[0], table) == which
