// RUN: not einnet-opt %s -o %t.none 2>&1 | FileCheck %s --implicit-check-not=module
// RUN: not test -e %t.none
// RUN: not einnet-opt - < %s 2>&1 | FileCheck %s --check-prefix=STDIN
// RUN: not einnet-opt %s.missing 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not einnet-opt %s --canonicalise 2>&1 | FileCheck %s --check-prefix=PASS
// RUN: not einnet-opt %s --pass-pipeline="builtin.module(cse,func.func(canonicalise))" 2>&1 | FileCheck %s --check-prefix=PIPELINE
// RUN: not einnet-opt %s --pass-pipeline="builtin.module(cse)" --cse 2>&1 | FileCheck %s --check-prefix=BOTH

// MISSING: einnet-opt-invalid.mlir.missing: error: cannot be read: No such file or directory

// PASS: --canonicalise:1:1: error: unknown pass 'canonicalise'
// PASS-NEXT: hint: did you mean canonicalize
// PASS-SAME: einnet-split-summation, einnet-substitute

// PIPELINE: <pass-pipeline>:1:30: error: unknown pass 'canonicalise'

// BOTH: error: --pass-pipeline and --cse: name passes one way or the other

// STDIN: <stdin>:[[#@LINE+3]]:{{.*}}: error:
func.func @f(%x: f32) -> f32 {
  // CHECK: einnet-opt-invalid.mlir:[[#@LINE+1]]:{{.*}}: error: use of undeclared SSA value name
  return %y : f32
}
