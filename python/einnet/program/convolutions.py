"""Convolutions as libraries take them: as the model has them, and with channels last.

The search knows a convolution by its windows and drops iterators of one element. A library has a
batch, channels and all spatial dimensions, with a kernel of extent 1 where there is no window, and
is fastest with channels last: images [batch, spatial.., channels], kernels [filters, spatial..,
channels].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from einnet.expr.index import FloorDiv, Index, Var, iterators_of, var
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term, box_of, fresh_name
from einnet.expr.program import Definition, Statement, Window, Windowed
from einnet.operators.contraction import Match
from einnet.operators.convolution import library_convolution, transposed_convolution
from einnet.operators.table import mapping_table
from einnet.search.distance import bad_parts
from einnet.search.normalise import two_level

MAX_RANK = 3
"""Spatial dimensions that libraries have at most."""


def spatial_rank(scope: Scope) -> int:
    """How many dimensions of one operand several iterators index, which may become windows; 0 if
    there are more than libraries have."""
    shared = [
        sum(len(iterators_of(e)) > 1 for e in read.index)
        for term in scope.body
        for read in term.reads
    ]
    rank = max(shared, default=0)
    return rank if rank <= MAX_RANK else 0


def as_written(definition: Definition) -> Match | None:
    """The definition as the (transposed) convolution that it is without any derivation: each index
    of the image is an iterator or a window with stride and dilation. None if it is none, or if an
    operand is read along a diagonal, which leaves an iterator no dimension of its own."""
    scope = definition.scope
    if len(scope.body) != 1 or len(scope.term.reads) != 2 or len(scope.term.factors) != 2:
        return None
    if any(i.lo for i in scope.traversal + scope.summation):
        return None
    if any(isinstance(r.source, Scope) or _is_diagonal(r) for r in scope.term.reads):
        return None
    for first in (0, 1):
        found = _matched(scope, scope.term.reads[first], scope.term.reads[1 - first])
        if found is not None:
            return found
    return None


def _is_diagonal(read: Read) -> bool:
    """Whether one iterator is the whole index of several dimensions."""
    names = [e.name for e in read.index if e.name]
    return len(names) > len(set(names))


def _matched(scope: Scope, image: Read, kernel: Read) -> Match | None:
    placed = _units_placed(scope, image, kernel)
    if placed is None:
        return None
    image, kernel = placed
    core = replace(scope, body=(replace(scope.term, factors=(image, kernel)),))
    table = mapping_table(core, (image, kernel))
    windows: list[Window] = []
    for index in image.index:
        window = _window(index, table.rows)
        if window is not None:
            windows.append(window)
        elif bad_parts(index, scope.ranges):
            return None
    names = [n for e in image.index for n in iterators_of(e)]
    if table.row("?") or not windows or len({w.transposed for w in windows}) > 1:
        return None
    if any(names.count(name) > 1 for w in windows for name in (w.x, w.y)):
        return None
    batched = [e.name for e in image.index if e.name and table.rows[e.name] == "m"]
    for name in batched[1:]:
        core, window = _with_unit_window(core, name, windows[0].transposed)
        windows.append(window)
    rank = len(windows)
    if rank > MAX_RANK:
        return None
    target = (transposed_convolution if windows[0].transposed else library_convolution)(
        rank, groups=True
    )
    image, kernel = core.term.reads
    table = mapping_table(core, (image, kernel))
    # The order of the windows is that of the image's dimensions, which models keep.
    position = {n: d for d, e in enumerate(image.index) for n in iterators_of(e)}
    windows.sort(key=lambda w: position[w.x])
    found = Match(two_level(core), target, (image, kernel), table, tuple(windows))
    return found if set(found.exact) == set(core.term.guards) else None


def _units_placed(scope: Scope, image: Read, kernel: Read) -> tuple[Read, Read] | None:
    """The operands, each iterator of extent 1 in an index where its row needs it, since it adds
    nothing: those of the traversal in one operand, those of the sums in both."""
    for iterator in scope.traversal + scope.summation:
        if iterator.extent > 1:
            continue
        name = iterator.name
        inside = [_occurs(name, read) for read in (image, kernel)]
        summed = iterator in scope.summation
        if not inside[0] and (summed or not inside[1]):
            placed = _placed(name, image)
            if placed is not None:
                image = placed
                inside[0] = True
            elif summed:
                return None
        if not inside[1] and (summed or not inside[0]):
            kernel = _placed(name, kernel) or _added(name, kernel)
    return image, kernel


def _occurs(name: str, read: Read) -> bool:
    return any(name in iterators_of(e) for e in read.index)


def _placed(name: str, read: Read) -> Read | None:
    """The read with an iterator that is always 0 as an index that is 0, if there is one."""
    for dimension, index in enumerate(read.index):
        if index.is_constant and index.const == 0:
            index = (*read.index[:dimension], var(name), *read.index[dimension + 1 :])
            return replace(read, index=index)
    return None


def _added(name: str, read: Read) -> Read:
    """The read with an iterator that is always 0 added to its first index."""
    return replace(read, index=(read.index[0] + var(name), *read.index[1:]))


def _with_unit_window(core: Scope, x: str, transposed: bool) -> tuple[Scope, Window]:
    """The core with iterator `x` of the image as a window of one tap."""
    y = fresh_name(f"{x}_tap", core.names)
    image, kernel = core.term.reads
    index = tuple(e + var(y) * (-1 if transposed else 1) if e.name == x else e for e in image.index)
    factors = (replace(image, index=index), _placed(y, kernel) or _added(y, kernel))
    summation = (*core.summation, Iterator(y, 0, 1))
    core = Scope(core.traversal, summation, (replace(core.term, factors=factors),))
    return core, Window(0, x, y, transposed=transposed)


def _window(index: Index, rows: Mapping[str, str]) -> Window | None:
    """The window that an index of an iterator of row m and one of row k is, None for another."""
    names = sorted(iterators_of(index), key=lambda name: rows[name], reverse=True)
    if [rows[name] for name in names] != ["m", "k"]:
        return None
    x, y = names
    stride, inside = 1, index
    atom, coefficient = index.terms[0]
    if isinstance(atom, FloorDiv):
        if len(index.terms) > 1 or coefficient != 1:
            return None
        stride, inside = atom.divisor, atom.operand
    if len(inside.terms) != 2 or not all(isinstance(a, Var) for a, _ in inside.terms):
        return None
    signs = inside.coefficient(x), inside.coefficient(y)
    if signs == (1, -1):
        return Window(0, x, y, stride, transposed=True)
    return Window(0, x, y, *signs) if stride == 1 and min(signs) > 0 else None


def channels_last(statements: tuple[Statement, ...], taken: set[str]) -> tuple[Statement, ...]:
    """A plan of one operator with windows on its first operand, its tensors in the order that
    libraries prefer, groups before the channels and filters that they divide. A plan without such
    an operator stays.

    A layout that then moves nothing is left out. New names are not in `taken`, and are added to it.
    """
    definitions = [s for s in statements if isinstance(s, Definition)]
    operator = next((d for d in definitions if isinstance(d.library, Windowed)), None)
    if operator is None or len(definitions) < len(statements):
        return statements
    library = operator.library
    assert isinstance(library, Windowed)
    if any(w.operand for w in library.windows):
        return statements
    xs, ys = tuple(w.x for w in library.windows), tuple(w.y for w in library.windows)
    orders = (
        (*library.m, *xs, *library.batch, *library.k),
        (*library.batch, *library.n, *ys, *library.k),
    )
    layouts = {d.result.name: d for d in definitions if d is not operator}
    before: list[Definition] = []
    reads: list[Read] = []
    for read, order in zip(operator.scope.term.reads, orders, strict=True):
        layout, read = _reordered(read, order, frozenset(xs), layouts, operator.result, taken)
        before += layout
        reads.append(read)
    order = (*library.m, *xs, *library.batch, *library.n)
    ranges = {i.name: i for i in operator.scope.traversal}
    traversal = tuple(ranges[name] for name in order)
    body = (replace(operator.scope.term, factors=tuple(reads)),)
    scope = Scope(traversal, operator.scope.summation, body)
    places = [[i.name for i in operator.scope.traversal].index(name) for name in order]
    return (*before, *_with_result(operator, scope, places, definitions[-1], taken))


def _reordered(
    read: Read,
    order: tuple[str, ...],
    opened: frozenset[str],
    layouts: dict[str, Definition],
    result: Tensor,
    taken: set[str],
) -> tuple[list[Definition], Read]:
    """The operand with its dimensions in the given order: its layout, if it needs one, and the
    operator's read of it. `opened` are the iterators of dimensions that are windows."""
    source = read.source
    assert isinstance(source, Tensor)
    keys = [next(n for n in order if n in iterators_of(e)) for e in read.index]
    places = sorted(range(len(keys)), key=lambda d: order.index(keys[d]))
    index = tuple(read.index[d] for d in places)
    layout = layouts.get(source.name)
    if layout is None:
        if places == list(range(len(keys))):
            return [], read
        traversal = tuple(Iterator(keys[d], 0, source.shape[d]) for d in range(len(keys)))
        stored = Scope(traversal, (), (Term((Read(source, tuple(map(var, keys))),)),))
        name = fresh_name(f"{result.name}_layout", taken)
        taken.add(name)
        layout = Definition(replace(source, name=name), stored, f"layout of {source.name}")
    stored = replace(layout.scope, traversal=tuple(layout.scope.traversal[d] for d in places))
    shifts = _shifts(stored, {d for d, p in enumerate(places) if keys[p] in opened})
    if shifts is not None:
        original = stored.term.reads[0].source
        return [], Read(original, tuple(e + s for e, s in zip(index, shifts, strict=True)))
    tensor = replace(layout.result, shape=stored.extents)
    return [replace(layout, result=tensor, scope=stored)], Read(tensor, index)


