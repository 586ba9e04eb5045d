"""The proofs that an artifact holds, as certificates; neither MLIR nor a GPU is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import ROUND_UP, Context, Decimal
from pathlib import Path

from einnet.errors import InputError, Location
from einnet.runtime.folder import CERTIFICATE, REBUILD, read_json
from einnet.verify.certificate import Certificate
from einnet.verify.field import random_primes


@dataclass(frozen=True)
class Proofs:
    """What is proved of an artifact, None for what is not: that its chosen variant equals the
    model, which artifacts for a GPU say, and that optimized.mlir does; `unproved` is why not."""

    variant: Certificate | None
    module: Certificate | None
    unproved: str = ""


def read_proofs(folder: Path) -> Proofs:
    """The proofs of an artifact. Raises InputError for a file that does not hold them."""
    path = folder / CERTIFICATE
    stored = read_json(path)
    try:
        match stored:
            case None:
                return Proofs(None, None)
            case {"program": program, "module": None, "unproved": unproved}:
                return Proofs(_certificate(program), None, str(unproved))
            case {"program": program, "module": module}:
                return Proofs(_certificate(program), _certificate(module))
            case _:
                return Proofs(None, _certificate(stored))
    except KeyError as error:
        raise InputError(
            f"not a certificate: it has no {error}", location=Location(str(path)), hint=REBUILD
        ) from error
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"not a certificate: {error}", location=Location(str(path)), hint=REBUILD
        ) from error


def _certificate(stored: object) -> Certificate:
    proof = Certificate.from_json(json.dumps(stored))
    if min(proof.cells, proof.positions, proof.error_bound) < 0:
        raise ValueError("a figure is negative")
    if not proof.primes or random_primes(proof.seed, len(proof.primes)) != proof.primes:
        raise ValueError("its primes are not those of its seed")
    return proof


def format_chance(bound: float) -> str:
    """An upper bound of a probability, rounded up to one digit; what is too small for a float to
    be told from 0 is below `1e-300` too."""
    least = 1e-300
    if bound <= least:
        return f"{least:.0e}"
    rounded = Context(prec=1, rounding=ROUND_UP).create_decimal(Decimal(bound))
    return f"{float(rounded):.0e}"
