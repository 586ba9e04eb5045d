"""Values of symbols that were computed before: an element that many terms read is computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
Keys = NDArray[np.int64]


class Memo:
    """`[round, key]` values by name and key."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Keys, Values]] = {}

    def at(self, name: str, keys: Keys, compute: Callable[[Keys], Values]) -> Values:
        """The values at distinct keys; `compute` gives those that are not known yet."""
        known = self._known.get(name)
        missing = keys if known is None else np.setdiff1d(keys, known[0], assume_unique=True)
        if known is None or len(missing):
            new = compute(missing)
            if known is not None:
                missing = np.concatenate([known[0], missing])
                new = np.concatenate([known[1], new], axis=1)
            order = np.argsort(missing)
            known = missing[order], new[:, order]
            self._known[name] = known
        return known[1][:, np.searchsorted(known[0], keys)]
