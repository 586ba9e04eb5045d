"""Small random networks: two to five layers with what stands between and after them.

A layer is a product, a (transposed) convolution or a mean; what follows it are biases, scales,
activations and residuals in any order; between layers tensors are transposed, reshaped, padded and
put one behind another. Any tensor may have several readers and be an output; weights are constants
or given when the network runs. Extents are up to 8, odd ones among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from random import Random

from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Program, without_dead
from einnet.expr.text import parse_scope

_LARGEST = 700
"""Elements of a tensor: what is to become larger than this is not drawn."""

_WIDE = 5000
"""The same in networks of wide images, in which borders are worth correcting."""

_ACTIVATIONS = (
    *["relu({x})"] * 4,
    "tanh({x})",
    "sigmoid({x})",
    "{x}*sigmoid({x})",
    "maximum({x}, 1/10*{x})",
    "3/4*{x}",
    # GELU by erf, by tanh, and by tanh with the root that some importers have.
    "1/2*{x} + 1/2*{x}*erf(70710678/100000000*{x})",
    "1/2*{x} + 1/2*{x}*tanh(79788456/100000000*{x} + 3567741/100000000*{x}*{x}*{x})",
    "1/2*{x} + 1/2*{x}*tanh(797724/1000000*{x} + 3567021/100000000*{x}*{x}*{x})",
)


def network(seed: int) -> Program:
    """The network of a seed."""
    return _Network(Random(seed)).drawn()


@dataclass
class _Network:
    """A network as it is drawn: `pool` are the tensors that a layer may read, the last one most
    often.

    Half of the networks are `plain`, such as models are: images keep their layout and mostly their
    size, what follows a layer is a bias of its columns, a residual and an activation. `columns` is
    the dimension of the last layer's.
    """

    random: Random
    dtype: str = "f32"
    plain: bool = False
    wide: bool = False
    columns: int = 0
    tensors: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    inputs: list[Tensor] = field(default_factory=list[Tensor])
    weights: set[str] = field(default_factory=set[str])
    statements: list[Definition] = field(default_factory=list[Definition])
    pool: list[Tensor] = field(default_factory=list[Tensor])

    def drawn(self) -> Program:
        random = self.random
        self.dtype = random.choice(["f32"] * 6 + ["f16"])
        self.plain = self.chance(0.5)
        self.wide = self.plain and self.chance(0.3)
        rank = random.choice([2, 3, 4, 4, 4])
        shape = [self.extent() for _ in range(rank)]
        if self.wide:
            shape = [2, random.randint(1, 4), random.randint(12, 30), random.randint(12, 20)]
        self.pool.append(self.input("X", shape))
        if random.random() < 0.2:
            self.pool.insert(0, self.input("X", [self.extent() for _ in range(rank)]))
        ends = (
            *[self.bias] * 2, self.scaled, *[self.activation] * 2, *[self.residual] * 2,
            self.multiplied,
        )  # fmt: skip
        layers = (self.product, self.convolution, self.convolution, self.transposed, self.mean)
        for _ in range(random.randint(2, 5)):
            if self.chance(0.15 if self.plain else 0.4):
                self.one_of((self.transpose, self.reshape, self.pad, self.concatenate))
            self.one_of(layers)
            if self.plain and self.statements:
                self.end()
                continue
            for _ in range(random.choice([0, 1, 1, 2, 3])):
                self.one_of(ends)
        computed = [s.result for s in self.statements] or [self.last]
        outputs = [computed[-1]]
        while random.random() < 0.3:
            outputs.append(random.choice(computed))
        program = Program(
            "network",
            tuple(self.inputs),
            tuple(self.statements),
            tuple(dict.fromkeys(outputs)),
            frozenset(self.weights),
        )
        program = without_dead(program)
        read = {t for s in program.statements for t in s.operands} | {*program.outputs}
        inputs = tuple(t for t in program.inputs if t in read)
        names = frozenset(t.name for t in inputs)
        return Program(
            program.name, inputs, program.statements, program.outputs, program.weights & names
        )

    # What is drawn

    def extent(self) -> int:
        return self.random.choice([1, 2, 3, 3, 4, 5, 6, 7, 8])

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def one_of(self, choices: Sequence[Callable[[], bool]]) -> None:
        """The first of the choices, in random order, that there is room and a tensor for."""
        for choice in self.random.sample(choices, len(choices)):
            if choice():
                return

    def source(self, least: int = 1, most: int = 5) -> Tensor | None:
        """A tensor to go on from, of a rank in this range: mostly the last one."""
        fitting = [t for t in self.pool if least <= len(t.shape) <= most]
        if not fitting:
            return None
        return fitting[-1] if self.chance(0.8) else self.random.choice(fitting)

    @property
    def last(self) -> Tensor:
        return self.pool[-1]

    # What is made

    def input(self, stem: str, shape: Sequence[int], constant: bool = False) -> Tensor:
        tensor = Tensor(f"{stem}{len(self.tensors)}", tuple(shape), self.dtype)
        self.tensors[tensor.name] = tensor
        self.inputs.append(tensor)
        if constant:
            self.weights.add(tensor.name)
        return tensor

    def weight(self, shape: Sequence[int]) -> Tensor:
        return self.input("W", shape, constant=self.chance(0.85))

    def define(self, text: str) -> bool:
        scope = parse_scope(text, self.tensors)
        if prod(scope.extents) > (_WIDE if self.wide else _LARGEST):
            return False
        result = Tensor(f"t{len(self.tensors)}", scope.extents, self.dtype)
        self.tensors[result.name] = result
        self.statements.append(Definition(result, scope, f"op{len(self.statements)}"))
        self.pool.append(result)
        return True

    def loops(self, extents: Sequence[tuple[str, int]], shuffled: float = 0.0) -> str:
        order = [f"{name}:{extent}" for name, extent in extents]
        if self.chance(shuffled):
            self.random.shuffle(order)
        return f"L<{','.join(order)}>"

    # Layers

    def product(self) -> bool:
        """By a weight, batched or not, or of two tensors, transposed in any way."""
        a = self.source(2, 4)
        if a is None:
            return False
        random = self.random
        names = [f"i{d}" for d in range(len(a.shape))]
        axis = random.choice([len(names) - 1, len(names) - 1, *range(len(names))])
        names[axis] = "k"
        extents = dict(zip(names, a.shape, strict=True))
        batch = [n for n in names if n != "k" and self.chance(0.2)]
        other, own = self.other(a, axis) if self.chance(0.3) else (None, [])
        if other is None:
            extents["j"] = self.extent()
            own = ["k", "j", *batch]
            random.shuffle(own)
            other = self.weight([extents[n] for n in own])
        else:
            extents |= {n: e for n, e in zip(own, other.shape, strict=True) if n not in extents}
        traversal = [n for n in dict.fromkeys([*names, *own]) if n != "k"]
        factors = [f"{a.name}[{','.join(names)}]", f"{other.name}[{','.join(own)}]"]
        if self.chance(0.3):
            factors.reverse()
        self.columns = len(traversal) - 1
        loops = self.loops([(n, extents[n]) for n in traversal], 0.0 if self.plain else 0.3)
        return self.define(f"{loops} S<k:{extents['k']}> {'*'.join(factors)}")

    def other(self, a: Tensor, axis: int) -> tuple[Tensor | None, list[str]]:
        """Another tensor that the axis of `a` may be multiplied along, and its iterators."""
        fitting = [t for t in self.pool if a.shape[axis] in t.shape and 2 <= len(t.shape) <= 4]
        if not fitting:
            return None, []
        other = self.random.choice(fitting)
        own = [""] * len(other.shape)
        along = [d for d, n in enumerate(other.shape) if n == a.shape[axis]]
        own[self.random.choice(along)] = "k"
        free = [d for d in range(len(a.shape)) if d != axis]
        for d, name in enumerate(own):
            shared = [e for e in free if a.shape[e] == other.shape[d]]
            if not name and shared and self.chance(0.6):
                free.remove(shared[0])
                own[d] = f"i{shared[0]}"
            elif not name:
                own[d] = f"j{d}"
        return other, own

    def convolution(self) -> bool:
        """Of one or two dimensions, in groups or not, any stride, dilation, padding and layout."""
        x = self.source(3, 4)
        if x is None:
            return False
        random = self.random
        axes = self.axes(x)
        channels = x.shape[axes.index("c")]
        groups = random.choice([g for g in (1, 1, 1, 2, channels) if channels % g == 0])
        groups = groups if self.chance(0.2 if self.plain else 1.0) else 1
        inside, filters = channels // groups, random.choice([1, 2, 3, 4, 5])
        if groups == 1:
            filters = channels if self.plain and self.chance(0.5) else self.extent()
        extents = {"n": x.shape[axes.index("n")] if "n" in axes else 1, "f": groups * filters}
        sums: dict[str, int] = {"c": inside}
        index: dict[str, str] = {"n": "n", "c": f"{inside}*(f div {filters})+c"}
        index["c"] = "c" if groups == 1 else "f" if (inside, filters) == (1, 1) else index["c"]
        if groups == channels and inside == 1 and filters > 1:
            index["c"] = f"f div {filters}+c"
        for position, tap in (("h", "r"), ("w", "s")):
            if position not in axes:
                continue
            size = x.shape[axes.index(position)]
            taps = random.choice([1, 2, 3, 3, 4])
            stride, dilation = random.choice([1, 1, 1, 2, 3]), random.choice([1, 1, 1, 2])
            reach = dilation * (taps - 1) + 1
            most = reach if self.chance(0.03) else reach - 1
            low, high = random.randint(0, most), random.randint(0, most)
            if self.plain and self.chance(0.9):
                stride = dilation = 1
                taps = min(taps, 3)
                low, high = (taps - 1) // 2, taps // 2
                reach = taps
            count = (size + low + high - reach) // stride + 1
            if count < 1:
                taps, dilation, stride, low, count = 1, 1, 1, 0, size
            extents[position], sums[tap] = count, taps
            index[position] = f"{stride}*{position}+{dilation}*{tap}-{low}"
        kernel = {"f": extents["f"], **sums}
        if index["c"] == "f":
            del sums["c"]
            kernel["c"] = 1
        order = list(kernel)
        if not self.plain and self.chance(0.4):
            random.shuffle(order)
        w = self.weight([kernel[n] for n in order])
        inner = ",".join(n if n in extents or n in sums else "0" for n in order)
        return self.windowed(x, axes, index, extents, sums, f"{w.name}[{inner}]")

    def transposed(self) -> bool:
        x = self.source(3, 4)
        if x is None:
            return False
        random = self.random
        axes = self.axes(x)
        channels = x.shape[axes.index("c")]
        extents = {"n": x.shape[axes.index("n")] if "n" in axes else 1, "f": self.extent()}
        sums = {"c": channels}
        index = {"n": "n", "c": "c"}
        guards = ""
        for position, tap in (("h", "r"), ("w", "s")):
            if position not in axes:
                continue
            size = x.shape[axes.index(position)]
            taps, stride = random.choice([1, 2, 3, 4]), random.choice([1, 2, 2, 3])
            stride = stride if self.chance(0.03) else min(stride, taps)
            low = random.randint(0, taps - 1)
            count = (size - 1) * stride + taps - low - random.randint(0, taps - 1)
            count = max(1, count + random.randint(0, stride - 1))
            extents[position], sums[tap] = count, taps
            inner = f"{position}+{low}-{tap}"
            index[position] = inner if stride == 1 else f"({inner}) div {stride}"
            guards += "" if stride == 1 else f" * [({inner}) mod {stride} = 0]"
        kernel = ["c", "f", *(n for n in sums if n != "c")]
        if not self.plain and self.chance(0.4):
            random.shuffle(kernel)
        w = self.weight([{**extents, **sums}[n] for n in kernel])
        return self.windowed(x, axes, index, extents, sums, f"{w.name}[{','.join(kernel)}]{guards}")

    def axes(self, x: Tensor) -> list[str]:
        """What the dimensions of an image are."""
        if self.plain:
            return ["n", "c", "h", "w"][: len(x.shape)]
        if len(x.shape) == 3:
            axes = self.random.choice([["n", "c", "h"], ["n", "h", "c"], ["c", "h", "w"]])
        else:
            axes = self.random.choice([["n", "c", "h", "w"], ["n", "h", "w", "c"]])
        return list(axes)

    def windowed(
        self,
        x: Tensor,
        axes: Sequence[str],
        index: dict[str, str],
        extents: dict[str, int],
        sums: dict[str, int],
        rest: str,
    ) -> bool:
        traversal = [(n, extents[n]) for n in ("n", "f", "h", "w") if n in extents]
        if "n" not in axes and self.chance(0.7):
            traversal = traversal[1:]
        elif axes[-1] == "c":
            traversal = [*(t for t in traversal if t[0] != "f"), ("f", extents["f"])]
        self.columns = [n for n, _ in traversal].index("f")
        loops = self.loops(traversal, 0.0 if self.plain else 0.15)
        read = ",".join(index[a] for a in axes)
        summed = ",".join(f"{n}:{e}" for n, e in sums.items())
        summation = f"S<{summed}>" if summed else ""
        return self.define(f"{loops} {summation} {x.name}[{read}]*{rest}")

    def mean(self) -> bool:
        x = self.source(2, 5)
        if x is None:
            return False
        names = [f"i{d}" for d in range(len(x.shape))]
        summed = self.random.sample(names, self.random.randint(1, min(2, len(names) - 1)))
        extents = dict(zip(names, x.shape, strict=True))
        sums = ",".join(f"{n}:{extents[n]}" for n in summed)
        loops = self.loops([(n, extents[n]) for n in names if n not in summed])
        scale = f"1/{prod(extents[n] for n in summed)}"
        return self.define(f"{loops} S<{sums}> {scale}*{x.name}[{','.join(names)}]")

    # What follows a layer

    def end(self) -> None:
        """A bias, a residual and an activation, each of them or not."""
        if self.columns < len(self.last.shape) and self.chance(0.7):
            index, extent = f"i{self.columns}", self.last.shape[self.columns]
            self.pointwise(f"{{x}} + {self.weight([extent]).name}[{index}]")
        if self.chance(0.6):
            self.residual()
        if self.chance(0.7):
            self.activation()

    def pointwise(self, body: str) -> bool:
        """`{x}` in the body stands for the last tensor, `{i}` for its iterators."""
        names = [f"i{d}" for d in range(len(self.last.shape))]
        loops = self.loops(list(zip(names, self.last.shape, strict=True)))
        index = ",".join(names)
        return self.define(f"{loops} {body.format(x=f'{self.last.name}[{index}]', i=index)}")

    def along(self) -> tuple[str, list[int]]:
        """An axis of the last tensor, or several, as an index, and the shape."""
        rank = len(self.last.shape)
        axes = [self.random.choice([rank - 1, min(1, rank - 1), self.random.randrange(rank)])]
        if self.chance(0.15):
            axes = list(range(rank))
        return ",".join(f"i{d}" for d in axes), [self.last.shape[d] for d in axes]

    def bias(self) -> bool:
        if not self.last.shape:
            return False
        index, shape = self.along()
        return self.pointwise(f"{{x}} + {self.weight(shape).name}[{index}]")

    def multiplied(self) -> bool:
        if not self.last.shape:
            return False
        index, shape = self.along()
        return self.pointwise(f"{{x}} * {self.weight(shape).name}[{index}]")

    def scaled(self) -> bool:
        """Batch normalisation: of the mean, by a scale over a deviation, and a shift."""
        if not self.last.shape:
            return False
        index, shape = self.along()
        mean, scale, shift = (self.input("W", shape, True).name for _ in range(3))
        return self.pointwise(
            f"{{x}}*{scale}[{index}] - {mean}[{index}]*{scale}[{index}] + {shift}[{index}]"
        )

    def activation(self) -> bool:
        return self.pointwise(self.random.choice(_ACTIVATIONS))

    def residual(self) -> bool:
        """A tensor of the same extents is added, perhaps transposed, scaled or read twice."""
        last = self.last
        fitting = [
            t
            for t in self.pool[:-1]
            if t.shape == last.shape or (not self.plain and sorted(t.shape) == sorted(last.shape))
        ]
        sign = self.random.choice(["+ ", "+ ", "+ ", "+ 1/2*", "- 1/2*"])
        if not fitting:
            if self.chance(0.3):
                return False
            fitting = [self.input("X", last.shape)]
            self.pool.insert(0, fitting[0])
        other = self.random.choice(fitting)
        free = list(range(len(last.shape)))
        index: list[str] = []
        for extent in other.shape:
            d = next(d for d in free if last.shape[d] == extent)
            free.remove(d)
            index.append(f"i{d}")
        added = f"{sign}{other.name}[{','.join(index)}]"
        return self.pointwise(self.random.choice([f"{{x}} {added}"] * 3 + [f"relu({{x}} {added})"]))

    # What stands between layers

    def transpose(self) -> bool:
        if len(self.last.shape) < 2:
            return False
        names = [f"i{d}" for d in range(len(self.last.shape))]
        order = self.random.sample(names, len(names))
        extents = dict(zip(names, self.last.shape, strict=True))
        loops = self.loops([(n, extents[n]) for n in order])
        return self.define(f"{loops} {self.last.name}[{','.join(names)}]")

    def reshape(self) -> bool:
        """Two neighbouring dimensions become one, or one becomes two."""
        shape = self.last.shape
        if not shape:
            return False
        names = [f"i{d}" for d in range(len(shape))]
        d = self.random.randrange(len(shape))
        divisors = [n for n in range(2, shape[d]) if shape[d] % n == 0]
        loops = list(zip(names, shape, strict=True))
        index = list(names)
        if divisors and len(shape) < 5:
            inner = self.random.choice(divisors)
            loops[d : d + 1] = [("a", shape[d] // inner), ("b", inner)]
            index[d] = f"{inner}*a+b"
        elif d + 1 < len(shape):
            loops[d : d + 2] = [("a", shape[d] * shape[d + 1])]
            index[d : d + 2] = [f"a div {shape[d + 1]}", f"a mod {shape[d + 1]}"]
        else:
            return False
        return self.define(f"{self.loops(loops)} {self.last.name}[{','.join(index)}]")

    def pad(self) -> bool:
        """Zeros around a dimension, or a part of it."""
        shape = list(self.last.shape)
        if not shape:
            return False
        d = self.random.randrange(len(shape))
        low, high = self.random.randint(-1, 2), self.random.randint(-1, 2)
        index = [f"i{n}" for n in range(len(shape))]
        index[d] += f"-{low}" if low >= 0 else f"+{-low}"
        shape[d] += low + high
        if shape[d] < 1:
            return False
        loops = self.loops([(f"i{n}", extent) for n, extent in enumerate(shape)])
        return self.define(f"{loops} {self.last.name}[{','.join(index)}]")

    def concatenate(self) -> bool:
        """The last tensor and another behind it."""
        shape = self.last.shape
        fitting = [
            (t, d)
            for t in self.pool
            for d in range(len(shape))
            if len(t.shape) == len(shape)
            and all(t.shape[e] == shape[e] for e in range(len(shape)) if e != d)
        ]
        if not fitting:
            return False
        other, d = self.random.choice(fitting)
        names = [f"i{n}" for n in range(len(shape))]
        behind = [f"{n}-{shape[d]}" if e == d else n for e, n in enumerate(names)]
        extents = [n + other.shape[d] * (e == d) for e, n in enumerate(shape)]
        loops = self.loops(list(zip(names, extents, strict=True)))
        return self.define(
            f"{loops} {self.last.name}[{','.join(names)}] + {other.name}[{','.join(behind)}]"
        )
