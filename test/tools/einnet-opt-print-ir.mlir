// RUN: einnet-opt %s --canonicalize --einnet-split-summation="label=p iterators=d2" --cse --mlir-print-ir-before-all \
// RUN:   --mlir-print-ir-after=einnet-split-summation,cse -o %t 2>&1 | FileCheck %s
// RUN: einnet-opt %s --pass-pipeline='builtin.module(func.func(einnet-split-summation{label=p iterators=d2},cse))' \
// RUN:   --mlir-print-ir-after-all --mlir-print-ir-after-change --mlir-print-ir-module-scope -o %t 2>&1 \
// RUN:   | FileCheck %s --check-prefix=CHANGE
// RUN: not einnet-opt %s --cse --einnet-split-summation="label=p iterators=d1" --mlir-print-ir-after-failure 2>&1 \
// RUN:   | FileCheck %s --check-prefix=FAILURE
// RUN: not einnet-opt %s --cse --mlir-print-ir-before=einnet-nothing 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// CHECK: // -----// IR Dump Before Canonicalizer (canonicalize) //----- //
// CHECK: linalg.matmul
// CHECK-NOT: IR Dump After Canonicalizer
// CHECK: // -----// IR Dump Before SplitSummation (einnet-split-summation) //----- //
// CHECK: linalg.matmul
// CHECK: // -----// IR Dump After SplitSummation (einnet-split-summation) //----- //
// CHECK: linalg.generic
// CHECK: // -----// IR Dump Before CSE (cse) //----- //
// CHECK: // -----// IR Dump After CSE (cse) //----- //

// CHANGE: IR Dump After SplitSummation (einnet-split-summation) ('func.func' operation: @product) //----- //
// CHANGE: module {
// CHANGE-NOT: IR Dump After CSE

// FAILURE-NOT: IR Dump After CSE
// FAILURE: // -----// IR Dump After SplitSummation Failed (einnet-split-summation) //----- //
// FAILURE: error: einnet-split-summation does not apply

// UNKNOWN: --mlir-print-ir-before=einnet-nothing: error: unknown pass 'einnet-nothing'
func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}
