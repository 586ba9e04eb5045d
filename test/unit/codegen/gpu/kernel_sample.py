"""Small definitions of every kind that a GPU kernel computes: what is read, where, and as what.

Needs no MLIR: hosts with a GPU, which may have none, read it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """A definition of `Y`, the shapes of what it reads, strides where they are not dense."""

    text: str
    shapes: Mapping[str, Shape]
    strides: Mapping[str, Shape] = field(default_factory=dict[str, Shape])


OFFSET_ADD = """L<n:2,c:24,h:12,w:12> relu(
    {L<n:2,h:12,w:12,c:24> S<r:2,s:2>
     P[n,(h+1) div 2-r,(w+1) div 2-s,(h+1) mod 2+2*r,(w+1) mod 2+2*s,c]}[n,h,w,c]*A[c] + B[c])"""

TRANSPOSED_CONVOLUTION = """L<f:3,h:16,w:16> S<c:32,r:4,s:4>
    X[(h+1-r) div 2,(w+1-s) div 2,c]*W[c,f,r,s]*[(h+1-r) mod 2 = 0]*[(w+1-s) mod 2 = 0]"""

SCATTERED_PHASES = """L<n:2,h:20,w:24,f:3> tanh(
    {L<n:2,h:20,w:24,f:3> S<r:4,s:4> T[n,(h+1-r) div 2,(w+1-s) div 2,r,s,f]
     *[(h+1-r) mod 2 = 0]*[(w+1-s) mod 2 = 0]}[n,h,w,f] + B[f])"""

SAMPLES = {
    # Pointwise, padded, moved, gathered.
    "pointwise": Sample(
        "L<a:33,b:40> tanh(X[a,b])*Z[a] + sigmoid(B[b])", {"X": (33, 40), "Z": (33,), "B": (40,)}
    ),
    "pad": Sample("L<c:5,h:12,w:16> X[c,h-2,w-3]", {"X": (5, 9, 11)}),
    "crop": Sample("L<i:14,j:24> X[i+2,j+4]", {"X": (16, 28)}),
    "upsample": Sample("L<c:3,h:10,w:16> X[c,h div 2,w div 2]", {"X": (3, 5, 8)}),
    "stuff with zeros": Sample(
        "L<c:3,h:9,w:16> X[c,h div 2,w div 2]*[h mod 2 = 0]*[w mod 2 = 0]", {"X": (3, 5, 8)}
    ),
    "reflect": Sample("L<i:7,j:20> X[6-i,19-j]", {"X": (7, 20)}),
    "reshape": Sample("L<a:6,b:20> X[(20*a+b) div 8,(20*a+b) mod 8]", {"X": (15, 8)}),
    "rows with gaps": Sample(
        "L<i:11,j:18> X[i,j] + 1/2", {"X": (11, 18)}, {"X": (20, 1), "Y": (24, 1)}
    ),
    # Transposed.
    "transpose": Sample("L<i:70,j:44> X[j,i]", {"X": (44, 70)}),
    "to channels last": Sample("L<n:2,h:7,w:9,c:40> X[n,c,h,w]", {"X": (2, 40, 7, 9)}),
    "to channels first": Sample(
        "L<n:2,c:40,h:7,w:9> relu(X[n,h,w,c] + B[c])", {"X": (2, 7, 9, 40), "B": (40,)}
    ),
    "padded transpose": Sample("L<h:12,w:34,c:16> X[c,h-1,w-1]", {"X": (16, 10, 32)}),
    # Sums.
    "mean": Sample("L<n:3,c:10> S<h:7,w:7> 1/49*X[n,c,h,w]", {"X": (3, 10, 7, 7)}),
    "mean of channels last": Sample("L<n:2,c:40> S<h:9,w:9> 1/81*X[n,h,w,c]", {"X": (2, 9, 9, 40)}),
    "dot": Sample("L<> S<k:3000> X[k]*Z[k]", {"X": (3000,), "Z": (3000,)}),
    "function of a sum": Sample(
        "L<i:9> relu({L<i:9> S<k:256> X[i,k]}[i]*A[i] + B[i])",
        {"X": (9, 256), "A": (9,), "B": (9,)},
    ),
    "offset-add": Sample(OFFSET_ADD, {"P": (2, 6, 6, 4, 4, 24), "A": (24,), "B": (24,)}),
    "one-dimensional offset-add": Sample(
        "L<i:30,j:20> S<r:3> P[i+r-1,r,j]", {"P": (30, 3, 20)}
    ),
    "scattered offset-add": Sample(
        "L<n:2,h:14,w:20> S<r:5,s:5> T[n,h+r-2,w+s-2,r,s]", {"T": (2, 14, 20, 5, 5)}
    ),
    "scattered phases": Sample(SCATTERED_PHASES, {"T": (2, 10, 12, 4, 4, 3), "B": (3,)}),
    # Contractions that no library does.
    "transposed convolution": Sample(
        TRANSPOSED_CONVOLUTION, {"X": (8, 8, 32), "W": (32, 3, 4, 4)}, {"W": (1, 512, 128, 32)}
    ),
    "convolution": Sample(
        "L<h:7,w:7,f:6> S<c:96,r:7> X[h+r-3,w,c]*W[f,c,r]", {"X": (7, 7, 96), "W": (6, 96, 7)}
    ),
    "large contraction": Sample(
        "L<i:70,j:42> S<k:512> X[i,k]*Z[j,k]", {"X": (70, 512), "Z": (42, 512)}
    ),
}  # fmt: skip

DTYPES = ("f32", "f16", "bf16")
