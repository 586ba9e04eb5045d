"""Running, measuring and tuning host programs on an NVIDIA GPU. Needs no MLIR."""
