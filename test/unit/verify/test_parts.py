"""The verifier's parts, each against its contract."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_pairs import random_scope, rewritten
from strategies import indices, iteration_spaces
from verify_cases import single

from einnet.expr.index import evaluate
from einnet.expr.interpreter import PRIME, Field, evaluate_at
from einnet.expr.nodes import Scope, Tensor
from einnet.expr.text import parse_scope
from einnet.verify import evaluate as evaluation
from einnet.verify.cells import cells_of, grid, holds
from einnet.verify.certificate import Certificate, Segment
from einnet.verify.equivalence import Different, Equal, compare
from einnet.verify.evaluate import Work, evaluate_terms
from einnet.verify.field import Fields, Randoms, is_prime, random_primes
from einnet.verify.flatten import FlatScope, UndecidedError, flatten
from einnet.verify.periods import period
from einnet.verify.plan import VerifiedProgram, verify_plan
from einnet.verify.positions import every_position, positions_of, slope_count
from einnet.verify.problem import problem_of
from einnet.verify.regions import strided_boxes
from einnet.verify.segment import random_elements

SEEDS = range(60)


def no_calls(function: str, _: tuple[FlatScope, ...]) -> FlatScope:
    raise AssertionError(f"a call of {function}")


def flat(scope: Scope) -> FlatScope:
    return flatten(scope, {}, no_calls, 1000)


def small_scope(seed: int) -> Scope:
    return random_scope(random.Random(seed))


@given(st.data())
def test_an_index_moves_by_its_slope_over_a_period(data: st.DataObject) -> None:
    ranges = data.draw(iteration_spaces())
    index = data.draw(indices(ranges))
    for name in ranges:
        whole, slope = period(index, name)
        point = {n: data.draw(st.integers(-20, 20)) for n in ranges}
        moved = {**point, name: point[name] + whole}
        before = evaluate(index, point.__getitem__, 0)
        assert evaluate(index, moved.__getitem__, 0) == before + slope


@pytest.mark.parametrize("chunk", [1 << 16, 16])
def test_flat_terms_have_the_values_of_the_expression(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "_CHUNK", chunk)
    randoms = Randoms(5, 1)
    randoms.fields = Fields((PRIME,))

    def lookup(tensor: Tensor, index: tuple[np.ndarray, ...]) -> np.ndarray:
        key = np.zeros_like(index[0])
        for extent, where in zip(tensor.shape, index, strict=True):
            key = key * extent + where
        return randoms.at(tensor.name, key)[0].astype(np.int64)

    for seed in SEEDS:
        choose = random.Random(seed)
        scope = rewritten(random_scope(choose), choose)
        rows = grid(scope.extents).T
        terms = flat(scope)
        names = [a.name for a in terms.axes]
        lookup_all, fields, work = random_elements(randoms), randoms.fields, Work(1 << 30)
        ours = evaluate_terms(terms.terms, names, rows, lookup_all, fields, work)[0]
        theirs = evaluate_at(scope, list(rows.T), lookup, Field())
        assert np.array_equal(ours.astype(np.int64), theirs), f"{seed}: {scope}"


WINDOWS = [
    # Two windows of three and of two among 4000 points, one residue of them.
    ("L<v:40> S<t:4000> X[t]*K[t-v]*K[2*v-t+7]", 12),
    ("L<v:40> S<t:4000> X[t]*K[2*t-7*v]*[(t+v) mod 2 = 0]", 12),
    ("L<v:40> S<t:4000> X[t]*[3 <= v mod 10 - t < 9]*[(2*t+v) mod 6 = 0]", 12),
    # Dead but for a few positions.
    ("L<v:40> S<t:400> X[t]*[7 <= v < 9]", 2 * 402 // 40 + 2),
]


@pytest.mark.parametrize(("text", "each"), WINDOWS, ids=[t for t, _ in WINDOWS])
def test_work_goes_with_the_live_points(text: str, each: int) -> None:
    scope = parse_scope(text, {"X": Tensor("X", (9,)), "K": Tensor("K", (3,))})
    rows = grid(scope.extents).T
    terms = flat(scope)
    randoms = Randoms(5, 1)
    randoms.fields = Fields((PRIME,))

    def lookup(tensor: Tensor, index: tuple[np.ndarray, ...]) -> np.ndarray:
        return randoms.at(tensor.name, index[0])[0].astype(np.int64)

    found = evaluate_terms(
        terms.terms,
        [a.name for a in terms.axes],
        rows,
        random_elements(randoms),
        randoms.fields,
        Work(each * len(rows)),
    )
    assert np.array_equal(
        found[0].astype(np.int64), evaluate_at(scope, list(rows.T), lookup, Field())
    )
    with pytest.raises(UndecidedError, match="takes more than 39 array elements"):
        evaluate_terms(
            terms.terms,
            [a.name for a in terms.axes],
            rows,
            random_elements(randoms),
            randoms.fields,
            Work(39),
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_cells_partition_the_box_by_residues_and_live_sets(seed: int) -> None:
    scope = small_scope(seed)
    problem = problem_of(flat(scope), flat(scope))
    cells = cells_of(problem, 1 << 20)
    seen: set[tuple[int, ...]] = set()
    for cell in cells:
        points = every_position(cell, len(problem.axes))
        listed = {tuple(int(x) for x in p) for p in points}
        assert not seen & listed
        seen |= listed
        assert all(len(set(points[:, a] % t)) == 1 for a, t in enumerate(cells.periods))
        for term in problem.terms:
            sums = grid([i.extent for i in term.sums])
            live: set[bytes] = set()
            for point in points:
                values = {a.name: point[n] for n, a in enumerate(problem.axes)}
                values.update({i.name: sums[n] + i.lo for n, i in enumerate(term.sums)})
                mask = np.ones(sums.shape[1], bool)
                for guard in term.guards:
                    zero = np.zeros(sums.shape[1], np.int64)
                    mask &= holds(guard, evaluate(guard.index, values.__getitem__, zero))
                live.add(mask.tobytes())
            assert len(live) == 1
    assert len(seen) == problem.positions


@pytest.mark.parametrize("seed", SEEDS)
def test_two_slopes_take_positions_that_span_the_cell(seed: int) -> None:
    scope = small_scope(seed)
    problem = problem_of(flat(scope), flat(scope))
    cells = cells_of(problem, 1 << 20)
    for cell in cells:
        points = every_position(cell, len(problem.axes))
        chosen = positions_of(cell, len(problem.axes), 2, cells.periods, 1 << 20)
        rank = np.linalg.matrix_rank(points - points[0]) if len(points) > 1 else 0
        assert np.linalg.matrix_rank(chosen - chosen[0]) == rank == len(chosen) - 1
        assert {tuple(p) for p in chosen} <= {tuple(p) for p in points}


def test_many_slopes_take_a_simplex() -> None:
    scope = single({"X": (99,)}, "L<h:9,w:9,n:2> X[h+2*w+5*n]").definitions[0].scope
    problem = problem_of(flat(scope), flat(scope))
    cells = cells_of(problem, 1 << 20)
    (cell,) = cells
    chosen = positions_of(cell, 3, 4, cells.periods, 1 << 20)
    expected = {(h, w, n) for h, w, n in product(range(9), range(9), range(2)) if h + w <= 3}
    assert {tuple(int(x) for x in p) for p in chosen} == expected
    assert len(chosen) == 2 * comb(3 + 2, 2)
    with pytest.raises(UndecidedError, match="4 slopes"):
        positions_of(cell, 3, 4, cells.periods, 10)


@pytest.mark.parametrize(
    ("reference", "candidate", "slopes"),
    [
        ("L<v:6> X[v]", "L<v:6> X[v+1]", 1),
        ("L<v:6> X[v]", "L<v:6> X[2*v]", 2),
        ("L<v:6> X[v+5] + X[6-v]", "L<v:6> X[5] + X[6]", 3),
        ("L<v:6,w:6> X[v]*X[w]", "L<v:6,w:6> X[w]*X[v]", 2),
        ("L<v:6,w:6> X[v]*X[w]*X[v+w]", "L<v:6,w:6> X[w]*X[v]*X[v+w]", 6),
        # Reads of different tensors never cancel.
        ("L<v:6> X[v] + Z[2*v]", "L<v:6> X[v] + Z[2*v]", 1),
    ],
)
def test_slopes_are_counted_over_both_programs(reference: str, candidate: str, slopes: int) -> None:
    shapes = {"X": (40,), "Z": (40,)}
    left = single(shapes, reference).definitions[0].scope
    right = single(shapes, candidate).definitions[0].scope
    problem = problem_of(flat(left), flat(right))
    assert slope_count(problem, cells_of(problem, 1 << 20).periods) == slopes


def test_strided_boxes_are_an_exact_cover() -> None:
    generator = np.random.default_rng(0)
    for rank in (1, 2, 3):
        for share in (0.1, 0.5, 0.95):
            points = np.argwhere(generator.random((7,) * rank) < share)
            boxes = strided_boxes(points)
            listed = [p for box in boxes for p in product(*(range(*s) for s in box))]
            assert sorted(listed) == sorted(map(tuple, points.tolist()))


def test_field_arithmetic_is_exact() -> None:
    p, q = 2**31 - 1, 2**30 + 3
    fields = Fields((p, q))
    values = [0, 1, 2, p - 1, p, p + 1, q, p * p, 2**64 - 1]
    found = fields.reduced(np.array([values], np.uint64))
    assert found.tolist() == [[v % p for v in values], [v % q for v in values]]
    third = fields.constant(Fraction(1, 3), 1)
    assert fields.reduced(3 * third).tolist() == [1, 1]
    assert fields.constant(Fraction(-1), 2).tolist() == [[p - 1], [q - 1]]
    # A dyadic number, as floats are.
    tiny = fields.constant(Fraction(1e-300), 1).tolist()
    assert [t * Fraction(1e-300).denominator % m for t, m in zip(tiny, (p, q), strict=True)] == [
        Fraction(1e-300).numerator % m for m in (p, q)
    ]
    with pytest.raises(UndecidedError):
        fields.constant(Fraction(1, q), 1)


def test_primes_are_random_and_prime() -> None:
    primes = random_primes(3, 40)
    assert len(set(primes)) == 40
    assert all(2**30 < p < 2**31 for p in primes)
    assert all(p % d for p in primes for d in range(3, 47_000, 2))
    assert random_primes(3, 2) == primes[:2] != random_primes(4, 2)
    # Strong pseudoprimes to the base 2 and to the bases 2 and 3.
    assert not any(map(is_prime, (3215031751, 1373653, 25326001, 2**31 - 3)))


def test_no_rounds_prove_nothing() -> None:
    with pytest.raises(ValueError, match="0 rounds"):
        Randoms(0, 0)


def test_random_elements_depend_on_seed_round_tensor_and_index() -> None:
    keys = np.arange(1000)
    base = Randoms(0, 2).at("X", keys)
    assert np.array_equal(base, Randoms(0, 2).at("X", keys))
    others = [
        Randoms(1, 2).at("X", keys),
        Randoms(0, 2).at("Y", keys),
        Randoms(0, 2).at("X", keys + 1),
    ]
    for other in others:
        assert not (base == other).any()
    assert not (base[0] == base[1]).any()
    assert len(np.unique(base)) == base.size


def test_certificate_round_trips_and_bounds_the_error() -> None:
    reference = single({"X": (6,)}, "L<v:6> S<r:3> X[v+r-1]*X[v]")
    verdict = compare(reference, single({"X": (6,)}, "L<v:6> S<r:3> X[v]*X[v+1-r]"), seed=7)
    assert isinstance(verdict, Equal)
    certificate = verdict.certificate
    assert certificate.segments == (Segment("Y", 3, 4, (1, 1), 1, 2, 3, "affine positions"),)
    assert (certificate.seed, certificate.primes) == (7, random_primes(7, 2))
    assert certificate.comparisons == 1
    assert certificate.error_bound == pytest.approx((2 / 2**30) ** 2)
    assert Certificate.from_json(certificate.to_json()) == certificate


def test_long_constants_make_the_error_bound_worse() -> None:
    # 2^-90 has no 31-bit prime in it, but a sum of such numbers may have three.
    reference = single({"X": (6,)}, f"L<v:6> 1/{2**90}*X[v] + 1/3*X[v]")
    verdict = compare(reference, single({"X": (6,)}, f"L<v:6> {2**90 + 3}/{3 * 2**90}*X[v]"))
    assert isinstance(verdict, Equal)
    (segment,) = verdict.certificate.segments
    assert 90 <= segment.bits <= 95
    assert verdict.certificate.error_bound == pytest.approx((3 / 50_697_537 + 1 / 2**30) ** 2)


def test_only_verify_plan_makes_a_verified_program() -> None:
    reference = single({"X": (6,)}, "L<v:6> 2*X[v]")
    plan = single({"X": (6,)}, "L<v:6> X[v]+X[v]")
    verified = verify_plan(reference, plan)
    assert isinstance(verified, VerifiedProgram)
    assert verified.program is plan
    assert isinstance(verify_plan(reference, single({"X": (6,)}, "L<v:6> X[v]")), Different)
    with pytest.raises(TypeError):
        VerifiedProgram(plan, verified.certificate)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="only verify_plan"):
        VerifiedProgram(plan, verified.certificate, object())  # pyright: ignore[reportArgumentType]
