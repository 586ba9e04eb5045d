// REQUIRES: plugin
// RUN: not %plugin-opt %s --pass-pipeline="builtin.module(einnet-optimize{python=%S/Inputs/none})" 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not %plugin-opt %s --pass-pipeline="builtin.module(einnet-optimize{python=%S/Inputs/crashing-worker})" 2>&1 | FileCheck %s --check-prefix=CRASHING
// RUN: not %plugin-opt %s --pass-pipeline="builtin.module(einnet-optimize{timeout=1 python=%S/Inputs/hanging-worker})" 2>&1 | FileCheck %s --check-prefix=HANGING
// RUN: not %plugin-opt %s --pass-pipeline="builtin.module(einnet-optimize{python=%S/Inputs/silent-worker})" 2>&1 | FileCheck %s --check-prefix=SILENT
// RUN: not %plugin-opt %s --pass-pipeline="builtin.module(einnet-optimize{python=%S/Inputs/babbling-worker})" 2>&1 | FileCheck %s --check-prefix=BABBLING
// RUN: not env PATH=%S/Inputs %plugin-opt %s --pass-pipeline="builtin.module(einnet-optimize)" 2>&1 | FileCheck %s --check-prefix=PATH

// `not` itself tells a crash of the host from a failure: it takes only exit codes.

// MISSING: worker-invalid.mlir:{{.*}}: error: einnet-optimize: the worker '{{.*}}none -P -m einnet.cli.worker' cannot be started: No such file
// MISSING: note: the Python interpreter must have einnet (pip install einnet); name another one with the pass option python=

// CRASHING: error: einnet-optimize: the worker '{{.*}}' was ended by signal 11
// CRASHING: note: it wrote: the last words
// CRASHING: note: einnet-opt runs the same passes outside of this process

// HANGING: error: einnet-optimize: the worker '{{.*}}' did not answer within 1 s and was stopped
// HANGING: note: give it longer with the pass option timeout=SECONDS

// SILENT: error: einnet-optimize: the worker '{{.*}}' answered what is not understood: nothing at all

// BABBLING: error: einnet-optimize: the worker '{{.*}}' answered what is not understood: it does not begin as an answer does

// PATH: error: einnet-optimize: the worker 'python3 -P -m einnet.cli.worker' cannot be started: No such file

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
