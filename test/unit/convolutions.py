"""Start expressions of the search: convolutions of any shape, as an importer may write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from tensor_algebra import parse

from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term
from einnet.expr.transform import rename

SPACE, KERNEL = "hwd", "rsq"


@dataclass(frozen=True)
class Axis:
    """One spatial axis: input size, kernel size, stride, padding at the start, dilation."""

    size: int
    kernel: int
    stride: int = 1
    pad: int = 0
    dilation: int = 1


Builder = Callable[..., Scope]


def convolution(*axes: Axis, channels: int = 3, filters: int = 2, batch: int = 2) -> Scope:
    """`X` of [batch, channels, sizes] with `W` of [filters, channels, kernels]."""
    extents = [(a.size + 2 * a.pad - a.dilation * (a.kernel - 1) - 1) // a.stride + 1 for a in axes]
    outputs = "".join(f",{x}:{n}" for x, n in zip(SPACE, extents, strict=False))
    sums = "".join(f",{r}:{a.kernel}" for r, a in zip(KERNEL, axes, strict=False))
    where = "".join(
        f",{a.stride}*{x}+{a.dilation}*{r}-{a.pad}"
        for x, r, a in zip(SPACE, KERNEL, axes, strict=False)
    )
    taps = ",".join(KERNEL[: len(axes)])
    return parse(
        f"L<n:{batch},f:{filters}{outputs}> S<c:{channels}{sums}> X[n,c{where}] * W[f,c,{taps}]",
        X=(batch, channels, *(a.size for a in axes)),
        W=(filters, channels, *(a.kernel for a in axes)),
    )


def transposed_convolution(
    *axes: Axis, channels: int = 3, filters: int = 2, batch: int = 2, more: int = 0
) -> Scope:
    """Its transpose: `more` elements are added to the output on each axis (output padding)."""
    extents = [(a.size - 1) * a.stride - 2 * a.pad + a.kernel + more for a in axes]
    outputs = "".join(f",{x}:{n}" for x, n in zip(SPACE, extents, strict=False))
    sums = "".join(f",{r}:{a.kernel}" for r, a in zip(KERNEL, axes, strict=False))
    places = [f"{x}-{r}+{a.pad}" for x, r, a in zip(SPACE, KERNEL, axes, strict=False)]
    where = "".join(f",({p}) div {a.stride}" for p, a in zip(places, axes, strict=True))
    guards = "".join(
        f" * [({p}) mod {a.stride} = 0]" for p, a in zip(places, axes, strict=True) if a.stride > 1
    )
    taps = ",".join(KERNEL[: len(axes)])
    return parse(
        f"L<n:{batch},f:{filters}{outputs}> S<c:{channels}{sums}>"
        f" X[n,c{where}] * W[c,f,{taps}]{guards}",
        X=(batch, channels, *(a.size for a in axes)),
        W=(channels, filters, *(a.kernel for a in axes)),
    )


STARTS: dict[str, Scope] = {
    "3x3": convolution(Axis(5, 3, pad=1), Axis(4, 3, pad=1)),
    "1x1": convolution(Axis(4, 1), Axis(4, 1)),
    "1x7": convolution(Axis(3, 1), Axis(7, 7, pad=3)),
    "7x1": convolution(Axis(7, 7, pad=3), Axis(3, 1)),
    "5x5 of one filter": convolution(Axis(6, 5, pad=2), Axis(6, 5, pad=2), filters=1),
    "3x3 dilated by 2": convolution(Axis(6, 3, pad=2, dilation=2), Axis(6, 3, pad=2, dilation=2)),
    "3x3 stride 2": convolution(Axis(6, 3, stride=2, pad=1), Axis(6, 3, stride=2, pad=1)),
    "7x7 stride 2": convolution(Axis(8, 7, stride=2, pad=3), Axis(8, 7, stride=2, pad=3)),
    "transposed 4x4 s2": transposed_convolution(Axis(2, 4, 2, 1), Axis(3, 4, 2, 1)),
    "transposed 9x9 s4": transposed_convolution(
        Axis(2, 9, 4, 3), Axis(3, 9, 4, 3), channels=2, filters=1, more=1
    ),
    "transposed 16 s8": transposed_convolution(Axis(4, 16, 8, 4)),
    "transposed 3x3 s1": transposed_convolution(Axis(4, 3, 1, 1), Axis(4, 3, 1, 1)),
    "of groups": parse(
        "L<n:2,g:2,f:2,h:4> S<c:3,r:3> X[n,g,c,h+r-1] * W[g,f,c,r]", X=(2, 2, 3, 4), W=(2, 2, 3, 3)
    ),
    "of flat groups": parse(
        "L<n:2,f:4,h:4> S<c:3,r:3> X[n,3*(f div 2)+c,h+r-1] * W[f,c,r]", X=(2, 6, 4), W=(4, 3, 3)
    ),
    "band": parse("L<b:2,m:9,w:5> S<k:3> A[b,m,k] * B[b,m+2*w-4,k]", A=(2, 9, 3), B=(2, 9, 3)),
    "product": parse("L<m:4,n:5> S<k:3> A[m,k] * B[k,n]", A=(4, 3), B=(3, 5)),
    "batched product": parse("L<b:2,m:4,n:5> S<k:3> A[b,m,k] * B[b,k,n]", A=(2, 4, 3), B=(2, 3, 5)),
    "product of transposes": parse("L<n:5,m:4> S<k:3> B[n,k] * A[k,m]", A=(3, 4), B=(5, 3)),
}


def disguised(scope: Scope, seed: int) -> Scope:
    """The same computation with other names, dimensions of operands and result in other orders,
    and its operands swapped."""
    random = Random(seed)
    names = [i.name for i in scope.traversal + scope.summation]
    numbers = random.sample(range(len(names)), len(names))
    renamed = rename(scope, {n: f"d{k}" for n, k in zip(names, numbers, strict=True)})
    term = renamed.term

    def permuted(read: Read) -> Read:
        assert isinstance(read.source, Tensor)
        order = random.sample(range(len(read.index)), len(read.index))
        shape = tuple(read.source.shape[p] for p in order)
        return Read(replace(read.source, shape=shape), tuple(read.index[p] for p in order))

    def shuffled(iterators: tuple[Iterator, ...]) -> tuple[Iterator, ...]:
        return tuple(random.sample(iterators, len(iterators)))

    factors = tuple(random.sample([permuted(r) for r in term.reads], len(term.reads)))
    body = (Term(factors, term.guards, term.coefficient),)
    return Scope(shuffled(renamed.traversal), shuffled(renamed.summation), body)