def _shifts(layout: Scope, opened: set[int]) -> list[int] | None:
    """By how much a layout that moves nothing is shifted in each dimension, which only those in
    `opened` may be; None if it moves something."""
    term = layout.term
    if term.guards or term.coefficient != 1 or len(term.factors) != 1:
        return None
    (read,) = term.reads
    if len(read.index) != len(layout.traversal):
        return None
    shifts: list[int] = []
    for d, (e, i) in enumerate(zip(read.index, layout.traversal, strict=True)):
        shift = e - var(i.name)
        whole = shift.const == 0 and i.extent == box_of(read.source)[d].hi
        if not shift.is_constant or not (d in opened or whole):
            return None
        shifts.append(shift.const)
    return shifts


def _with_result(
    operator: Definition, scope: Scope, places: list[int], last: Definition, taken: set[str]
) -> tuple[Definition, ...]:
    """The operator with its result's dimensions at new places, and the definition after it that
    puts them where the plan's result has them, if one is needed."""
    tensor = operator.result
    if last is operator:
        if places == list(range(len(places))):
            return (replace(operator, scope=scope),)
        name = fresh_name(f"{tensor.name}_product", taken)
        taken.add(name)
        traversal = operator.scope.traversal
        read = Read(tensor, tuple(var(i.name) for i in traversal))
        last = replace(operator, scope=Scope(traversal, (), (Term((read,)),)), library=None)
        tensor = replace(tensor, name=name)
    tensor = replace(tensor, shape=scope.extents)
    (term,) = last.scope.body
    read, *rest = term.factors
    assert isinstance(read, Read)
    index = tuple(read.index[d] for d in places)
    if index == tuple(var(i.name) for i in last.scope.traversal):
        plain = not (last.scope.summation or rest or term.guards) and term.coefficient == 1
        if plain and last.scope.extents == scope.extents:
            return (replace(operator, result=last.result, scope=scope),)
    body = (replace(term, factors=(Read(tensor, index), *rest)),)
    after = replace(last, scope=replace(last.scope, body=body))
    return replace(operator, result=tensor, scope=scope), after
