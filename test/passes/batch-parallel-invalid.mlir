// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-batch-parallel="labels=p,q"

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
  // expected-error @+1 {{the definitions differ in more than their operands}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero0 : tensor<4x6xf32>) -> tensor<4x6xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%d, %c : tensor<4x5xf32>, tensor<5x7xf32>)
      outs(%zero1 : tensor<4x7xf32>) -> tensor<4x7xf32>
  return %p, %q : tensor<4x6xf32>, tensor<4x7xf32>
}

// -----

func.func @deeper(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>, %d: tensor<4x8xf32>, %e: tensor<8x6xf32>)
    -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %zero0 = arith.constant dense<0.0> : tensor<4x6xf32>
  %zero1 = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error @+1 {{their sums differ}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero0 : tensor<4x6xf32>) -> tensor<4x6xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%d, %e : tensor<4x8xf32>, tensor<8x6xf32>)
      outs(%zero1 : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p, %q : tensor<4x6xf32>, tensor<4x6xf32>
}

// -----

func.func @one(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error @+1 {{the operations are not in one block}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}
func.func @another(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %q : tensor<4x6xf32>
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
