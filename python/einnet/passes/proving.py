"""What a pass puts into a module, proved equal to what it takes out."""

from __future__ import annotations

from collections.abc import Sequence

from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Program
from einnet.rules.rewrite import NotApplicable
from einnet.verify.equivalence import Different
from einnet.verify.plan import VerifiedProgram, verify_plan


def require_equal(
    before: Sequence[Definition], after: Sequence[Definition], result: Tensor
) -> None:
    """Raise NotApplicable where it cannot be proved that both define the same `result`.

    What neither defines is an input. Raises AssertionError, our bug, if they differ.
    """
    both = (*before, *after)
    defined = {d.result.name for d in both}
    operands = (t for d in both for t in d.operands if t.name not in defined)
    inputs = tuple(dict.fromkeys(operands))
    reference = Program("before", inputs, tuple(before), (result,))
    verified = verify_plan(reference, Program("after", inputs, tuple(after), (result,)))
    if isinstance(verified, Different):
        raise AssertionError(f"a pass would change {result.name}: {verified}")
    if not isinstance(verified, VerifiedProgram):
        raise NotApplicable(f"it cannot be proved: {verified.reason}")
