// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-match-operators="label=p"
// RUN: not einnet-opt %s --einnet-match-operators=target=abacus 2>&1 | FileCheck %s

// CHECK: --einnet-match-operators:1:{{.*}}: error: unknown target 'abacus'
// CHECK-NEXT: hint: targets: cpu, cuda

func.func @window(%x: tensor<1x9x4xf32>, %w: tensor<3x4x2xf32>, %c: tensor<1x7x2xf32>) -> tensor<1x7x2xf32> {
  // expected-error @+1 {{it is no product: dimension 1 of the first operand is read at d1+d3, which is not one loop}}
  %p = linalg.conv_1d_nwc_wcf {einnet.label = "p"} ins(%x, %w : tensor<1x9x4xf32>, tensor<3x4x2xf32>)
      outs(%c : tensor<1x7x2xf32>) -> tensor<1x7x2xf32>
  return %p : tensor<1x7x2xf32>
}

// -----

func.func @stray(%x: tensor<10x8xf32>, %w: tensor<8xf32>, %init: tensor<10xf32>) -> tensor<10xf32> {
  // expected-error @+1 {{the loop d1 is summed over but only in the first operand, and no row of a library operator is that}}
  %y = linalg.generic {
      indexing_maps = [affine_map<(m, k, l) -> (m, k)>, affine_map<(m, k, l) -> (l)>,
                       affine_map<(m, k, l) -> (m)>],
      iterator_types = ["parallel", "reduction", "reduction"]}
      ins(%x, %w : tensor<10x8xf32>, tensor<8xf32>) outs(%init : tensor<10xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %ab = arith.mulf %a, %b : f32
    %next = arith.addf %sum, %ab : f32
    linalg.yield %next : f32
  } -> tensor<10xf32>
  return %y : tensor<10xf32>
}

// -----

func.func @half(%a: tensor<10x8xf16>, %b: tensor<8x6xf16>, %c: tensor<10x6xf16>) -> tensor<10x6xf16> {
  // expected-error @+1 {{no library of cpu has elements of type f16; they have f32, f64}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<10x8xf16>, tensor<8x6xf16>)
      outs(%c : tensor<10x6xf16>) -> tensor<10x6xf16>
  return %p : tensor<10x6xf16>
}

// -----

func.func @three(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>, %c: tensor<5xf32>, %old: tensor<4x6xf32>) -> tensor<4x6xf32> {
  // expected-error @+1 {{it multiplies 3 tensors, not two}}
  %y = linalg.generic {
      indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>,
                       affine_map<(m, n, k) -> (k)>, affine_map<(m, n, k) -> (m, n)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b, %c : tensor<4x5xf32>, tensor<5x6xf32>, tensor<5xf32>) outs(%old : tensor<4x6xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%x: f32, %z: f32, %w: f32, %sum: f32):
    %xz = arith.mulf %x, %z : f32
    %xzw = arith.mulf %xz, %w : f32
    %next = arith.addf %sum, %xzw : f32
    linalg.yield %next : f32
  } -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

func.func @pointwise(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %empty = tensor.empty() : tensor<4x6xf32>
  // expected-error @+1 {{it sums over no loop}}
  %p = linalg.mul {einnet.label = "p"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>)
      outs(%empty : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @again(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>, %c: tensor<4x6xf32>) -> tensor<4x6xf32> {
  // expected-error @+1 {{it has an einnet.library already}}
  %p = linalg.matmul {einnet.label = "p", einnet.library = "blas"}
      ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>) outs(%c : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}


// -----

func.func @widened(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>, %c: tensor<4x6xf64>) -> tensor<4x6xf64> {
  // expected-error @+1 {{libraries add in the type of the factors}}
  %p = linalg.matmul {einnet.label = "p"}
      ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>) outs(%c : tensor<4x6xf64>) -> tensor<4x6xf64>
  return %p : tensor<4x6xf64>
}
