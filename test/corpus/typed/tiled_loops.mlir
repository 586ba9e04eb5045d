// A product after tiling: scf.for and scf.forall over slices. The loops must survive. Typed by hand
// in the form of transform.structured.tile_using_for and tile_using_forall.
// CHECK-LABEL: func.func @tiled
// CHECK: scf.for
// CHECK: scf.for
// CHECK-LABEL: func.func @forall
// CHECK: scf.forall
// CHECK: tensor.parallel_insert_slice
// CHECK-LABEL: func.func @product_before_the_loop
// CHECK: linalg.matmul {{.*}}einnet.library = "blas"
// CHECK: scf.for
// OPTIMIZED @product_before_the_loop

func.func @tiled(%a: tensor<8x12xf32>, %b: tensor<12x8xf32>) -> tensor<8x8xf32> {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  %zero = arith.constant dense<0.0> : tensor<8x8xf32>
  %0 = scf.for %i = %c0 to %c8 step %c4 iter_args(%o = %zero) -> (tensor<8x8xf32>) {
    %1 = scf.for %j = %c0 to %c8 step %c4 iter_args(%p = %o) -> (tensor<8x8xf32>) {
      %sa = tensor.extract_slice %a[%i, 0] [4, 12] [1, 1] : tensor<8x12xf32> to tensor<4x12xf32>
      %sb = tensor.extract_slice %b[0, %j] [12, 4] [1, 1] : tensor<12x8xf32> to tensor<12x4xf32>
      %sc = tensor.extract_slice %p[%i, %j] [4, 4] [1, 1] : tensor<8x8xf32> to tensor<4x4xf32>
      %m = linalg.matmul ins(%sa, %sb : tensor<4x12xf32>, tensor<12x4xf32>) outs(%sc : tensor<4x4xf32>) -> tensor<4x4xf32>
      %r = tensor.insert_slice %m into %p[%i, %j] [4, 4] [1, 1] : tensor<4x4xf32> into tensor<8x8xf32>
      scf.yield %r : tensor<8x8xf32>
    }
    scf.yield %1 : tensor<8x8xf32>
  }
  return %0 : tensor<8x8xf32>
}

func.func @forall(%a: tensor<8x12xf32>, %b: tensor<12x8xf32>, %c: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %0 = scf.forall (%i, %j) in (2, 2) shared_outs(%o = %c) -> (tensor<8x8xf32>) {
    %ii = affine.apply affine_map<(d) -> (d * 4)>(%i)
    %jj = affine.apply affine_map<(d) -> (d * 4)>(%j)
    %sa = tensor.extract_slice %a[%ii, 0] [4, 12] [1, 1] : tensor<8x12xf32> to tensor<4x12xf32>
    %sb = tensor.extract_slice %b[0, %jj] [12, 4] [1, 1] : tensor<12x8xf32> to tensor<12x4xf32>
    %sc = tensor.extract_slice %o[%ii, %jj] [4, 4] [1, 1] : tensor<8x8xf32> to tensor<4x4xf32>
    %m = linalg.matmul ins(%sa, %sb : tensor<4x12xf32>, tensor<12x4xf32>) outs(%sc : tensor<4x4xf32>) -> tensor<4x4xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %m into %o[%ii, %jj] [4, 4] [1, 1] : tensor<4x4xf32> into tensor<8x8xf32>
    }
  }
  return %0 : tensor<8x8xf32>
}

func.func @product_before_the_loop(%a: tensor<8x12xf32>, %b: tensor<12x8xf32>) -> tensor<8x8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %zero = arith.constant dense<0.0> : tensor<8x8xf32>
  %m = linalg.matmul ins(%a, %b : tensor<8x12xf32>, tensor<12x8xf32>) outs(%zero : tensor<8x8xf32>) -> tensor<8x8xf32>
  %0 = scf.for %i = %c0 to %c8 step %c1 iter_args(%o = %m) -> (tensor<8x8xf32>) {
    %row = tensor.extract_slice %o[%i, 0] [1, 8] [1, 1] : tensor<8x8xf32> to tensor<1x8xf32>
    %t = math.tanh %row : tensor<1x8xf32>
    %r = tensor.insert_slice %t into %o[%i, 0] [1, 8] [1, 1] : tensor<1x8xf32> into tensor<8x8xf32>
    scf.yield %r : tensor<8x8xf32>
  }
  %q = linalg.matmul ins(%0, %m : tensor<8x8xf32>, tensor<8x8xf32>) outs(%zero : tensor<8x8xf32>) -> tensor<8x8xf32>
  return %q : tensor<8x8xf32>
}
