// RUN: einnet-opt %s --canonicalize --einnet-split-summation="label=p iterators=d2" --mlir-generate-reproducer=%t.all -o %t.first
// RUN: einnet-opt %t.all --run-reproducer | diff - %t.first
// RUN: not einnet-opt %s --cse --einnet-split-summation="label=p iterators=d1" 2>&1 \
// RUN:   --mlir-pass-pipeline-crash-reproducer=%t.crash | FileCheck %s
// RUN: FileCheck %s --check-prefix=FILE < %t.crash
// RUN: not einnet-opt %t.crash --run-reproducer 2>&1 | FileCheck %s --check-prefix=AGAIN
// RUN: not einnet-opt %s --cse --einnet-split-summation="label=p iterators=d1" --mlir-pass-pipeline-local-reproducer \
// RUN:   --mlir-pass-pipeline-crash-reproducer=%t.local 2>&1 | FileCheck %s
// RUN: FileCheck %s --check-prefix=LOCAL < %t.local
// RUN: not einnet-opt %s --run-reproducer 2>&1 | FileCheck %s --check-prefix=NONE

// CHECK: :[[#@LINE+18]]:8: error: einnet-split-summation does not apply
// CHECK: error: Failures have been detected while processing an MLIR pass pipeline
// CHECK-NEXT: note: reproducer generated at `

// FILE: linalg.matmul
// FILE: mlir_reproducer: {
// FILE-NEXT: pipeline: "builtin.module(cse,einnet-split-summation{label=p iterators={d1}
// FILE-NEXT: disable_threading: true,
// FILE-NEXT: verify_each: true

// AGAIN-NOT: warning
// AGAIN: crash:{{[0-9]+}}:{{[0-9]+}}: error: einnet-split-summation does not apply

// LOCAL: pipeline: "builtin.module(einnet-split-summation{label=p iterators={d1}

// NONE: einnet-opt-reproducer.mlir: error: this is no reproducer
func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}
