"""Whole programs: nonlinear functions, permuted layouts, folding, opaque operations."""

from __future__ import annotations

import time

import pytest
from verify_cases import differences, program

from einnet.errors import InputError
from einnet.expr.nodes import Tensor
from einnet.expr.program import Opaque, Program
from einnet.verify.equivalence import Different, Equal, Undecided, compare
from einnet.verify.segment import Budget

Statements = list[tuple[str, str] | Opaque]

CONV = {"X": (2, 3, 4, 5), "K": (6, 3, 3, 3), "bias": (6,)}
CONV_RELU: Statements = [
    ("C", "L<n:2,f:6,h:4,w:5> S<c:3,r:3,s:3> X[n,c,h+r-1,w+s-1]*K[f,c,r,s]"),
    ("Y", "L<n:2,f:6,h:4,w:5> relu(C[n,f,h,w] + bias[f])"),
]


def product_relu(
    weight: str = "K[f,c,r,s]", shift: str = "h+r-1", bias: str = "bias[f]"
) -> Statements:
    """The convolution as one product and an offset-add with bias and relu, in NHWC."""
    return [
        ("W", f"L<c:3,r:3,s:3,f:6> {weight}"),
        ("P", "L<n:2,y:4,x:5,r:3,s:3,f:6> S<c:3> X[n,c,y,x]*W[c,r,s,f]"),
        (
            "A",
            f"L<n:2,h:4,w:5,f:6> relu({{L<n:2,h:4,w:5,f:6> S<r:3,s:3> "
            f"P[n,{shift},w+s-1,r,s,f]}}[n,h,w,f] + {bias})",
        ),
        ("Z", "L<n:2,f:6,h:4,w:5> A[n,h,w,f]"),
    ]


def test_function_in_another_layout() -> None:
    reference = program(CONV, CONV_RELU, ["Y"])
    candidate = program(CONV, product_relu(), ["Z"])
    assert not differences(reference, candidate)
    verdict = compare(reference, candidate)
    assert isinstance(verdict, Equal)
    assert [s.name for s in verdict.certificate.segments] == ["reference.relu#0", "Y"]


@pytest.mark.parametrize(
    "fault",
    [
        {"weight": "K[f,c,s,r]"},
        {"shift": "h+r-2"},
        {"bias": "2*bias[f]"},
        {"bias": "bias[f]*[0 <= h < 3]"},
    ],
    ids=str,
)
def test_fault_under_a_function(fault: dict[str, str]) -> None:
    reference = program(CONV, CONV_RELU, ["Y"])
    candidate = program(CONV, product_relu(**fault), ["Z"])
    wrong = differences(reference, candidate)
    assert wrong
    verdict = compare(reference, candidate)
    assert isinstance(verdict, Different)
    assert verdict.position in wrong
    assert verdict.notes == ("no relu of the reference was shown equal to that in A",)


def test_function_forgotten() -> None:
    reference = program(CONV, CONV_RELU, ["Y"])
    candidate = program(
        CONV, [CONV_RELU[0], ("Z", "L<n:2,f:6,h:4,w:5> C[n,f,h,w] + bias[f]")], ["Z"]
    )
    assert isinstance(compare(reference, candidate), Different)


def test_square_image_transposed_before_a_function() -> None:
    shapes = {"X": (3, 4, 4)}
    reference = program(shapes, [("R", "L<c:3,h:4,w:4> relu(X[c,h,w])")], ["R"])
    transposed: Statements = [("A", "L<w:4,h:4,c:3> relu(X[c,h,w])")]
    right = program(shapes, [*transposed, ("Z", "L<c:3,h:4,w:4> A[w,h,c]")], ["Z"])
    wrong = program(shapes, [*transposed, ("Z", "L<c:3,h:4,w:4> A[h,w,c]")], ["Z"])
    assert isinstance(compare(reference, right), Equal)
    assert isinstance(compare(reference, wrong), Different)


@pytest.mark.parametrize("merged_first", [True, False])
def test_function_over_merged_axes(merged_first: bool) -> None:
    shapes = {"X": (3, 4, 5)}
    apart = program(
        shapes,
        [("R", "L<c:3,h:4,w:5> relu(X[c,h,w])"), ("Y", "L<m:20,c:3> R[c,m div 5,m mod 5]")],
        ["Y"],
    )
    merged = program(shapes, [("Y", "L<m:20,c:3> relu(X[c,m div 5,m mod 5])")], ["Y"])
    pair = (merged, apart) if merged_first else (apart, merged)
    assert isinstance(compare(*pair), Equal)


