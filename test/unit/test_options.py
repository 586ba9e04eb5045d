"""Options refuse what they do not know, and what a target does not have."""

from __future__ import annotations

from typing import Any

import pytest

from einnet.errors import InputError
from einnet.options import PRECISIONS, TARGETS, Options


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target": "tpu"}, "unknown target 'tpu'"),
        ({"target": "cuda", "precision": "fp8"}, "unknown precision 'fp8'"),
        ({"precision": "fp16"}, "the target cpu has no precision 'fp16'"),
        ({"precision": "bf16"}, "the target cpu has no precision 'bf16'"),
        ({"precision": "tf32"}, "the target cpu has no precision 'tf32'"),
        ({"strategy": "lucky"}, "unknown strategy 'lucky'"),
        ({"candidates": 0}, "'candidates' must be at least 1, not 0"),
        ({"seed": -1}, "'seed' must be at least 0, not -1"),
        ({"mutation_depth": 0}, "'mutation_depth' must be at least 1, not 0"),
        ({"mutation_rounds": 0}, "'mutation_rounds' must be at least 1, not 0"),
        ({"mutation_beam": 0}, "'mutation_beam' must be at least 1, not 0"),
        ({"repetitions": -1}, "'repetitions' must be at least 1, not -1"),
    ],
)
def test_what_is_refused(values: dict[str, Any], message: str):
    with pytest.raises(InputError) as refused:
        Options(**values)
    assert refused.value.message == message


def test_a_gpu_has_every_precision_and_the_cpu_one():
    assert [Options(target="cuda", precision=p).precision for p in PRECISIONS] == [*PRECISIONS]
    assert Options().target == TARGETS[0] == "cpu" and Options().precision == "fp32"


def test_repetitions_are_the_targets_own_unless_given():
    assert Options().repetitions < Options(target="cuda").repetitions
    assert Options(repetitions=3).repetitions == Options(target="cuda", repetitions=3).repetitions
