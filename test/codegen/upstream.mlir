// Upstream passes alone lower what the optimizer makes, and what runs gives the same numbers, which
// are small integers here, so that no rounding depends on the order of a sum.

// DEFINE: %{lower} = mlir-opt --pass-pipeline='builtin.module( \
// DEFINE:   one-shot-bufferize{bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map}, \
// DEFINE:   func.func(convert-linalg-to-loops),expand-strided-metadata,lower-affine,convert-scf-to-cf, \
// DEFINE:   convert-math-to-llvm,convert-math-to-libm,convert-arith-to-llvm,convert-index-to-llvm, \
// DEFINE:   finalize-memref-to-llvm,convert-func-to-llvm,convert-cf-to-llvm,reconcile-unrealized-casts)'
// DEFINE: %{run} = mlir-runner -e main --entry-point-result=void \
// DEFINE:   --shared-libs=%mlir_lib/libmlir_runner_utils.so,%mlir_lib/libmlir_c_runner_utils.so

// RUN: einnet-opt %s --einnet-optimize=measure=false | %{lower} -o %t.optimized.mlir
// RUN: FileCheck %s --input-file=%t.optimized.mlir
// RUN: %{run} %t.optimized.mlir | sed 1d > %t.optimized
// RUN: %{lower} %s | %{run} | sed 1d > %t.original
// RUN: FileCheck %s --input-file=%t.original --check-prefix=DATA
// RUN: diff %t.original %t.optimized

// The same for the passes that raise and match, and for the plan of a GPU.
// RUN: einnet-opt %s --einnet-raise-conv --einnet-match-operators | %{lower} | %{run} | sed 1d > %t.matched
// RUN: diff %t.original %t.matched
// RUN: einnet-opt %s --einnet-raise-conv --einnet-match-operators=target=cuda | %{lower} | %{run} | sed 1d > %t.cuda
// RUN: diff %t.original %t.cuda
// RUN: einnet-opt %s --einnet-optimize="target=cuda measure=false" | %{lower} | %{run} | sed 1d > %t.variant
// RUN: diff %t.original %t.variant

// Every operation is LLVM's, and the products that were tagged are loops.
// CHECK-NOT: {{linalg|tensor|unrealized_conversion_cast|blas}}
// CHECK: llvm.func @net
// CHECK-NOT: {{= (arith|memref|scf|math)\.}}

// DATA: {{\[\[\[\[[-0-9]+, .*[1-9]}}

func.func private @printMemrefF32(tensor<*xf32>)

func.func @net(%x: tensor<1x8x6x6xf32>, %w: tensor<4x8x3x3xf32>, %v: tensor<4x4x4x4xf32>,
               %m: tensor<8x5xf32>) -> tensor<1x4x8x5xf32> {
  %zero = arith.constant 0.0 : f32
  %e0 = tensor.empty() : tensor<1x4x4x4xf32>
  %i0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %c = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x8x6x6xf32>, tensor<4x8x3x3xf32>)
      outs(%i0 : tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %t = linalg.max ins(%c, %i0 : tensor<1x4x4x4xf32>, tensor<1x4x4x4xf32>)
      outs(%e0 : tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  // Stuffed with zeros: a transposed convolution with stride 2.
  %e1 = tensor.empty() : tensor<1x4x11x11xf32>
  %blank = linalg.fill ins(%zero : f32) outs(%e1 : tensor<1x4x11x11xf32>) -> tensor<1x4x11x11xf32>
  %stuffed = tensor.insert_slice %t into %blank[0, 0, 2, 2] [1, 4, 4, 4] [1, 1, 2, 2]
      : tensor<1x4x4x4xf32> into tensor<1x4x11x11xf32>
  %e2 = tensor.empty() : tensor<1x4x8x8xf32>
  %i2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %y = linalg.conv_2d_nchw_fchw ins(%stuffed, %v : tensor<1x4x11x11xf32>, tensor<4x4x4x4xf32>)
      outs(%i2 : tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %rows = tensor.collapse_shape %y [[0, 1, 2], [3]] : tensor<1x4x8x8xf32> into tensor<32x8xf32>
  %e3 = tensor.empty() : tensor<32x5xf32>
  %i3 = linalg.fill ins(%zero : f32) outs(%e3 : tensor<32x5xf32>) -> tensor<32x5xf32>
  %p = linalg.matmul ins(%rows, %m : tensor<32x8xf32>, tensor<8x5xf32>)
      outs(%i3 : tensor<32x5xf32>) -> tensor<32x5xf32>
  %q = tensor.expand_shape %p [[0, 1, 2], [3]] output_shape [1, 4, 8, 5]
      : tensor<32x5xf32> into tensor<1x4x8x5xf32>
  return %q : tensor<1x4x8x5xf32>
}

// An integer between -3 and 3 that depends on the position.
func.func private @noise(%n: index, %seed: index) -> f32 {
  %a = arith.constant 7919 : index
  %b = arith.constant 101 : index
  %seven = arith.constant 7 : index
  %m = arith.muli %n, %a : index
  %s = arith.addi %m, %seed : index
  %r = arith.remui %s, %b : index
  %d = arith.remui %r, %seven : index
  %i = arith.index_cast %d : index to i32
  %f = arith.sitofp %i : i32 to f32
  %three = arith.constant 3.0 : f32
  %v = arith.subf %f, %three : f32
  return %v : f32
}

func.func private @tensor(%seed: index) -> tensor<288xf32> {
  %t = tensor.generate {
  ^bb0(%i: index):
    %v = func.call @noise(%i, %seed) : (index, index) -> f32
    tensor.yield %v : f32
  } : tensor<288xf32>
  return %t : tensor<288xf32>
}

func.func @main() {
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %three = arith.constant 3 : index
  %x0 = call @tensor(%one) : (index) -> tensor<288xf32>
  %w0 = call @tensor(%two) : (index) -> tensor<288xf32>
  %s = call @tensor(%three) : (index) -> tensor<288xf32>
  %v0 = tensor.extract_slice %s[0] [256] [1] : tensor<288xf32> to tensor<256xf32>
  %m0 = tensor.extract_slice %s[9] [40] [1] : tensor<288xf32> to tensor<40xf32>
  %x = tensor.expand_shape %x0 [[0, 1, 2, 3]] output_shape [1, 8, 6, 6] : tensor<288xf32> into tensor<1x8x6x6xf32>
  %w = tensor.expand_shape %w0 [[0, 1, 2, 3]] output_shape [4, 8, 3, 3] : tensor<288xf32> into tensor<4x8x3x3xf32>
  %v = tensor.expand_shape %v0 [[0, 1, 2, 3]] output_shape [4, 4, 4, 4] : tensor<256xf32> into tensor<4x4x4x4xf32>
  %m = tensor.expand_shape %m0 [[0, 1]] output_shape [8, 5] : tensor<40xf32> into tensor<8x5xf32>
  %y = call @net(%x, %w, %v, %m)
      : (tensor<1x8x6x6xf32>, tensor<4x8x3x3xf32>, tensor<4x4x4x4xf32>, tensor<8x5xf32>) -> tensor<1x4x8x5xf32>
  %u = tensor.cast %y : tensor<1x4x8x5xf32> to tensor<*xf32>
  call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}
