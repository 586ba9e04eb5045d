// RUN: einnet-opt %s --einnet-optimize="measure=false" | FileCheck %s
// RUN: not einnet-opt %s --einnet-optimize=target=abacus 2>&1 | FileCheck %s --check-prefix=TARGET

// TARGET: --einnet-optimize:1:{{.*}}: error: unknown target 'abacus'
// TARGET-NEXT: hint: targets: cpu

// A function without a sum stays as it is.

// CHECK-LABEL: func.func @negated
// CHECK: linalg.negf
func.func @negated(%x: tensor<4xf32>) -> tensor<4xf32> {
  %empty = tensor.empty() : tensor<4xf32>
  %y = linalg.negf ins(%x : tensor<4xf32>) outs(%empty : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

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
