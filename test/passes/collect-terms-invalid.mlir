// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-collect-terms="label=p"

func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error @+1 {{p is one term}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @sum(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %empty = tensor.empty() : tensor<4x6xf32>
  // expected-error @+1 {{it only adds elements: nothing is multiplied or summed}}
  %p = linalg.add {einnet.label = "p"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @products(%a: tensor<4x5xf32>, %b: tensor<4x5xf32>, %v: tensor<5x6xf32>, %w: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error @+1 {{the terms differ in more than one read of one index, shape and type}}
  %p = linalg.generic {
      indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (m, k)>,
                       affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (k, n)>,
                       affine_map<(m, n, k) -> (m, n)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b, %v, %w : tensor<4x5xf32>, tensor<4x5xf32>, tensor<5x6xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%x: f32, %y: f32, %s: f32, %r: f32, %sum: f32):
    %xs = arith.mulf %x, %s : f32
    %yr = arith.mulf %y, %r : f32
    %both = arith.addf %xs, %yr : f32
    %next = arith.addf %sum, %both : f32
    linalg.yield %next : f32
  } -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @largest(%a: tensor<4x6xf32>, %low: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{it has no expression}}
  %p = linalg.reduce {arith.maximumf} ins(%a : tensor<4x6xf32>) outs(%low : tensor<4xf32>) dimensions = [1]
      {einnet.label = "p"}
  return %p : tensor<4xf32>
}
