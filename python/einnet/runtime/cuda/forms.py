"""Measured variants by their names: the forms of one, and which of all is taken.

A variant is lowered in several forms: its library calls take in no eOperator that may make them
slower, or those that often pay, or all that they can. Each form is measured as a variant of its
own. The program as the model has it comes in forms too, and what was derived has to beat the
fastest of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from einnet.runtime.cuda.timing import GpuSamples, wins

ORIGINAL = "original"
"""The variant that computes each operator as the model has it, and its name in the first form."""

FORMS = ("", ", fused", ", residuals fused")
"""What ends the name of a variant in each form."""


def plain(name: str) -> str:
    """The name of a variant without that of its form."""
    for form in FORMS[1:]:
        name = name.removesuffix(form)
    return name


def fastest_original(samples: Mapping[str, GpuSamples]) -> str | None:
    """The fastest form of the original, None if none was measured."""
    forms = [name for name in samples if plain(name) == ORIGINAL]
    return min(forms, key=lambda name: samples[name].median, default=None)


def winner(samples: Mapping[str, GpuSamples]) -> str:
    """The fastest variant, but the fastest form of the original if the lead over it is noise.

    All samples are of the same rounds, and there are some.
    """
    best = min(samples, key=lambda name: samples[name].median)
    original = fastest_original(samples)
    if original is None or original == best or wins(samples[best], samples[original]):
        return best
    return original
