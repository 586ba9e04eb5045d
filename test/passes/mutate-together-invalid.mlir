// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-mutate=labels=p,q,r

func.func @two_forms(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>, %c: tensor<2x4x5xf32>, %d: tensor<2x5x6xf32>)
    -> (tensor<4x6xf32>, tensor<4x6xf32>, tensor<2x4x6xf32>) {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %zero1 = arith.constant dense<0.0> : tensor<2x4x6xf32>
  // expected-error @+1 {{they do not become one operator: batch-padded: their ranks differ; merge-padded: their ranks differ}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  %r = linalg.batch_matmul {einnet.label = "r"} ins(%c, %d : tensor<2x4x5xf32>, tensor<2x5x6xf32>)
      outs(%zero1 : tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  return %p, %q, %r : tensor<4x6xf32>, tensor<4x6xf32>, tensor<2x4x6xf32>
}

// -----

func.func @no_product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>, %c: tensor<4x6xf32>)
    -> (tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>) {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %empty = tensor.empty() : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  // expected-error @+1 {{einnet-mutate does not apply to 'linalg.add': mutations take a sum of products of two tensors}}
  %r = linalg.add {einnet.label = "r"} ins(%c, %c : tensor<4x6xf32>, tensor<4x6xf32>)
      outs(%empty : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p, %q, %r : tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>
}

// -----

// Neither parallel nor a chain.

func.func @half(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>)
    -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %zero = arith.constant dense<0.0> : tensor<4x4xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  // expected-error @+1 {{it does not depend on p, and others of them depend on each other: operations become one mutant if none depends on another, or in a chain, each of which reads the one before}}
  %q = linalg.matmul {einnet.label = "q"} ins(%b, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  %r = linalg.matmul {einnet.label = "r"} ins(%p, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q, %r : tensor<4x4xf32>, tensor<4x4xf32>
}

// -----

func.func @residual(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x4xf32>
  %empty = tensor.empty() : tensor<4x4xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%p, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  %s = linalg.add ins(%p, %q : tensor<4x4xf32>, tensor<4x4xf32>) outs(%empty : tensor<4x4xf32>) -> tensor<4x4xf32>
  // expected-error @+1 {{in a chain it would read q alone, and it reads p and q}}
  %r = linalg.matmul {einnet.label = "r"} ins(%s, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %r : tensor<4x4xf32>
}

// -----

func.func @sum_between(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x4xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  %s = linalg.matmul ins(%p, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  // expected-error @+1 {{linalg.matmul, which it reads, has a sum, and is none of the chain}}
  %q = linalg.matmul {einnet.label = "q"} ins(%s, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  %r = linalg.matmul {einnet.label = "r"} ins(%q, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %r : tensor<4x4xf32>
}

// -----

func.func private @f(tensor<4x4xf32>) -> tensor<4x4xf32>
func.func @call_between(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x4xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%p, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  %s = call @f(%q) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  // expected-error @+1 {{func.call, which it reads, has no expression}}
  %r = linalg.matmul {einnet.label = "r"} ins(%s, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %r : tensor<4x4xf32>
}

// -----

func.func @no_moves(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x4xf32>
  // expected-error @+1 {{a chain is moved alike, and its members have no mutant by the same moves: p by nothing; q by nothing; r by nothing}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%p, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  %r = linalg.matmul {einnet.label = "r"} ins(%q, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %r : tensor<4x4xf32>
}

// -----

func.func private @load() -> tensor<5x6xf32>
func.func @effects(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>)
    -> (tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>) {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error @+1 {{func.call, which one of them needs, may not move}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  %c = call @load() : () -> tensor<5x6xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%a, %c : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  %r = linalg.matmul {einnet.label = "r"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p, %q, %r : tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>
}

// -----

func.func @p(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p, %q : tensor<4x6xf32>, tensor<4x6xf32>
}
func.func @another(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error @+1 {{it is not in the block of p}}
  %r = linalg.matmul {einnet.label = "r"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %r : tensor<4x6xf32>
}
