"""Programs to GPU code: kernels for eOperators, a flat list of launches and library calls."""
