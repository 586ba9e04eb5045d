// REQUIRES: plugin
// RUN: %plugin-opt %s --pass-pipeline="builtin.module(einnet-optimize{measure=false python=%python})" | FileCheck %s
// RUN: %plugin-opt %s --pass-pipeline="builtin.module(einnet-optimize{measure=false python=%python})" -o %t.plugin
// RUN: einnet-opt %s --einnet-optimize="measure=false" -o %t.command
// RUN: diff %t.plugin %t.command

// A module of upstream's dialects travels whole: the result is einnet-opt's, attributes included.

// CHECK: module attributes {other.kept = 1 : i64}
module attributes {other.kept = 1 : i64} {

// A 1x1 convolution is a product that a library computes.

// CHECK-LABEL: func.func @convolution
// CHECK: linalg.matmul
// CHECK-SAME: einnet.library = "blas"
func.func @convolution(%x: tensor<1x64x14x14xf32>, %w: tensor<32x64x1x1xf32>) -> tensor<1x32x14x14xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x32x14x14xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x32x14x14xf32>) -> tensor<1x32x14x14xf32>
  %y = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x64x14x14xf32>, tensor<32x64x1x1xf32>)
      outs(%init : tensor<1x32x14x14xf32>) -> tensor<1x32x14x14xf32>
  return %y : tensor<1x32x14x14xf32>
}

// CHECK-LABEL: func.func @copy
// CHECK: memref.copy
func.func @copy(%x: memref<4xf32>, %y: memref<4xf32>) {
  memref.copy %x, %y : memref<4xf32> to memref<4xf32>
  return
}

}
