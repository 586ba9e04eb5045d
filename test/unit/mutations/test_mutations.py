"""Every mutation against meaning: equal exactly where the verifier says so, on dense values."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_algebra import Array, parse, value_of

from einnet.corrections.recompute import Failing, failing
from einnet.expr.nodes import Scope, Tensor
from einnet.expr.program import Definition
from einnet.mutations import (
    dimensions,
    groups,
    merging_borders,
    pooling,
    residues,
    splitting_carry,
    strides,
)
from einnet.mutations.moves import apply, moves, replay
from einnet.mutations.mutant import Mutant, Mutated, unmutated
from einnet.rules.rewrite import NotApplicable, Parameter, Step

IMAGES = parse(
    "L<n:3,f:2,h:5,w:6> S<c:2,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
    X=(3, 2, 5, 6),
    W=(2, 2, 3, 3),
)
STRIDED = parse(
    "L<n:2,f:2,h:4,w:3> S<c:2,r:3,s:3> X[n,c,2*h+r-1,2*w+s-1] * W[f,c,r,s]",
    X=(2, 2, 8, 6),
    W=(2, 2, 3, 3),
)
DILATED = parse(
    "L<n:1,f:2,h:7,w:6> S<c:2,r:3,s:3> X[n,c,h+2*r-2,w+3*s-2] * W[f,c,r,s]",
    X=(1, 2, 7, 6),
    W=(2, 2, 3, 3),
)
GROUPED = parse(
    "L<n:2,g:2,f:2,h:4> S<c:3,r:3> X[n,g,c,h+r-1] * W[g,f,c,r]", X=(2, 2, 3, 4), W=(2, 2, 3, 3)
)
FLAT_GROUPS = parse(
    "L<n:2,g:2,f:2,h:4> S<c:3,r:3> X[n,3*g+c,h+r-1] * W[2*g+f,c,r]", X=(2, 6, 4), W=(4, 3, 3)
)
BATCHED = parse("L<b:3,m:4,n:5> S<k:2> A[b,m,k] * B[b,k,n]", A=(3, 4, 2), B=(3, 2, 5))
POOLED = parse("L<n:2,c:3,h:3,w:2> S<r:2,s:2> 1/4*X[n,c,2*h+r,2*w+s]", X=(2, 3, 6, 4))


def mutated(scope: Scope, found: Mutated) -> Scope:
    return unmutated(scope).then(found, Step("test")).scope


def where_equal(scope: Scope, mutant: Scope) -> Array:
    """The positions at which the verifier says that they are equal."""
    result = Tensor("Y", scope.extents)
    found = failing([Definition(result, scope)], [Definition(result, mutant)])
    assert isinstance(found, Failing)
    equal = np.ones(scope.extents, bool)
    for box in found.boxes.get("Y", ()):
        equal[tuple(slice(*s) for s in box)] = False
    return equal


def check(scope: Scope, found: Mutated) -> float:
    """The share of the result that differs; the verifier says exactly where."""
    mutant = mutated(scope, found)
    assert mutant.box == scope.box
    same = value_of(scope) == value_of(mutant)
    assert (same == where_equal(scope, mutant)).all()
    return float(1 - same.mean())


@pytest.mark.parametrize(
    ("inner", "gap", "share"),
    [(3, 0, 4 / 18), (3, 1, 0.0), (2, 0, 4 / 15), (2, 1, 0.0), (2, 3, 0.0)],
)
def test_images_side_by_side_differ_at_the_seams(inner: int, gap: int, share: float) -> None:
    found = merging_borders.merge_borders(IMAGES, 0, 0, inner, gap)
    assert check(IMAGES, found) == pytest.approx(share)


def test_images_side_by_side_with_a_stride() -> None:
    window = merging_borders.sliding(STRIDED, 0, 3)
    assert merging_borders.gaps(window, 6) == (0, 2)
    shares = [
        check(STRIDED, merging_borders.merge_borders(STRIDED, 0, 0, 3, gap)) for gap in (0, 2)
    ]
    assert shares == [pytest.approx(1 / 6), 0.0]


def test_a_seam_that_no_stride_divides_is_refused() -> None:
    with pytest.raises(NotApplicable, match="does not divide"):
        merging_borders.merge_borders(STRIDED, 0, 0, 3, 1)


def test_a_gap_too_narrow_for_the_output_is_refused() -> None:
    wide = parse("L<n:2,h:7> S<r:3> X[n,h+r-2] * W[r]", X=(2, 5), W=(3,))
    with pytest.raises(NotApplicable, match="more than 5 points"):
        merging_borders.merge_borders(wide, 0, 0, 1, 0)
    assert merging_borders.gaps(merging_borders.sliding(wide, 0, 1), 5) == (2,)


@pytest.mark.parametrize(("tile", "halo", "share"), [(2, 0, 0.8), (3, 0, 0.4), (2, 1, 0.0)])
def test_tiles_differ_at_their_borders_unless_they_have_a_halo(
    tile: int, halo: int, share: float
) -> None:
    found = splitting_carry.split_carry(IMAGES, 0, 2, tile, bool(halo))
    assert check(IMAGES, found) == pytest.approx(share)


@pytest.mark.parametrize("halo", [False, True])
def test_tiles_of_a_strided_convolution(halo: bool) -> None:
    found = splitting_carry.split_carry(STRIDED, 0, 2, 2, halo)
    assert (check(STRIDED, found) == 0) is halo


@pytest.mark.parametrize("dimension", [2, 3])
def test_residue_classes_of_a_dilated_convolution_are_dense(dimension: int) -> None:
    found = residues.split_residues(DILATED, 0, dimension)
    assert check(DILATED, found) == 0
    assert residues.dilation(DILATED, 0, dimension) == dimension
    assert residues.dilation(found.core, 0, dimension + 1) == 1


def test_a_dense_dimension_has_no_residues() -> None:
    with pytest.raises(NotApplicable, match="dense"):
        residues.split_residues(IMAGES, 0, 2)


def test_a_dilated_convolution_as_one_dense_image_differs_at_the_seam() -> None:
    found = residues.split_residues(DILATED, 0, 2)
    mutant = unmutated(DILATED).then(found, Step("residues"))
    merged = merging_borders.merge_borders(mutant.core, 0, 2, 3, 0)
    image = mutant.then(merged, Step("merge"))
    same = value_of(DILATED) == value_of(image.scope)
    assert (same == where_equal(DILATED, image.scope)).all()
    assert not same[:, :, [6, 1]].any() and same[:, :, 2:5].all()


def test_stride_one_computes_more_and_keeps_some() -> None:
    found = strides.stride_one(STRIDED, 0, 3)
    assert check(STRIDED, found) == 0
    assert found.core.extents == (2, 2, 4, 5)
    with pytest.raises(NotApplicable, match="1 already"):
        strides.stride_one(IMAGES, 0, 3)


@pytest.mark.parametrize(("scope", "name"), [(GROUPED, "g"), (FLAT_GROUPS, "g"), (BATCHED, "b")])
@pytest.mark.parametrize("filled", [0, 1])
def test_groups_by_zeros(scope: Scope, name: str, filled: int) -> None:
    found = groups.ungroup(scope, name, filled)
    assert check(scope, found) == 0
    assert not groups.shared(found.core)


def test_groups_by_the_diagonal() -> None:
    found = groups.diagonal(BATCHED, "b")
    assert check(BATCHED, found) == 0
    assert found.core.extents == (3, 4, 5, 3)
    with pytest.raises(NotApplicable, match="not in both"):
        groups.diagonal(BATCHED, "m")


@pytest.mark.parametrize("channel", [None, 1])
def test_pooling_is_a_convolution_with_constant_weights(channel: int | None) -> None:
    found = pooling.pool_as_convolution(POOLED, channel)
    assert check(POOLED, found) == 0
    assert bool(groups.shared(found.core)) is (channel is not None)
    with pytest.raises(NotApplicable, match="does not sum"):
        pooling.pool_as_convolution(IMAGES, None)


def test_dimensions_split_and_merge_back() -> None:
    wide = parse(
        "L<n:6,h:5> S<r:3> X[n,h+r-1] * W[r]",
        X=(6, 5),
        W=(3,),
    )
    apart = dimensions.split_dimension(wide, 0, 0, 2)
    assert check(wide, apart) == 0
    mutant = unmutated(wide).then(apart, Step("split"))
    back = mutant.then(dimensions.merge_dimensions(mutant.core, 0, 0, 1), Step("merge"))
    assert isinstance(back.core.term.reads[0].source, Tensor)
    assert back.key == unmutated(wide).key
    with pytest.raises(NotApplicable, match="does not divide"):
        dimensions.split_dimension(wide, 0, 0, 4)


@pytest.mark.parametrize(
    "rule, parameters, reason",
    [
        ("nothing", {}, "there is no mutation nothing"),
        ("merge-borders", {"operand": 0, "outer": 0, "inner": 2}, "gap is not given as a number"),
        ("merge-borders", {"operand": 0, "outer": 0, "inner": 2, "gap": "x"}, "gap is not given"),
        ("merge-borders", {"operand": 2, "outer": 0, "inner": 2, "gap": 0}, "operand is from 0 to"),
        ("merge-borders", {"operand": 0, "outer": 0, "inner": 9, "gap": 0}, "inner is from 0 to 3"),
        ("merge-borders", {"operand": 0, "outer": -1, "inner": 2, "gap": 0}, "outer is from 0"),
        ("split-carry", {"operand": 0, "dimension": 2, "tile": 0, "halo": 0}, "tile is from 1"),
        ("split-carry", {"operand": 0, "dimension": 2, "tile": 7, "halo": 0}, "does not cut"),
        ("split-dimension", {"operand": 0, "dimension": 0, "factor": 0}, "factor is from 1"),
        ("ungroup", {"iterator": 3, "filled": 0}, "iterator is not given as a name"),
        ("ungroup", {"iterator": "n", "filled": 5}, "filled is from 0 to 1"),
        ("pool-as-convolution", {"channel": 1}, "does not sum one tensor"),
    ],
)
def test_steps_that_are_none_are_refused(
    rule: str, parameters: dict[str, Parameter], reason: str
) -> None:
    step = Step(rule, tuple(parameters.items()))
    with pytest.raises(NotApplicable, match=reason):
        replay(unmutated(IMAGES), (step,))


def test_an_iterator_with_another_use_is_not_moved() -> None:
    band = parse("L<n:3,h:5> S<r:3> X[n,h+r-1] * W[r,n]", X=(3, 5), W=(3, 3))
    with pytest.raises(NotApplicable, match="of its own"):
        merging_borders.merge_borders(band, 0, 0, 1, 0)


@pytest.mark.parametrize("scope", [IMAGES, STRIDED, DILATED, GROUPED, BATCHED, POOLED])
def test_steps_replay_as_data(scope: Scope) -> None:
    first = unmutated(scope)
    for step in moves(first.core, (2,)):
        try:
            found = apply(first, step)
        except NotApplicable:
            continue
        assert replay(first, found.steps) == found
        assert isinstance(found, Mutant)
