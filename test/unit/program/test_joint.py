"""Plans of several subprograms as statements of one program."""

from __future__ import annotations

from definitions import chain

from einnet.expr.program import Definition, results_of
from einnet.program.joint import with_own_names


def test_what_is_renamed_is_read_by_its_new_name():
    program = chain(
        "L<i:4> 2 * X[i]", "L<i:4> t0[i] + X[i]", "L<i:4> t1[i] * t0[i]", inputs={"X": (4,)}
    )
    taken = {"X", "t0", "t1", "t2"}
    statements = with_own_names(program.statements, program.outputs, taken)
    assert all(isinstance(s, Definition) for s in statements)
    first, second, last = (t.name for s in statements for t in results_of(s))
    assert last == "t2" and not {first, second} & {"X", "t0", "t1", "t2"}
    assert [t.name for t in statements[1].operands] == [first, "X"]
    assert [t.name for t in statements[2].operands] == [second, first]
    assert taken >= {first, second}