def test_function_computed_where_it_is_read() -> None:
    shapes = {"X": (8,), "K": (3,)}
    reference = program(
        shapes, [("R", "L<h:8> relu(X[h])"), ("Y", "L<h:6> S<r:3> R[h+r]*K[r]")], ["Y"]
    )
    candidate = program(shapes, [("Y", "L<h:6> S<r:3> relu(X[h+r])*K[r]")], ["Y"])
    wrong = program(shapes, [("Y", "L<h:6> S<r:3> relu(X[h+r])*K[2-r]")], ["Y"])
    assert isinstance(compare(reference, candidate), Equal)
    assert isinstance(compare(reference, wrong), Different)


@pytest.mark.parametrize("function", ["exp", "relu"])
def test_function_computed_in_the_padding(function: str) -> None:
    # relu(0) is 0, which is known, exp(0) is not.
    shapes = {"X": (8,), "K": (3,)}
    reference = program(
        shapes, [("R", f"L<h:8> {function}(X[h])"), ("Y", "L<h:8> S<r:3> R[h+r-1]*K[r]")], ["Y"]
    )
    candidate = program(shapes, [("Y", f"L<h:8> S<r:3> {function}(X[h+r-1])*K[r]")], ["Y"])
    assert bool(differences(reference, candidate)) == (function == "exp")
    for verdict in (compare(reference, candidate), compare(candidate, reference)):
        assert isinstance(verdict, Different if function == "exp" else Undecided)


def test_axes_that_a_function_does_not_depend_on() -> None:
    shapes = {"X": (6,)}
    reference = program(shapes, [("Y", "L<i:6,j:4> S<k:6> relu(X[i])")], ["Y"])
    # The sum does not depend on j, which shows only after a substitution.
    candidate = program(
        shapes, [("Y", "L<i:6,j:4> 6*relu({L<i:6,j:4> S<t:9> X[i]*[0 <= t-j < 1]}[i,j])")], ["Y"]
    )
    assert isinstance(compare(reference, candidate), Equal)
    assert isinstance(compare(candidate, reference), Equal)


def test_function_in_a_reflected_order() -> None:
    shapes = {"X": (6,), "K": (6, 2)}
    reference = program(shapes, [("Y", "L<i:6> relu({L<i:6> S<k:2> X[i]*K[i,k]}[i])")], ["Y"])
    candidate = program(
        shapes,
        [("R", "L<i:6> relu({L<i:6> S<k:2> X[5-i]*K[5-i,k]}[i])"), ("Z", "L<i:6> R[5-i]")],
        ["Z"],
    )
    assert isinstance(compare(reference, candidate), Equal)


@pytest.mark.parametrize("kept", [1, 2])
def test_a_part_of_what_a_function_gives(kept: int) -> None:
    shapes = {"A": (8, 3), "B": (8, 3)}
    reference = program(
        shapes,
        [
            ("R", "L<i:8,j:3> relu(A[i,j] + B[i,j])"),
            ("Y", f"L<i:8,j:{kept}> R[i,j+1]"),
        ],
        ["Y"],
    )
    candidate = program(shapes, [("Z", f"L<i:8,j:{kept}> relu(A[i,j+1] + B[i,j+1])")], ["Z"])
    assert isinstance(compare(reference, candidate), Equal)


def test_no_index_map_found_is_undecided() -> None:
    # Equal for every function, but under a map (5 - i) that no read shows.
    shapes = {"X": (11,)}
    reference = program(shapes, [("Y", "L<i:6> relu(X[2*i])")], ["Y"])
    candidate = program(shapes, [("R", "L<i:6> relu(X[10-2*i])"), ("Z", "L<i:6> R[5-i]")], ["Z"])
    assert not differences(reference, candidate)
    assert compare(reference, candidate) == Undecided(
        "Y was not shown equal; no relu of the reference was shown equal to that in R; "
        "the programs agree at all positions that were tried"
    )


