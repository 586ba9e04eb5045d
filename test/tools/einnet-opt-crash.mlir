// RUN: not einnet-opt %s --cse --finalize-memref-to-llvm 2>&1 | FileCheck %s
// RUN: not einnet-opt %s -p 'builtin.module(func.func(tosa-to-linalg-pipeline))' 2>&1 | FileCheck %s --check-prefix=PIPELINE

// What aborts MLIR is an error with the command that shows it, not the end of the process.

// CHECK: einnet-opt-crash.mlir: error: MLIR crashed (SIGABRT) while it ran 'builtin.module(
// CHECK: note: reproduce: {{.*}}mlir-opt '--pass-pipeline=builtin.module(

// PIPELINE: <pass-pipeline>:1:26: error: MLIR crashed (SIGABRT) while it read the pipeline
func.func @f(%m: memref<4xi1>, %i: index) -> i1 {
  %0 = memref.load %m[%i] : memref<4xi1>
  return %0 : i1
}
