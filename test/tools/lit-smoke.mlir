// RUN: mlir-opt %s --canonicalize | FileCheck %s
// RUN: not mlir-opt %s --no-such-pass 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: Unknown command line argument '--no-such-pass'

// CHECK-LABEL: func.func @fold
// CHECK: %[[FIVE:.*]] = arith.constant 5 : i32
// CHECK: return %[[FIVE]]
func.func @fold() -> i32 {
  %two = arith.constant 2 : i32
  %three = arith.constant 3 : i32
  %sum = arith.addi %two, %three : i32
  return %sum : i32
}