def test_function_inside_a_sum() -> None:
    shapes = {"X": (4, 6)}
    softmax: Statements = [
        ("E", "L<i:4,k:6> exp(X[i,k])"),
        ("S", "L<i:4> S<k:6> E[i,k]"),
        ("Y", "L<i:4,k:6> E[i,k]*reciprocal(S[i])"),
    ]
    inside: Statements = [
        ("T", "L<i:4> reciprocal({L<i:4> S<k:2,l:3> exp(X[i,3*k+l])}[i])"),
        ("Z", "L<i:4,k:6> exp(X[i,k])*T[i]"),
    ]
    reference = program(shapes, softmax, ["Y"])
    assert isinstance(compare(reference, program(shapes, softmax, ["Y"])), Equal)
    assert isinstance(compare(reference, program(shapes, inside, ["Z"])), Equal)


def test_commutative_function() -> None:
    shapes = {"A": (4,), "B": (4,)}
    reference = program(shapes, [("Y", "L<i:4> maximum(A[i], B[i])")], ["Y"])
    swapped = program(shapes, [("Y", "L<i:4> maximum(B[i], A[i])")], ["Y"])
    other = program(shapes, [("Y", "L<i:4> minimum(A[i], B[i])")], ["Y"])
    assert isinstance(compare(reference, swapped), Equal)
    assert isinstance(compare(reference, other), Different)


def test_repeated_call_is_one() -> None:
    shapes = {"V": (4,), "X": (3, 4)}
    reference = program(
        shapes,
        [
            ("A", "L<f:4> rsqrt(V[f] + 1/1024)"),
            ("B", "L<n:3,f:4> rsqrt(V[f] + 1/1024)*X[n,f]"),
            ("Y", "L<n:3,f:4> A[f] + B[n,f]"),
        ],
        ["Y"],
    )
    candidate = program(
        shapes,
        [("A", "L<f:4> rsqrt(V[f] + 1/1024)"), ("Y", "L<n:3,f:4> A[f] + X[n,f]*A[f]")],
        ["Y"],
    )
    assert isinstance(compare(reference, candidate), Equal)


NORM = {"X": (2, 4, 3, 3), "K": (5, 4, 3, 3), "g": (5,), "b": (5,), "m": (5,), "v": (5,)}
NORM_REFERENCE: Statements = [
    ("C", "L<n:2,f:5,h:3,w:3> S<c:4,r:3,s:3> X[n,c,h+r-1,w+s-1]*K[f,c,r,s]"),
    ("V", "L<n:2,f:5,h:3,w:3> v[f] + 1/65536"),
    ("R", "L<n:2,f:5,h:3,w:3> rsqrt(V[n,f,h,w])"),
    ("D", "L<n:2,f:5,h:3,w:3> C[n,f,h,w] - m[f]"),
    ("M", "L<n:2,f:5,h:3,w:3> D[n,f,h,w]*R[n,f,h,w]"),
    ("G", "L<n:2,f:5,h:3,w:3> M[n,f,h,w]*g[f] + b[f]"),
    ("Y", "L<n:2,f:5,h:3,w:3> relu(G[n,f,h,w])"),
]


@pytest.mark.parametrize(
    ("shift", "equal"),
    [("b[f] - m[f]*scale[f]", True), ("b[f] + m[f]*scale[f]", False), ("b[f] - m[f]", False)],
)
def test_normalisation_folded_into_the_weights(shift: str, equal: bool) -> None:
    reference = program(NORM, NORM_REFERENCE, ["Y"])
    folded: Statements = [
        ("scale", "L<f:5> g[f]*rsqrt(v[f] + 1/65536)"),
        ("W", "L<f:5,c:4,r:3,s:3> K[f,c,r,s]*scale[f]"),
        ("shift", f"L<f:5> {shift}"),
        ("C", "L<n:2,f:5,h:3,w:3> S<c:4,r:3,s:3> X[n,c,h+r-1,w+s-1]*W[f,c,r,s]"),
        ("Y", "L<n:2,f:5,h:3,w:3> relu(C[n,f,h,w] + shift[f])"),
    ]
    candidate = program(NORM, folded, ["Y"])
    assert (not differences(reference, candidate)) == equal
    assert isinstance(compare(reference, candidate), Equal if equal else Different)


