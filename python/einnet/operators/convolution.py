"""Dense convolution with stride 1: `out[n,f,h..] = S<c,r..> A[n,c,(h+r)..] * W[f,c,r..]`.

Input and output may be laid out in any order; padding is part of the input's layout. Groups are
the b row.
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
