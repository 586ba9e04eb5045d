// RUN: einnet-opt %s --einnet-optimize="measure=false" | FileCheck %s
// RUN: einnet-opt %s --pass-pipeline='builtin.module(einnet-optimize{target=cuda measure=false chips=sm_80})' \
// RUN:   | FileCheck %s --check-prefix=CUDA
// RUN: einnet-opt %s --einnet-optimize="measure=false candidates=1 strategy=explorative seed=3 rounds=1 threads=1" \
// RUN:   | einnet verify %s - --entry convolution | FileCheck %s --check-prefix=EQUAL

// EQUAL: equal: 1 output

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

// A GPU's libraries have products of half precision, the CPU's has not. Weights are arguments like
// others, since two functions have some.

// CHECK-LABEL: func.func @large
// CHECK: linalg.conv_2d_nchw_fchw
// CUDA-LABEL: func.func @large
// CUDA-SAME: tensor<256x256x3x3xf16> {einnet.weight = "w"}
// CUDA: einnet.library = "{{blas|cudnn}}"
func.func @large(%x: tensor<8x256x28x28xf16>, %w: tensor<256x256x3x3xf16> {einnet.weight = "w"})
    -> tensor<8x256x26x26xf16> {
  %zero = arith.constant dense<0.0> : tensor<8x256x26x26xf16>
  %y = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<8x256x28x28xf16>, tensor<256x256x3x3xf16>)
      outs(%zero : tensor<8x256x26x26xf16>) -> tensor<8x256x26x26xf16>
  return %y : tensor<8x256x26x26xf16>
}

// What is unknown stays where it is, around what is optimized, and so does what is not static.

// CHECK-LABEL: func.func private @around
// CHECK-SAME: %[[A:.*]]: tensor<4x6xf32> {test.a = 1 : i32}
// CHECK-SAME: attributes {test.fn = [1, 2]}
// CHECK: call @external(%[[A]])
// CHECK: linalg.matmul {{.*}} einnet.library = "blas"
// CHECK: call @effect()
func.func private @external(tensor<4x6xf32>) -> tensor<4x6xf32>
func.func private @effect()
func.func private @around(%a: tensor<4x6xf32> {test.a = 1 : i32}, %b: tensor<6x5xf32> {einnet.weight = "b"})
    -> tensor<4x5xf32> attributes {test.fn = [1, 2]} {
  %zero = arith.constant dense<0.0> : tensor<4x5xf32>
  %e = call @external(%a) : (tensor<4x6xf32>) -> tensor<4x6xf32>
  %c = linalg.matmul ins(%e, %b : tensor<4x6xf32>, tensor<6x5xf32>)
      outs(%zero : tensor<4x5xf32>) -> tensor<4x5xf32>
  call @effect() : () -> ()
  return %c : tensor<4x5xf32>
}

// CHECK-LABEL: func.func @dynamic
// CHECK: linalg.matmul ins(%{{.*}} : tensor<?x6xf32>
func.func @dynamic(%a: tensor<?x6xf32>, %b: tensor<6x5xf32>, %c: tensor<?x5xf32>) -> tensor<?x5xf32> {
  %0 = linalg.matmul ins(%a, %b : tensor<?x6xf32>, tensor<6x5xf32>) outs(%c : tensor<?x5xf32>) -> tensor<?x5xf32>
  return %0 : tensor<?x5xf32>
}
