"""The passes of einnet-opt, one a file: a label and parameters in, a rule or the driver called."""