def test_epsilon_matters() -> None:
    shapes = {"v": (5,)}
    one = program(shapes, [("Y", "L<f:5> rsqrt(v[f] + 1/65536)")], ["Y"])
    two = program(shapes, [("Y", "L<f:5> rsqrt(v[f] + 1/65537)")], ["Y"])
    assert isinstance(compare(one, two), Different)


def test_scalars() -> None:
    shapes = {"X": (5,)}
    reference = program(shapes, [("Y", "L<> relu({L<> S<i:5> X[i]}[]) + 1/2")], ["Y"])
    equal = program(shapes, [("Y", "L<> 1/2 + relu({L<> S<i:5> X[4-i]}[])")], ["Y"])
    other = program(shapes, [("Y", "L<> 1/2 + relu({L<> S<i:4> X[4-i]}[])")], ["Y"])
    assert isinstance(compare(reference, equal), Equal)
    assert isinstance(compare(reference, other), Different)


def opaque(
    operand: str, shape: tuple[int, ...], operation: str = "tensor.sort", name: str = "O"
) -> Opaque:
    return Opaque((Tensor(name, shape),), (Tensor(operand, shape),), operation, 0)


def test_opaque_operations_on_equal_operands() -> None:
    shapes = {"A": (4, 4), "B": (4, 4)}
    reference = program(
        shapes,
        [
            ("P", "L<i:4,j:4> S<k:4> A[i,k]*B[k,j]"),
            opaque("P", (4, 4)),
            ("Y", "L<i:4,j:4> 2*O[j,i]"),
        ],
        ["Y"],
    )

    def candidate(product: str, operation: str = "tensor.sort") -> Program:
        return program(
            shapes,
            [
                ("Q", f"L<i:4,j:4> S<k:2,l:2> {product}"),
                opaque("Q", (4, 4), operation),
                ("Y", "L<i:4,j:4> O[j,i] + O[j,i]"),
            ],
            ["Y"],
        )

    assert isinstance(compare(reference, candidate("A[i,2*k+l]*B[2*k+l,j]")), Equal)
    for verdict in (
        compare(reference, candidate("A[i,2*k+l]*B[2*k+l,i]")),
        compare(reference, candidate("A[i,2*k+l]*B[2*k+l,j]", "tensor.top_k")),
    ):
        assert isinstance(verdict, Undecided)
        assert "no opaque operation of the reference was shown equal to" in verdict.reason


def test_several_outputs_in_order() -> None:
    shapes = {"A": (4,), "B": (4,)}
    both: Statements = [("P", "L<i:4> A[i] + B[i]"), ("Q", "L<i:4> A[i] - B[i]")]
    reference = program(shapes, both, ["P", "Q"])
    assert isinstance(compare(reference, program(shapes, both, ["P", "Q"])), Equal)
    verdict = compare(reference, program(shapes, both, ["Q", "P"]))
    assert isinstance(verdict, Different)
    assert verdict.output == "P"


def test_input_as_output() -> None:
    shapes = {"A": (4, 3)}
    same = program(shapes, [], ["A"])
    copied = program(shapes, [("Y", "L<i:4,j:3> A[i,j]")], ["Y"])
    assert isinstance(compare(same, copied), Equal)


def test_other_inputs_or_outputs_are_the_users_error() -> None:
    one = program({"A": (4,)}, [("Y", "L<i:4> A[i]")], ["Y"])
    with pytest.raises(InputError, match="input A is 4xf32 in program and 5xf32 in program"):
        compare(one, program({"A": (5,)}, [("Y", "L<i:4> A[i]")], ["Y"]))
    with pytest.raises(InputError, match="input B is missing"):
        compare(one, program({"A": (4,), "B": (1,)}, [("Y", "L<i:4> A[i]")], ["Y"]))
    with pytest.raises(InputError, match="outputs of program are 4xf32, those of program 3xf32"):
        compare(one, program({"A": (4,)}, [("Y", "L<i:3> A[i]")], ["Y"]))


