// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-split-summation="label=p iterators=d0" -o %t
// RUN: not einnet-opt %s --split-input-file --einnet-split-summation="label=p iterators=d0" 2>&1 | FileCheck %s
// RUN: einnet-opt %s --split-input-file --verify-diagnostics=only-expected --einnet-split-summation="label=p iterators=d0" -o %t

// An error of einnet's pass is expected at the operation; its hint need not be, but may.

// CHECK: einnet-opt-diagnostics.mlir:[[#@LINE+7]]:8: error: einnet-split-summation does not apply
// CHECK-NEXT: note: hint: the operation is L<d0:4,d1:6>
// CHECK-NEXT: note: reproduce: einnet-opt '--pass-pipeline=builtin.module(einnet-split-summation{label=p iterators={d0}
func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error-re@+2 {{einnet-split-summation does not apply to {{.*}}matmul}}
  // expected-note@+1 {{hint: the operation is L<d0:4,d1:6>}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

// expected-error@unknown {{no operation has einnet.label = "p"}}
func.func @nothing() {
  return
}

// -----

func.func @undeclared() -> i32 {
  // expected-error@below {{use of undeclared SSA value name}}
  return %x : i32
}
