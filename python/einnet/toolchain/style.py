"""The options of MLIR's printer as a value; needs no MLIR."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """Options of the printer, named as the bindings name them; the limits count elements and
    characters, None for no limit."""

    large_elements_limit: int | None = None
    large_resource_limit: int | None = None
    enable_debug_info: bool = False
    pretty_debug_info: bool = False
    print_generic_op_form: bool = False
    use_local_scope: bool = False
    use_name_loc_as_prefix: bool = False
    assume_verified: bool = False
    skip_regions: bool = False