@pytest.mark.parametrize(
    ("reference", "candidate", "budget", "reason"),
    [
        # Slopes of six reads on each of two axes, over a box that is too large to test whole.
        (
            "L<h:900,w:900> X[h]*X[w]*X[h+w]*X[2*h]*X[2*w]*X[3*h]",
            "L<h:900,w:900> X[w]*X[h]*X[h+w]*X[2*h]*X[2*w]*X[3*w]",
            Budget(work=1 << 12),
            "positions",
        ),
        (
            "L<h:900,w:900> X[h + w*(1)]",
            "L<h:900,w:900> X[h+w]*[0 <= h+w < 100] + X[h+w]*[100 <= h+w < 2000]",
            Budget(enumerated=1 << 10, work=1 << 12),
            "guards couple 810000 positions",
        ),
        (
            "L<h:8,w:8> X[h]+X[w]",
            "L<h:8,w:8> X[w]+X[h]+X[0]-X[0]",
            Budget(terms=3),
            "more than 3 terms",
        ),
        (
            "L<h:8> S<k:9> X[h+k-4]",
            "L<h:8> S<k:9> X[h+4-k]",
            Budget(cells=2, work=1),
            "5 cells are more than the budget of 2",
        ),
    ],
)
def test_undecided_says_why(reference: str, candidate: str, budget: Budget, reason: str) -> None:
    shapes = {"X": (64,)}
    left = program(shapes, [("Y", reference)], ["Y"])
    right = program(shapes, [("Y", candidate)], ["Y"])
    verdict = compare(left, right, budget=budget)
    assert isinstance(verdict, Undecided)
    assert reason in verdict.reason


def generator(fault: int | None = None) -> tuple[Program, Program]:
    """InfoGAN's generator from its first image on: four transposed convolutions, each with
    BatchNorm and relu or tanh, and the same as products and offset-adds in NHWC."""
    layers = [(448, 256, 2), (256, 128, 4), (128, 64, 8), (64, 3, 16)]
    shapes: dict[str, tuple[int, ...]] = {"X": (16, 448, 2, 2)}
    imported: Statements = []
    optimized: Statements = []
    image, ours = "X", "X[n,c,y,x]"
    for i, (c, f, size) in enumerate(layers):
        box = f"L<n:16,f:{f},h:{2 * size},w:{2 * size}>"
        function = "tanh" if i == 3 else "relu"
        shapes[f"W{i}"] = (c, f, 4, 4)
        shapes.update({f"{name}{i}": (f,) for name in "gbmv"})
        imported += [
            (
                f"T{i}",
                f"{box} S<c:{c},r:4,s:4> {image}[n,c,(h+1-r) div 2,(w+1-s) div 2]*W{i}[c,f,r,s]"
                "*[(h+1-r) mod 2=0]*[(w+1-s) mod 2=0]",
            ),
            (f"R{i}", f"{box} rsqrt(v{i}[f] + 1/131072)"),
            (f"M{i}", f"{box} T{i}[n,f,h,w]*R{i}[n,f,h,w] - m{i}[f]*R{i}[n,f,h,w]"),
            (f"B{i}", f"{box} M{i}[n,f,h,w]*g{i}[f] + b{i}[f]"),
            (f"Y{i}", f"{box} {function}(B{i}[n,f,h,w])"),
        ]
        pad = 2 if fault == i else 1
        optimized += [
            (f"scale{i}", f"L<f:{f}> rsqrt(v{i}[f] + 1/131072)*g{i}[f]"),
            (f"shift{i}", f"L<f:{f}> b{i}[f] - m{i}[f]*scale{i}[f]"),
            (f"W{i}t", f"L<c:{c},r:4,s:4,f:{f}> W{i}[c,f,r,s]"),
            (
                f"P{i}",
                f"L<n:16,y:{size},x:{size},r:4,s:4,f:{f}> S<c:{c}> {ours}*W{i}t[c,r,s,f]",
            ),
            (
                f"A{i}",
                f"L<n:16,h:{2 * size},w:{2 * size},f:{f}> {function}(scale{i}[f]*"
                f"{{{box} S<a:2,b:2> "
                f"P{i}[n,(h+{pad}) div 2-a,(w+1) div 2-b,2*a+(h+1) mod 2,2*b+(w+1) mod 2,f]}}"
                f"[n,f,h,w] + shift{i}[f])",
            ),
        ]
        image, ours = f"Y{i}", f"A{i}[n,y,x,c]"
    optimized.append(("Z", "L<n:16,f:3,h:32,w:32> A3[n,h,w,f]"))
    return program(shapes, imported, ["Y3"]), program(shapes, optimized, ["Z"])


