// REQUIRES: plugin
// RUN: %plugin-opt %s --allow-unregistered-dialect --pass-pipeline="builtin.module(einnet-optimize{measure=false python=%python})" -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: grep -v foreign %s > %t.before.mlir
// RUN: grep -v foreign %t.mlir > %t.after.mlir
// RUN: einnet verify %t.before.mlir %t.after.mlir

// Subprograms between operations that nobody knows, put back together, compute what they did; the one that
// has no product stays as it is.

// CHECK: "foreign.a"
// CHECK: einnet.kernel
// CHECK: "foreign.b"
// CHECK: "foreign.c"
// CHECK: einnet.kernel
// CHECK: "foreign.d"
// CHECK: einnet.kernel

#map = affine_map<(n, c, h, w) -> (n, c, h, w)>
#channel = affine_map<(n, c, h, w) -> (c)>
func.func @f(%x: tensor<1x8x6x6xf32>, %w: tensor<4x8x1x1xf32>, %b: tensor<4xf32>, %m: tensor<36x5xf32>)
    -> (tensor<4x5xf32>, tensor<1x4x6x6xf32>) {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x4x6x6xf32>
  "foreign.a"(%x) : (tensor<1x8x6x6xf32>) -> ()
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x4x6x6xf32>) -> tensor<1x4x6x6xf32>
  %conv = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x8x6x6xf32>, tensor<4x8x1x1xf32>)
      outs(%init : tensor<1x4x6x6xf32>) -> tensor<1x4x6x6xf32>
  "foreign.b"() : () -> ()
  %relu = linalg.generic {indexing_maps = [#map, #channel, #map],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%conv, %b : tensor<1x4x6x6xf32>, tensor<4xf32>) outs(%empty : tensor<1x4x6x6xf32>) {
  ^bb0(%value: f32, %bias: f32, %out: f32):
    %sum = arith.addf %value, %bias : f32
    %positive = arith.maximumf %sum, %zero : f32
    linalg.yield %positive : f32
  } -> tensor<1x4x6x6xf32>
  "foreign.c"(%relu) : (tensor<1x4x6x6xf32>) -> ()
  %flat = tensor.collapse_shape %relu [[0, 1], [2, 3]] : tensor<1x4x6x6xf32> into tensor<4x36xf32>
  %small = tensor.empty() : tensor<4x5xf32>
  %start = linalg.fill ins(%zero : f32) outs(%small : tensor<4x5xf32>) -> tensor<4x5xf32>
  %p = linalg.matmul ins(%flat, %m : tensor<4x36xf32>, tensor<36x5xf32>)
      outs(%start : tensor<4x5xf32>) -> tensor<4x5xf32>
  "foreign.d"() : () -> ()
  %again = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x8x6x6xf32>, tensor<4x8x1x1xf32>)
      outs(%conv : tensor<1x4x6x6xf32>) -> tensor<1x4x6x6xf32>
  return %p, %again : tensor<4x5xf32>, tensor<1x4x6x6xf32>
}
