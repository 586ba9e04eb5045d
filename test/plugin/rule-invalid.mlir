// REQUIRES: plugin
// RUN: %plugin-opt %s --split-input-file --verify-diagnostics --allow-unregistered-dialect --pass-pipeline="builtin.module(einnet-substitute{python=%python label=p with=t=2*d0})"
// RUN: not %plugin-opt - < %s --allow-unregistered-dialect --split-input-file --pass-pipeline="builtin.module(einnet-substitute{python=%python label=p with=t=2*d0})" 2>&1 | FileCheck %s --check-prefix=STDIN

// Errors stand where the operation does in the user's file, whether the module travelled whole ...

func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // STDIN: <stdin>:[[#@LINE+4]]:8: error: einnet-substitute does not apply
  // STDIN: note: the operation is L<d0:4,d1:6> S<d2:5>
  // expected-note@+2 {{the operation is L<d0:4,d1:6> S<d2:5>}}
  // expected-error@+1 {{2*d0 has no iterator with coefficient 1 or -1 to solve for}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

// ... or in parts.

func.func @part(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = "foreign.zero"() : () -> tensor<4x6xf32>
  // expected-note@+2 {{the operation is L<d0:4,d1:6> S<d2:5>}}
  // expected-error@+1 {{2*d0 has no iterator with coefficient 1 or -1 to solve for}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

// expected-note@+2 {{labels: q}}
// expected-error@+1 {{no operation has einnet.label = "p"}}
module {
  func.func @labels(%a: tensor<4xf32>) -> tensor<4xf32> {
    %q = linalg.exp {einnet.label = "q"} ins(%a : tensor<4xf32>) outs(%a : tensor<4xf32>) -> tensor<4xf32>
    return %q : tensor<4xf32>
  }
}
