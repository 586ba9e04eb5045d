"""Banded products, as in attention over a sliding window (EinNet, OSDI 2023, section 6).

- G2BMM, general by general to band: `out[b,m,w] = S<k> A[b,m,k] * B[b,m+w,k]`;
- GBMM, band by general: `out[b,m,n] = S<w> A[b,m,w] * B[b,m+w,n]`.
"""

from einnet.operators.target import Pair, Target

G2BMM = Target("g2bmm", (Pair(1, "b", "n"),), needs="k", windows=1)
GBMM = Target("gbmm", (Pair(1, "b", "k"),), needs="n", windows=1)