def test_generator_network() -> None:
    reference, candidate = generator()
    start = time.process_time()
    verdict = compare(reference, candidate)
    seconds = time.process_time() - start
    assert isinstance(verdict, Equal)
    assert verdict.certificate.error_bound < 1e-15
    # A bar with room for a loaded machine; the network takes about 0.3 s.
    assert seconds < 2


@pytest.mark.parametrize("fault", [0, 1, 2, 3])
def test_generator_network_with_one_fault(fault: int) -> None:
    verdict = compare(*generator(fault))
    assert not isinstance(verdict, Equal)
    notes = verdict.reason if isinstance(verdict, Undecided) else "; ".join(verdict.notes)
    # Only the first difference is named, not what follows from it.
    assert [i for i in range(4) if f"was shown equal to that in A{i}" in notes] == [fault]


def test_a_program_equals_itself_within_any_budget() -> None:
    same = program({"X": (64,)}, [("Y", "L<h:8,w:8> X[h]+X[w]")], ["Y"])
    verdict = compare(same, same, budget=Budget(terms=1, cells=1, work=1))
    assert isinstance(verdict, Equal) and verdict.certificate.segments == ()


ZEROS = {
    "a padded tensor": (
        [("Y", "L<v:9> relu(X[v-1])")],
        [("R", "L<v:9> relu(X[v])"), ("Y", "L<v:9> R[v-1]")],
    ),
    "two dimensions, one reflected": (
        [("Y", "L<h:5,w:6> tanh(M[3-h,w-2])")],
        [("R", "L<w:4,h:4> tanh(M[h,w])"), ("Y", "L<h:5,w:6> R[w-2,3-h]")],
    ),
    "between stuffed values": (
        [("Y", "L<v:4> S<r:9> relu(X[r]*[(r+1) mod 3=0])*W[r,v]")],
        [("Y", "L<v:4> S<a:3> relu(X[3*a+2])*W[3*a+2,v]")],
    ),
    "a step that shares a divisor with the modulus": (
        [("Y", "L<v:9> abs(X[v]*[(2*v+2) mod 6=0])")],
        [("R", "L<q:3> abs(X[3*q+2])"), ("Y", "L<v:9> R[(v-2) div 3]*[(v+1) mod 3=0]")],
    ),
    "two functions": (
        [("Y", "L<v:9> relu(X[v-1])*maximum(X[v]*[v mod 2=0], X[8-v]*[v mod 2=0])")],
        [
            ("R", "L<v:9> relu(X[v])"),
            ("P", "L<u:5> maximum(X[2*u], X[8-2*u])"),
            ("Y", "L<v:9> R[v-1]*P[v div 2]*[v mod 2=0]"),
        ],
    ),
    "zero everywhere": (
        [("Y", "L<v:9> erf(X[v]*[(2*v+3) mod 4=0]) + sqrt(0)*X[v]")],
        [("Y", "L<v:9> 0")],
    ),
    "arguments with guards of their own": (
        [("Y", "L<v:9> maximum(X[v-1], X[v+1])")],
        [("Y", "L<v:9> maximum(X[v+1], X[v-1])")],
    ),
}


@pytest.mark.parametrize(("reference", "candidate"), ZEROS.values(), ids=ZEROS)
def test_functions_that_keep_zero(reference: Statements, candidate: Statements) -> None:
    shapes = {"X": (9,), "M": (4, 4), "W": (9, 4)}
    ours, theirs = (program(shapes, s, ["Y"]) for s in (reference, candidate))
    assert not differences(ours, theirs)
    assert isinstance(compare(ours, theirs), Equal)
    assert isinstance(compare(theirs, ours), Equal)


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        ("exp(X[v-1])", "exp(X[v-1])*[1 <= v < 9]"),
        ("relu(X[v-1] + Z[v])", "relu(X[v-1] + Z[v])*[1 <= v < 9]"),
        ("relu(X[v]*[v mod 3=0])", "relu(X[v]*[(v+3) mod 6=0])"),
        ("maximum(X[v-1], Z[v])", "maximum(X[v-1], Z[v])*[1 <= v < 9]"),
        ("relu(X[8-v]*[(5*v+4) mod 7=0])", "relu(X[8-v]*[1 <= v < 2])"),
    ],
)
def test_a_value_of_something_else_than_zeros_is_not_dropped(
    reference: str, candidate: str
) -> None:
    shapes = {"X": (9,), "Z": (9,)}
    ours, theirs = (
        program(shapes, [("Y", f"L<v:9> {text}")], ["Y"]) for text in (reference, candidate)
    )
    wrong = differences(ours, theirs)
    assert wrong
    for verdict in (compare(ours, theirs), compare(theirs, ours)):
        assert isinstance(verdict, Different)
        assert verdict.position in wrong


