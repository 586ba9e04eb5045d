"""Traversal merging: a nested scope is composed into its reader.

Formula: `L_x S_y { L_z S_w f(z,w) }[phi(x,y)] * g  =  L_x S_{y,w} f(phi(x,y),w) * g * [phi in z]`.

Condition: a nested scope with sums can only join a reader whose body is one term, and not from
inside the call of a nonlinear function. The guard appears for each phi that range analysis cannot
keep inside z's range, because outside it the nested scope is 0.

Paper: EinNet, OSDI 2023, section 4.1.
"""

from __future__ import annotations

from einnet.expr.nodes import Scope, factors_of
from einnet.expr.transform import inline_reads
from einnet.rules.rewrite import NotApplicable

RULE = "merge-traversals"


def merge_traversals(scope: Scope) -> Scope:
    """Compose every nested scope that can be. Raises NotApplicable if none can."""
    nested = [f for f in factors_of(scope.body) if isinstance(getattr(f, "source", None), Scope)]
    if not nested:
        raise NotApplicable("the scope reads no nested scope")
    merged = inline_reads(scope)
    if merged == scope:
        raise NotApplicable(
            "the nested scope has sums, and its reader has several terms or reads it in a call"
        )
    return merged


def merge_outer(scope: Scope) -> Scope:
    """Compose every nested scope but the innermost ones, which leaves the two-level form."""
    return inline_reads(scope, _has_nested)


def _has_nested(scope: Scope) -> bool:
    return any(isinstance(getattr(f, "source", None), Scope) for f in factors_of(scope.body))
