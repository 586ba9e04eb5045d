"""The generator finds PET's cases at small shapes, and what it gives is equal, always."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import pytest
from definitions import chain, same_results
from hypothesis import given, settings
from hypothesis import strategies as st

from einnet.corrections.recompute import program_of
from einnet.expr.nodes import Read, Tensor
from einnet.expr.program import Definition, Program, Windowed
from einnet.mutations.generate import Candidate, Found, Options, explore, judge, mutants
from einnet.operators.cost import CPU, H100, Machine
from einnet.rules.rewrite import Step

WEIGHTS = frozenset({"W", "W0", "W1", "W2", "W3"})


def convolution(
    batch: int = 1,
    size: int = 8,
    kernel: int = 3,
    dilation: int = 1,
    stride: int = 1,
    width: int | None = None,
) -> Program:
    pad = dilation * (kernel - 1) // 2
    wide = width or size
    rows, columns = (-(-n // stride) for n in (size, wide))
    return chain(
        f"L<n:{batch},f:3,h:{rows},w:{columns}> S<c:2,r:{kernel},s:{kernel}>"
        f" X[n,c,{stride}*h+{dilation}*r-{pad},{stride}*w+{dilation}*s-{pad}] * W[f,c,r,s]",
        inputs={"X": (batch, 2, size, wide), "W": (3, 2, kernel, kernel)},
        weights=("W",),
    )


Wanted = Callable[[Found], bool]


def search(program: Program, wanted: Wanted, options: Options = Options()) -> Found:  # noqa: B008
    definitions = program.definitions
    for found in explore(definitions, program, WEIGHTS, options):
        if wanted(found):
            return found
    raise AssertionError("not found")


def judged(found: Found, program: Program, machine: Machine = CPU) -> Candidate:
    """The candidate, which is equal by dense values too."""
    candidate = judge(found, program, WEIGHTS, machine)
    assert candidate is not None
    definitions = tuple(s for s in candidate.statements if isinstance(s, Definition))
    assert same_results(found.originals, definitions)
    return candidate


def space(found: Found) -> tuple[int, int, int]:
    """Batch, height and width of the one convolution of a mutant, as it computes them."""
    (operator,) = (s for s in found.statements if isinstance(s, Definition) and s.library)
    assert isinstance(operator.library, Windowed)
    extents = {i.name: i.extent for i in operator.scope.traversal}
    batch = 1
    for name in operator.library.m:
        batch *= extents[name]
    high, wide = (extents[w.x] for w in operator.library.windows)
    return batch, high, wide


def rules(found: Found) -> list[str]:
    return sorted(step.rule for step in found.steps)


def of(found: Found, *names: str) -> bool:
    return rules(found) == sorted(names)


@pytest.mark.parametrize(("halo", "share"), [(0, 1 - (12 / 16) ** 2), (1, 0.0)])
def test_tiles_into_the_batch(halo: int, share: float) -> None:
    program = convolution(size=16, kernel=5)
    found = search(
        program,
        lambda f: (
            of(f, "split-carry", "split-carry")
            and all(s.arguments["halo"] == halo for s in f.steps)
            and space(f) == (4, 8, 8)
        ),
    )
    candidate = judged(found, program)
    assert candidate.share == pytest.approx(share)
    assert bool(candidate.boxes) is bool(share)


@pytest.mark.parametrize("images", [2, 4])
@pytest.mark.parametrize("gap", [0, 1])
def test_images_side_by_side(images: int, gap: int) -> None:
    program = convolution(batch=images, size=5, width=12)
    wide = images * 12 + (images - 1) * gap
    found = search(program, lambda f: space(f) == (1, 5, wide))
    assert of(found, "merge-borders")
    candidate = judged(found, program)
    seams = 2 * (images - 1)
    assert candidate.share == (0.0 if gap else pytest.approx(seams / (12 * images)))


def test_two_of_four_images_side_by_side() -> None:
    program = convolution(batch=4, size=5, width=12)
    found = search(program, lambda f: space(f) == (2, 5, 24))
    assert judged(found, program).share == pytest.approx(1 / 12)


def test_a_dilated_convolution_as_a_dense_batch_and_as_one_dense_image() -> None:
    program = convolution(size=12, dilation=2)
    batch = search(program, lambda f: of(f, "split-residues", "split-residues"))
    assert space(batch) == (4, 6, 6)
    assert not judged(batch, program).boxes
    image = search(
        program, lambda f: space(f) == (1, 12, 12) and rules(f).count("split-residues") == 2
    )
    assert judged(image, program).share == pytest.approx(1 - (10 / 12) ** 2)


def test_a_strided_convolution_with_stride_one() -> None:
    program = convolution(size=8, stride=2)
    found = search(program, lambda f: of(f, "stride-one", "stride-one"))
    assert space(found) == (1, 7, 7)
    assert not judged(found, program).boxes


@pytest.mark.parametrize(
    ("text", "inputs", "steps"),
    [
        (
            "L<n:2,f:4,h:4> S<c:3,r:3> X[n,3*(f div 2)+c,h+r-1] * W[f,c,r]",
            {"X": (2, 6, 4), "W": (4, 3, 3)},
            ["split", "ungroup"],
        ),
        (
            "L<b:2,m:4,n:5> S<k:3> X[b,m,k] * W[b,k,n]",
            {"X": (2, 4, 3), "W": (2, 3, 5)},
            ["diagonal"],
        ),
        (
            "L<n:2,c:3,h:3,w:2> S<r:2,s:2> 1/4*X[n,c,2*h+r,2*w+s]",
            {"X": (2, 3, 6, 4)},
            ["pool-as-convolution"],
        ),
        (
            "L<n:2,c:3,h:3,w:2> S<r:2,s:2> 1/4*X[n,c,2*h+r,2*w+s]",
            {"X": (2, 3, 6, 4)},
            ["pool-as-convolution", "ungroup"],
        ),
    ],
)
def test_operators_exchanged(
    text: str, inputs: dict[str, tuple[int, ...]], steps: list[str]
) -> None:
    program = chain(text, inputs=inputs, weights=("W",) if "W" in inputs else ())
    found = search(program, lambda f: rules(f) == steps)
    assert any(isinstance(s, Definition) and s.library for s in found.statements)
    assert not judged(found, program).boxes


PARALLEL = chain(
    "L<n:1,f:4,h:5> S<c:3,r:1> X[n,c,h+r] * W0[f,c,r]",
    "L<n:1,f:4,h:5> S<c:3,r:3> X[n,c,h+r-1] * W1[f,c,r]",
    "L<n:1,f:2,h:5> S<c:3,r:1> X[n,c,h+r] * W2[f,c,r]",
    inputs={"X": (1, 3, 5), "W0": (4, 3, 1), "W1": (4, 3, 3), "W2": (2, 3, 1)},
    outputs=3,
    weights=("W0", "W1", "W2"),
)


@pytest.mark.parametrize("rule", ["merge-padded", "batch-padded"])
def test_parallel_convolutions_become_one(rule: str) -> None:
    found = search(PARALLEL, lambda f: of(f, rule) and len(f.originals) == 3)
    operators = [s for s in found.statements if isinstance(s, Definition) and s.library]
    assert len(operators) == 1
    candidate = judged(found, PARALLEL)
    assert not candidate.boxes


@pytest.mark.parametrize("rule", ["merge-padded", "batch-padded"])
@pytest.mark.parametrize(
    ("window", "plain", "size"), [("h+r-1", "h", 5), ("h+2*r-2", "h", 5), ("2*h+2*r-4", "2*h", 3)]
)
def test_a_window_of_one_tap_needs_no_sum(rule: str, window: str, plain: str, size: int) -> None:
    program = chain(
        f"L<n:2,f:4,h:{size}> S<c:3,r:3> X[n,c,{window}] * W0[f,c,r]",
        f"L<n:2,f:2,h:{size}> S<c:3> X[n,c,{plain}] * W1[f,c,0]",
        inputs={"X": (2, 3, 5), "W0": (4, 3, 3), "W1": (2, 3, 1)},
        outputs=2,
        weights=("W0", "W1"),
    )
    found = search(program, lambda f: of(f, rule))
    assert len([s for s in found.statements if isinstance(s, Definition) and s.library]) == 1
    assert not judged(found, program).boxes


@pytest.mark.parametrize(
    "other",
    [
        "L<n:2,f:2,h:5> S<c:3> X[n,c,h+3] * W1[f,c,0]",
        "L<n:2,f:2,h:5> S<c:3> X[n,c,h] * W1[f,c,1]",
        "L<n:2,f:2,h:5> S<c:3> X[n,c,2*h] * W1[f,c,0]",
    ],
)
def test_what_is_no_window_of_one_tap(other: str) -> None:
    program = chain(
        "L<n:2,f:4,h:5> S<c:3,r:3> X[n,c,h+2*r-2] * W0[f,c,r]",
        other,
        inputs={"X": (2, 3, 5), "W0": (4, 3, 3), "W1": (2, 3, 2 if ",1]" in other else 1)},
        outputs=2,
        weights=("W0", "W1"),
    )
    mutants = explore(program.definitions, program, program.weights, Options(rounds=0), CPU)
    assert all(len(f.originals) == 1 for f in mutants)


def test_products_with_operands_in_another_order_stay_two() -> None:
    program = chain(
        "L<i:2,j:4,n:5> S<k:3> W[n,k] * X[i,j,k]",
        "L<i:2,j:4,n:5> S<k:3> Z[i,j,k] * V[n,k]",
        inputs={"X": (2, 4, 3), "Z": (2, 4, 3), "W": (5, 3), "V": (5, 3)},
        outputs=2,
        weights=("W", "V"),
    )
    mutants = explore(program.definitions, program, program.weights, Options(rounds=0), CPU)
    assert all(len(f.originals) == 1 for f in mutants)


def test_several_results_of_one_mutant_are_corrected() -> None:
    program = chain(
        "L<n:2,f:2,h:12> S<c:2,r:3> X[n,c,h+r-1] * W0[f,c,r]",
        "L<n:2,f:3,h:12> S<c:2,r:3> X[n,c,h+r-1] * W1[f,c,r]",
        inputs={"X": (2, 2, 12), "W0": (2, 2, 3), "W1": (3, 2, 3)},
        outputs=2,
        weights=("W0", "W1"),
    )
    found = search(
        program,
        lambda f: (
            rules(f) == ["merge-borders", "merge-padded"] and f.steps[1].arguments["gap"] == 0
        ),
    )
    candidate = judged(found, program)
    assert set(candidate.boxes) == {"t0", "t1"}
    assert candidate.share == pytest.approx(1 / 12)


def test_products_become_one_batched_product() -> None:
    program = chain(
        *(f"L<m:4,n:5> S<k:3> A{i}[m,k] * W{i}[k,n]" for i in range(3)),
        inputs={f"{n}{i}": s for i in range(3) for n, s in (("A", (4, 3)), ("W", (3, 5)))},
        outputs=3,
        weights=("W0", "W1", "W2"),
    )
    found = search(program, lambda f: of(f, "batch-padded") and len(f.originals) == 3)
    assert not judged(found, program).boxes


def test_what_depends_on_the_other_is_not_made_one() -> None:
    program = chain(
        "L<m:4,n:4> S<k:4> A[m,k] * W0[k,n]",
        "L<m:4,n:4> S<k:4> t0[m,k] * W1[k,n]",
        inputs={"A": (4, 4), "W0": (4, 4), "W1": (4, 4)},
        weights=("W0", "W1"),
    )
    assert all(len(f.originals) == 1 for f in explore(program.definitions, program, WEIGHTS))


def test_no_mutant_comes_twice_and_limits_hold() -> None:
    program = convolution(batch=2, size=6)
    found = list(explore(program.definitions, program, WEIGHTS, Options(depth=2, rounds=1)))
    assert [f.number for f in found] == list(range(1, len(found) + 1))
    assert len({f.mutant.key for f in found}) == len(found)
    assert max(len(f.steps) for f in found) == 2
    few = Options(depth=2, rounds=1, states=5)
    assert len(list(explore(program.definitions, program, WEIGHTS, few))) == 5


def test_candidates_come_by_what_they_cost_with_corrections() -> None:
    program = convolution(batch=2, size=6)
    options = Options(depth=1, rounds=1, judged=8)
    found = mutants(program.definitions, program, WEIGHTS, options)
    assert len(found) > 4
    costs = [c.estimate for c in found]
    assert costs == sorted(costs)
    assert any(c.boxes for c in found) and any(not c.boxes for c in found)
    assert all(c.estimate > c.found.estimate for c in found if c.boxes)
    assert {s.arguments.get("gap") for c in found for s in c.found.steps} >= {0, 1}


def test_relayouts_commute_with_pointwise_functions() -> None:
    """Two convolutions side by side with an activation between them need no relayout there."""
    from einnet.expr.program import splice
    from einnet.mutations.plan import fused

    program = chain(
        "L<n:2,f:2,h:6> S<c:2,r:3> X[n,c,h+r-1] * W0[f,c,r]",
        "L<n:2,f:2,h:6> relu(t0[n,f,h])",
        "L<n:2,f:2,h:6> S<c:2,r:3> t1[n,c,h+r-1] * W1[f,c,r]",
        inputs={"X": (2, 2, 6), "W0": (2, 2, 3), "W1": (2, 2, 3)},
        weights=("W0", "W1"),
    )
    plans: dict[str, tuple[Definition, ...]] = {}
    for definition in (program.definitions[0], program.definitions[2]):
        part = program_of((definition,), definition.result)
        found = next(
            f
            for f in explore((definition,), part, WEIGHTS)
            if f.steps[0].rule == "merge-borders" and f.steps[0].arguments["gap"] == 0
        )
        plans[definition.result.name] = tuple(
            s for s in found.statements if isinstance(s, Definition)
        )
    whole = fused(splice(program, plans).statements, program.outputs[0])
    activation = next(s for s in whole if isinstance(s, Definition) and "relu" in str(s.scope))
    (term,) = activation.scope.body
    (call,) = term.factors
    assert not isinstance(call, Read)
    (inner,) = call.arguments
    (read,) = inner[0].reads
    assert sorted(e.name or "" for e in read.index) == sorted(
        i.name for i in activation.scope.traversal
    )


@st.composite
def programs(draw: st.DrawFn) -> Program:
    kernel = draw(st.sampled_from([1, 2, 3]))
    stride, dilation = draw(st.sampled_from([(1, 1), (2, 1), (1, 2)]))
    size = draw(st.integers(dilation * (kernel - 1) + 2, 9))
    pad = draw(st.integers(0, dilation * (kernel - 1)))
    rows = (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
    batch, taps = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    return chain(
        f"L<n:{batch},f:2,h:{rows},w:4> S<c:2,r:{kernel},s:{taps}>"
        f" X[n,c,{stride}*h+{dilation}*r-{pad},w+s-1] * W[f,c,r,s]",
        inputs={"X": (batch, 2, size, 4), "W": (2, 2, kernel, taps)},
        weights=("W",),
    )


@given(programs(), st.integers(0, 30), st.sampled_from([CPU, H100]))
@settings(max_examples=25, deadline=None)
def test_corrected_mutants_are_equal(program: Program, number: int, machine: Machine) -> None:
    """A launch is dear on the H100: there the mutant's own operator computes corrections."""
    options = Options(depth=3, rounds=1, beam=1, states=40)
    found = list(islice(explore(program.definitions, program, WEIGHTS, options), number + 1))
    if found:
        candidate = judge(found[-1], program, WEIGHTS, machine)
        if candidate is not None:
            definitions = tuple(s for s in candidate.statements if isinstance(s, Definition))
            assert same_results(program.definitions, definitions)


def test_a_step_names_its_mutation() -> None:
    program = convolution(batch=2)
    found = next(explore(program.definitions, program, WEIGHTS))
    assert isinstance(found.steps[0], Step)
    assert isinstance(found.originals[0].result, Tensor)


@pytest.mark.parametrize(
    "body",
    ["X[i,k] * W[k,j] + X[i,k] * V[k,j]", "X[i,k] * relu(W[k,j])", "1"],
    ids=["two terms", "a call", "no read"],
)
def test_what_is_no_product_of_reads_has_no_mutants(body: str):
    """Beside a product, with which nothing makes it one."""
    program = chain(
        f"L<i:4,j:6> S<k:8> {body}",
        "L<i:4,j:6> S<k:8> X[i,k] * W[k,j]",
        inputs={"X": (4, 8), "W": (8, 6), "V": (8, 6)},
        weights=("W", "V"),
        outputs=(0, 1),
    )
    first, second = program.definitions
    assert list(explore((first,), program, WEIGHTS)) == []
    both = explore((first, second), program, WEIGHTS)
    alone = explore((second,), program, WEIGHTS)
    assert [f.steps for f in both] == [f.steps for f in alone]
