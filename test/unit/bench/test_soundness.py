"""The soundness benchmark: its oracle is independent and right, its faults are faults, and a tenth
of it runs here; `make test-all` runs the whole."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from bench import corrected, faults, oracle, soundness
from bench.oracle import LARGEST, first_difference, outputs
from bench.programs import program
from bench.rewrites import pool, random_walk
from bench.soundness import EXACT, FAULTS, REWRITES, Outcome, Pair, Row, judge, main, run

from einnet.expr.check import check_program
from einnet.expr.interpreter import Float64, dense, evaluate_everywhere
from einnet.expr.nodes import Tensor
from einnet.expr.program import Opaque, Program
from einnet.expr.text import parse_scope
from einnet.verify.certificate import Certificate
from einnet.verify.equivalence import Equal, Undecided

ROOT = Path(__file__).resolve().parents[3]
CONVOLUTION = program(
    "L<n:2,f:2,h:7,w:6> S<c:2,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
    weights="W",
    X=(2, 2, 7, 6),
    W=(2, 2, 3, 3),
)


# The oracle -------------------------------------------------------------------------------------


def test_the_oracle_imports_nothing_of_the_verifier() -> None:
    code = (
        "import sys, bench.oracle\n"
        "print([m for m in sys.modules if m.startswith(('einnet.verify', 'einnet.rules'))])\n"
        "print('einnet.expr.interpreter' in sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.split("\n") == ["[]", "False", ""]


@pytest.mark.parametrize(
    "text",
    [
        "L<n:2,f:2,h:7,w:6> S<c:2,r:3,s:3> X[n,c,h+r-1,w+s-1]*W[f,c,r,s]",
        "L<h:-2:5> S<c:2> 1/3*X[1,c,(h-3) div 2,h mod 3]*[(h+c) mod 2 = 0]",
        "L<a:9> {L<b:1:6> S<r:3> X[0,0,b-r,1] - 2*X[1,r,b,3]}[a-1]*[1 <= a < 8]",
        "L<a:4> S<r:4,s:5> W[1,1,r-a,s div 2]",
    ],
)
def test_the_oracle_agrees_with_floating_point(text: str) -> None:
    # Small integers are exact in double precision; the field's residues are made signed.
    shapes = {"X": (2, 2, 7, 6), "W": (2, 2, 3, 3)}
    tensors = {n: Tensor(n, s) for n, s in shapes.items()}
    scope = parse_scope(text, tensors)
    generator = np.random.default_rng(3)
    arrays = {n: generator.integers(-9, 10, s) for n, s in shapes.items()}
    field = oracle._Field(2**50 - 27)
    ours = 3 * oracle._Evaluation(field, arrays).scope(scope) % field.prime
    signed = np.where(ours > field.prime // 2, ours - field.prime, ours)
    doubles = {n: a.astype(np.float64) for n, a in arrays.items()}
    theirs = 3 * evaluate_everywhere(scope, dense(doubles), Float64())
    assert np.abs(theirs).max() > 0
    assert np.allclose(signed, theirs, rtol=0, atol=1e-9)


def test_products_and_sums_are_exact() -> None:
    prime = oracle._random_prime(5)
    field = oracle._Field(prime)
    numbers = [0, 1, 2, prime // 2, prime - 2, prime - 1, 3**30 % prime]
    a, b = (x.reshape(-1) for x in np.meshgrid(np.array(numbers), np.array(numbers)))
    assert field.product(a, b).tolist() == [
        x * y % prime for x, y in zip(a.tolist(), b.tolist(), strict=True)
    ]
    many = np.full(3 * 4096 + 5, prime - 1)
    assert field.sum_last(many) == len(many) * (prime - 1) % prime
    assert field.constant(Fraction(-1, 3)) * 3 % prime == prime - 1


def test_primes_are_random_and_prime() -> None:
    primes = [oracle._random_prime(seed) for seed in range(20)]
    assert len(set(primes)) == 20
    assert all(2**49 < p < 2**50 for p in primes)
    assert all(p % d for p in primes for d in range(3, 20_000, 2))
    assert [n for n in range(41, 2000, 2) if oracle._is_prime(n)] == [
        n for n in range(41, 2000, 2) if all(n % d for d in range(3, n, 2))
    ]
    # A strong pseudoprime to the bases 2, 3 and 5.
    assert not oracle._is_prime(25326001)


def test_the_oracle_reads_functions_as_arbitrary_ones() -> None:
    def of(text: str) -> Program:
        return program(text, X=(5,), Z=(5,))

    relu = of("L<v:5> relu(X[v] + Z[v])")
    assert first_difference(outputs(relu, 1), outputs(of("L<v:5> relu(Z[v] + X[v])"), 1)) is None
    for other in ("L<v:5> tanh(X[v] + Z[v])", "L<v:5> X[v] + Z[v]", "L<v:5> relu(X[v])"):
        assert first_difference(outputs(relu, 1), outputs(of(other), 1)) is not None
    largest = [of(f"L<v:5> maximum({pair})") for pair in ("X[v], Z[v]", "Z[v], X[v]")]
    assert first_difference(outputs(largest[0], 1), outputs(largest[1], 1)) is None


def test_the_oracle_says_what_it_cannot_do() -> None:
    x = Tensor("X", (2,))
    opaque = Program("p", (x,), (Opaque((Tensor("Y", (2,)),), (x,), "sort", 0),), ())
    with pytest.raises(ValueError, match="'sort'"):
        outputs(opaque, 0)
    side = 1 << 13
    large = program(f"L<h:{side},w:{side}> X[0]", X=(1,))
    assert side * side > LARGEST
    with pytest.raises(ValueError, match="too many"):
        outputs(large, 0)


# Faults and corrections -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", faults.KINDS)
def test_a_fault_is_one_well_formed_change(kind: str) -> None:
    random = Random(kind)
    changed = unequal = 0
    for seed in range(30):
        plan = random_walk(random).plan
        faulty = faults.seeded(plan, faults.KINDS[kind], random)
        if faulty is None:
            continue
        check_program(faulty)
        assert faulty != plan
        assert (faulty.inputs, faulty.outputs) == (plan.inputs, plan.outputs)
        changed += 1
        unequal += first_difference(outputs(plan, seed), outputs(faulty, seed)) is not None
    assert changed >= 15
    assert unequal >= 0.8 * changed


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (faults.transposed_weight, "W[f,c,s,r]"),
        (faults.dropped_term, "S<c:2,r:1:3,s:3>"),
        (faults.index_off_by_one, "X[n,c,h+r,s+w-1]"),
        (faults.wrong_stride, "X[n,c,2*h+r-1,s+w-1]"),
        (faults.wrong_padding, "[0 <= h+r-1 < 6]"),
        (faults.doubled_term, "[0 <= r < 1]"),
        (faults.swapped_slopes, "X[n,c,r+w-1,h+s-1]"),
        (faults.wrong_residue, "(h+1) mod 2 = 0]"),
        (faults.corner_or_diagonal, "(h+w+1) div 12"),
    ],
)
def test_a_kind_holds_what_it_is_named_after(fault: faults.Fault, expected: str) -> None:
    (definition,) = CONVOLUTION.definitions
    found = {str(fault(definition.scope, Random(seed))) for seed in range(3000)}
    assert any(expected in text for text in found)


def test_a_box_one_row_too_small_leaves_a_fault() -> None:
    (definition,) = CONVOLUTION.definitions
    scope = replace(
        definition.scope,
        body=parse_scope(
            "L<n:2,f:2,h:7,w:6> S<c:2,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]"
            " + X[n,c,h,w] * W[f,c,r,s] * [1 <= h < 4] * [(w+1) mod 2 = 0]",
            {t.name: t for t in CONVOLUTION.inputs},
        ).body,
    )
    mutant = replace(CONVOLUTION, statements=(replace(definition, scope=scope),))
    wrong = soundness.difference(CONVOLUTION, mutant, 0)
    assert wrong is not None
    lines = corrected.bounding_lines(wrong.positions)
    assert lines[2:] == (corrected.Line(1, 4), corrected.Line(1, 6, 2))

    def judged(candidate: Program) -> Outcome:
        return judge(Pair("", CONVOLUTION, candidate), 0).outcome

    assert judged(corrected.corrected(CONVOLUTION, mutant, lines)) is Outcome.ACCEPTED
    within = corrected.corrected_within(CONVOLUTION, mutant.definitions[0], lines)
    assert judged(within) is Outcome.ACCEPTED
    for seed in range(12):
        short = corrected.shrunk(lines, Random(seed))
        assert short != lines
        assert judged(corrected.corrected(CONVOLUTION, mutant, short)) is Outcome.REJECTED


# The benchmark ----------------------------------------------------------------------------------


def equal(*_: object, **__: object) -> Equal:
    return Equal(Certificate((), 0, (), 0))


def undecided(*_: object, **__: object) -> Undecided:
    return Undecided("no")


@pytest.mark.parametrize(
    ("verifier", "miss"), [(equal, "wrongly accepted"), (undecided, "unequal pairs undecided")]
)
def test_a_wrong_verifier_is_found(
    verifier: Callable[..., Any],
    miss: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(soundness, "compare", verifier)
    assert main(["--faults", "20", "--rewrites", "4", "--kind", "off by one", "--check"]) == 1
    assert f"index off by one: 2 {miss}" in capsys.readouterr().out


def test_figures_and_misses_are_written(tmp_path: Path) -> None:
    file = tmp_path / "soundness.json"
    assert main(["--faults", "10", "--rewrites", "2", "--check", "--json", str(file)]) == 0
    figures = json.loads(file.read_text())
    assert [r["kind"] for r in figures["rows"]] == [
        *faults.KINDS,
        soundness.CORRECTION,
        EXACT,
        soundness.WALKS,
    ]


def test_a_seed_draws_the_same_pairs() -> None:
    plans = pool(1, 10)
    pairs = [
        list(islice(soundness.faulty_pairs("wrong stride", plans, seed), 4)) for seed in (1, 1, 2)
    ]
    assert pairs[0] == pairs[1] != pairs[2]


def no_report(_: Row) -> None:
    pass


def check(rows: list[Row], least: int) -> None:
    assert [s for row in rows for s in row.short] == []
    for row in rows:
        if row.kind in (EXACT, soundness.WALKS):
            assert row.unequal == 0
        else:
            assert row.rejected >= least


def test_a_tenth_of_the_faults_and_rewrites() -> None:
    check(run(0, FAULTS // 10, REWRITES // 10, no_report), 30)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_faults_and_rewrites() -> None:
    check(run(1, FAULTS, REWRITES, no_report), 300)
