// Dynamic extents, which are left alone, also beside a static product. Typed by hand.
// LEFT ALONE @matmul: dynamic arguments
// LEFT ALONE @convolution: dynamic arguments
// LEFT ALONE @unranked: an unranked argument
// CHECK-LABEL: func.func @inside
// CHECK: linalg.matmul {{.*}}einnet.library = "blas"
// CHECK: tensor<?x8xf32>
// OPTIMIZED @inside

func.func @matmul(%a: tensor<?x12xf32>, %b: tensor<12x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %a, %c0 : tensor<?x12xf32>
  %e = tensor.empty(%n) : tensor<?x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %m = linalg.matmul ins(%a, %b : tensor<?x12xf32>, tensor<12x8xf32>) outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %m : tensor<?x8xf32>
}

func.func @convolution(%x: tensor<?x3x?x?xf32>, %w: tensor<4x3x3x3xf32>, %y: tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32> {
  %0 = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<?x3x?x?xf32>, tensor<4x3x3x3xf32>) outs(%y : tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  return %0 : tensor<?x4x?x?xf32>
}

func.func @unranked(%x: tensor<*xf32>, %a: tensor<4x4xf32>) -> tensor<*xf32> {
  %s = math.absf %a : tensor<4x4xf32>
  %c = tensor.cast %s : tensor<4x4xf32> to tensor<*xf32>
  return %c : tensor<*xf32>
}

// Static at the borders, dynamic in between by a cast.
func.func @inside(%a: tensor<6x12xf32>, %b: tensor<12x8xf32>, %w: tensor<8x8xf32>) -> tensor<6x8xf32> {
  %zero = arith.constant dense<0.0> : tensor<6x8xf32>
  %m = linalg.matmul ins(%a, %b : tensor<6x12xf32>, tensor<12x8xf32>) outs(%zero : tensor<6x8xf32>) -> tensor<6x8xf32>
  %d = tensor.cast %m : tensor<6x8xf32> to tensor<?x8xf32>
  %z = tensor.cast %zero : tensor<6x8xf32> to tensor<?x8xf32>
  %q = linalg.matmul ins(%d, %w : tensor<?x8xf32>, tensor<8x8xf32>) outs(%z : tensor<?x8xf32>) -> tensor<?x8xf32>
  %r = tensor.cast %q : tensor<?x8xf32> to tensor<6x8xf32>
  return %r : tensor<6x8xf32>
}
