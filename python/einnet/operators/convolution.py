"""Convolutions: `out[n,f,h..] = S<c,r..> A[n,c,(stride*h + dilation*r - padding)..] * W[f,c,r..]`.

Input and output may be laid out in any order, channels first or last; padding may differ on the two
sides, for reads are zero-extended. Groups are the b row. A transposed convolution reads
`A[n,c,((h - r + padding) div stride)..]` where the division is exact.
"""

from einnet.operators.target import Pair, Target


def convolution(*kernel: int) -> Target:
    """With exactly these kernel extents, one for each spatial dimension."""
    pairs = tuple(Pair(0, "m", "k", extent) for extent in kernel)
    name = f"conv{'x'.join(map(str, kernel))}"
    return Target(name, pairs, forbids="b", windows=len(kernel))


def any_convolution(rank: int, *, groups: bool = False) -> Target:
    """With up to `rank` spatial dimensions and any kernel, at least one of them a window."""
    pairs = (Pair(0, "m", "k"),) * rank
    return Target(f"conv{rank}d", pairs, forbids="" if groups else "b", windows=1)


def library_convolution(rank: int, *, groups: bool = False) -> Target:
    """What libraries offer: a stride and a dilation for each spatial dimension."""
    pairs = (Pair(0, "m", "k", strided=True, dilated=True),) * rank
    return Target(f"conv{rank}d", pairs, forbids="" if groups else "b", windows=1)


def transposed_convolution(rank: int, *, groups: bool = False) -> Target:
    """The transposed convolution that libraries offer, as the gradient of a convolution."""
    pairs = (Pair(0, "m", "k", transposed=True),) * rank
    return Target(f"conv_transpose{rank}d", pairs, forbids="" if groups else "b", windows=1)
