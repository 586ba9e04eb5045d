"""Options refuse what they do not know, and what a target does not have."""

from __future__ import annotations

from dataclasses import fields
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
        ({"chips": "sm_1"}, "no kernels are made for the chip 'sm_1'"),
        ({"target": "cuda", "chips": "sm_90a,"}, "no kernels are made for the chip ''"),
        ({"candidates": 0}, "'candidates' must be from 1 to 1000, not 0"),
        ({"seed": -1}, f"'seed' must be from 0 to {2**63 - 1}, not -1"),
        ({"rounds": 10**11}, f"'rounds' must be from 1 to 10000, not {10**11}"),
        ({"mutation_depth": 0}, "'mutation-depth' must be from 1 to 100, not 0"),
        ({"mutation_rounds": 0}, "'mutation-rounds' must be from 1 to 100, not 0"),
        ({"mutation_beam": 0}, "'mutation-beam' must be from 1 to 1000, not 0"),
        ({"repetitions": -1}, "'repetitions' must be from 0 to 100000, not -1"),
    ],
)
def test_what_is_refused(values: dict[str, Any], message: str):
    with pytest.raises(InputError) as refused:
        Options(**values)
    assert refused.value.message == message


def test_every_number_has_bounds():
    """One without would let a compilation run for ever."""
    for option in fields(Options):
        if type(option.default) is int:
            least, most = option.metadata["bounds"]
            assert least <= option.default <= most


def test_a_gpu_has_every_precision_and_the_cpu_one():
    assert [Options(target="cuda", precision=p).precision for p in PRECISIONS] == [*PRECISIONS]
    assert Options().target == TARGETS[0] == "cpu" and Options().precision == "fp32"


def test_repetitions_are_the_targets_own_unless_given():
    assert Options().repetitions < Options(target="cuda").repetitions
    assert Options(repetitions=3).repetitions == Options(target="cuda", repetitions=3).repetitions
