// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-merge-parallel="labels=p,q"
// RUN: not einnet-opt %s --split-input-file --einnet-merge-parallel="labels=p" 2>&1 | FileCheck %s --check-prefix=ONE
// RUN: not einnet-opt %s --split-input-file --einnet-merge-parallel="labels=p,p" 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not einnet-opt %s --split-input-file --einnet-merge-parallel="labels=p,r" 2>&1 | FileCheck %s --check-prefix=NONE

// ONE: error: one label is no group
// TWICE: error: the label p is given twice
// NONE: error: einnet-merge-parallel: no operation has einnet.label = "r"

func.func @sums(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %empty = tensor.empty() : tensor<4x6xf32>
  // expected-error @+1 {{p is not a product of two tensors}}
  %p = linalg.add {einnet.label = "p"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>)
      -> tensor<4x6xf32>
  %q = linalg.add {einnet.label = "q"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>)
      -> tensor<4x6xf32>
  return %p, %q : tensor<4x6xf32>, tensor<4x6xf32>
}

// -----

func.func @apart(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>, %d: tensor<4x5xf32>, %c: tensor<5x7xf32>)
    -> (tensor<4x6xf32>, tensor<4x7xf32>) {
  %zero0 = arith.constant dense<0.0> : tensor<4x6xf32>
  %zero1 = arith.constant dense<0.0> : tensor<4x7xf32>
  // expected-error @+1 {{the operations have no operand in common}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero0 : tensor<4x6xf32>) -> tensor<4x6xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%d, %c : tensor<4x5xf32>, tensor<5x7xf32>)
      outs(%zero1 : tensor<4x7xf32>) -> tensor<4x7xf32>
  return %p, %q : tensor<4x6xf32>, tensor<4x7xf32>
}

// -----

func.func @swapped(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>)
    -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %zero0 = arith.constant dense<0.0> : tensor<4x4xf32>
  %zero1 = arith.constant dense<0.0> : tensor<4x4xf32>
  // expected-error @+1 {{is read in several ways}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero0 : tensor<4x4xf32>) -> tensor<4x4xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%b, %a : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero1 : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %p, %q : tensor<4x4xf32>, tensor<4x4xf32>
}

// -----

func.func @dependent(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x4xf32>
  // expected-error @+1 {{one of the operations depends on p}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%a, %p : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q : tensor<4x4xf32>
}

// -----

func.func private @load() -> tensor<5x7xf32>
func.func @effects(%a: tensor<4x5xf32>, %b: tensor<5x7xf32>) -> (tensor<4x7xf32>, tensor<4x7xf32>) {
  %zero = arith.constant dense<0.0> : tensor<4x7xf32>
  // expected-error @+1 {{func.call, which one of them needs, may not move}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x7xf32>)
      outs(%zero : tensor<4x7xf32>) -> tensor<4x7xf32>
  %c = call @load() : () -> tensor<5x7xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%a, %c : tensor<4x5xf32>, tensor<5x7xf32>)
      outs(%zero : tensor<4x7xf32>) -> tensor<4x7xf32>
  return %p, %q : tensor<4x7xf32>, tensor<4x7xf32>
}
