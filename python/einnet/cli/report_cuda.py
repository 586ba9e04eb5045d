"""What a compilation for a GPU found, for people."""

from __future__ import annotations

from einnet.cli.columns import format_columns
from einnet.cli.measure import variant_table
from einnet.cli.report import format_proof, format_rules, format_stages
from einnet.cli.trees import format_seconds
from einnet.driver_cuda import CudaCompilation
from einnet.race_cuda import samples_of
from einnet.trace import Trace


def print_cuda_compilation(compilation: CudaCompilation, trace: Trace) -> None:
    """What computes each subprogram in the chosen variant, the variants, the proof of the whole,
    the CPU seconds of each stage."""
    race = compilation.race
    rows: list[tuple[str, ...]] = []
    for subprogram, number in zip(race.subprograms, compilation.variant.choices, strict=True):
        candidate = subprogram.candidates[number]
        rows.append((
            subprogram.name,
            f"{subprogram.definition.label} {list(subprogram.definition.result.shape)}",
            format_rules(candidate.steps) if not candidate.is_original else "none",
            candidate.name or "generated kernel",
            str(len(subprogram.candidates)),
            str(subprogram.visited),
            f"{subprogram.seconds:.2f}",
            format_seconds(candidate.estimate),
        ))  # fmt: skip
    headings = (
        "subprogram", "original", "derivation", "matched", "candidates", "states", "search s",
        "estimate",
    )  # fmt: skip
    print(f"chosen for {', '.join(race.cubins)} in {race.precision}: {compilation.chosen}")
    print(*format_columns(headings, rows, right=(4, 5, 6, 7)), sep="\n")
    records = compilation.records
    if records is not None:
        print()
        names = tuple(samples_of(race, records).keys() | race.hosts.keys())
        print(*variant_table(records, names, compilation.chosen), sep="\n")
    else:
        print(f"chosen by estimates, variants: {len(race.hosts)}; `einnet measure` times them")
    for reason in race.dropped:
        print(f"dropped {reason}")
    if compilation.module_certificate is not None:
        proof = compilation.module_certificate
        print(format_proof(proof, "the chosen variant as a module equals the imported one"))
    else:
        print(format_proof(compilation.certificate, "the chosen variant equals the model"))
        print(f"the module optimized.mlir is not proved by itself: {compilation.unproved}")
    print(format_stages(trace))