# Sums that are multiplied out ---------------------------------------------------------------


def layers(count: int, *, transposed: bool = False, fault: str = "") -> Program:
    """Layers of a product, a bias and a GELU by tanh, with a norm after each; the values of the
    hidden layers in another layout, and the last one wrong."""
    shapes: dict[str, tuple[int, ...]] = {"t0": (6, 5)}
    statements: Statements = []
    at = "{}[j,i]" if transposed else "{}[i,j]"
    box = "L<j:5,i:6>" if transposed else "L<i:6,j:5>"
    for n in range(1, count + 1):
        shapes |= {f"W{n}": (5, 5), f"B{n}": (5,)}
        before = "t0[i,k]" if n == 1 else at.format(f"t{n - 1}").replace("j", "k")
        b, d = (at.format(f"{name}{n}") for name in "bd")
        wrong = fault if n == count else ""
        column = d.replace("j", "k")
        statements += [
            (f"b{n}", f"{box} {{L<i:6,j:5> S<k:5> {before}*W{n}[k,j]}}[i,j] + B{n}[j]"),
            (f"g{n}", f"{box} 1/2*{b} + 1/2*{b}*tanh(4/5*{b} + 1/28*{b}*{b}*{b}){wrong}"),
            (f"m{n}", f"L<i:6> S<k:5> 1/5*{at.format(f'g{n}').replace('j', 'k')}"),
            (f"d{n}", f"{box} {at.format(f'g{n}')} - m{n}[i]"),
            (f"v{n}", f"L<i:6> rsqrt({{L<i:6> S<k:5> 1/5*{column}*{column}}}[i] + 1/9)"),
            (f"t{n}", f"{box} {d}*v{n}[i]"),
        ]
    statements.append(("Y", f"L<i:6,j:5> {at.format(f't{count}')}"))
    return program(shapes, statements, ["Y"])


def test_layers_whose_terms_multiply() -> None:
    """The work is in proportion to the depth. `pytest -s` prints the seconds."""
    comparisons: dict[int, int] = {}
    for count in (6, 24):
        start = time.process_time()
        verdict = compare(layers(count), layers(count, transposed=True))
        print(f"{count} layers: {time.process_time() - start:.2f} s")
        assert isinstance(verdict, Equal)
        comparisons[count] = verdict.certificate.comparisons
    assert comparisons[24] <= 4 * comparisons[6]


@pytest.mark.parametrize(
    "fault",
    [" + 1/1000*B4[j]*[0 <= i < 1]*[0 <= j < 1]", " - 1/28*b4[i,j]*[5 <= i < 6]*[0 <= j < 1]"],
)
def test_a_fault_in_layers_whose_terms_multiply(fault: str) -> None:
    reference, candidate = layers(4), layers(4, fault=fault)
    assert differences(reference, candidate)
    verdict = compare(reference, candidate)
    assert isinstance(verdict, Different)
    assert verdict.position in differences(reference, candidate)


def test_what_is_multiplied_may_be_scaled_before() -> None:
    # What the candidate defines is none of the reference's definitions: nothing can be cut.
    shapes = {"X": (6,), "Z": (5,), "V": (6, 5)}
    reference, candidate = (
        program(
            shapes,
            [
                ("b", f"L<i:6,j:5> {scale}*X[i] + {scale}*Z[j] + {scale}*V[i,j]"),
                ("Y", f"L<i:6,j:5> {power}*{'*'.join(['b[i,j]'] * 6)}"),
            ],
            ["Y"],
        )
        for scale, power in (("1", "64"), ("2", "1"))
    )
    assert isinstance(compare(reference, candidate), Equal)
