"""Which of the measured variants is taken: the lead has to be over the best of the original."""

from __future__ import annotations

from einnet.runtime.cuda.forms import fastest_original, plain, winner
from einnet.runtime.cuda.timing import GpuSamples


def samples(**microseconds: float) -> dict[str, GpuSamples]:
    """Steady samples of variants; `_fused` stands for the name of that form."""
    return {
        name.replace("_fused", ", fused"): GpuSamples((taken,) * 5)
        for name, taken in microseconds.items()
    }


def test_a_lead_within_the_noise_of_the_fused_original_is_none():
    times = samples(original=10.0, original_fused=8.0, merge_fused=7.999)
    assert winner(times) == "original, fused"
    assert fastest_original(times) == "original, fused"


def test_what_beats_every_form_of_the_original_wins():
    assert winner(samples(original=10.0, original_fused=8.0, merge=7.0)) == "merge"
    assert winner(samples(original=6.0, original_fused=8.0, merge=7.0)) == "original"
    assert winner(samples(original=6.0, merge=5.999)) == "original"


def test_without_an_original_the_fastest_wins():
    assert winner(samples(a=2.0, b=1.999)) == "b"
    assert fastest_original(samples(a=2.0)) is None


def test_a_form_is_no_part_of_a_name():
    assert plain("original, fused") == plain("original, residuals fused") == "original"
    assert plain("product, fused, columns") == "product, fused, columns"
