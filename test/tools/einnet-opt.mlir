// RUN: einnet-opt - < %s | FileCheck %s --check-prefix=SAME
// RUN: einnet-opt %s --canonicalize=top-down=false --cse -o %t && FileCheck %s < %t
// RUN: einnet-opt %s --cse --llvm-request-c-wrappers | FileCheck %s --check-prefix=NESTED
// RUN: mlir-opt %s --canonicalize --cse > %t.theirs
// RUN: einnet-opt %s --canonicalize --cse > %t.ours
// RUN: diff %t.theirs %t.ours

// Flags mean what they mean to mlir-opt; a pass on functions is nested under them.

// SAME-LABEL: func.func @fold
// SAME: arith.addi

// CHECK-LABEL: func.func @fold
// CHECK: arith.constant 5 : index
// CHECK-NOT: arith.addi

// NESTED: func.func @fold() -> index attributes {llvm.emit_c_interface}
func.func @fold() -> index {
  %two = arith.constant 2 : index
  %three = arith.constant 3 : index
  %sum = arith.addi %two, %three : index
  return %sum : index
}
