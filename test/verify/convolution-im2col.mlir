// equal

// A convolution as a product of the weight and the image's columns.
func.func @main(%x: tensor<2x16x34x34xf32>, %w: tensor<32x16x3x3xf32>)
    -> tensor<2x32x32x32xf32> {
  %zero = arith.constant dense<0.0> : tensor<2x32x32x32xf32>
  %r = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<2x16x34x34xf32>, tensor<32x16x3x3xf32>)
      outs(%zero : tensor<2x32x32x32xf32>) -> tensor<2x32x32x32xf32>
  return %r : tensor<2x32x32x32xf32>
}

// -----

func.func @main(%x: tensor<2x16x34x34xf32>, %w: tensor<32x16x3x3xf32>)
    -> tensor<2x32x32x32xf32> {
  %empty = tensor.empty() : tensor<2x16x3x3x32x32xf32>
  %columns = linalg.generic {indexing_maps = [
      affine_map<(n, c, r, s, h, w) -> (n, c, h + r, w + s)>,
      affine_map<(n, c, r, s, h, w) -> (n, c, r, s, h, w)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel", "parallel"]}
      ins(%x : tensor<2x16x34x34xf32>) outs(%empty : tensor<2x16x3x3x32x32xf32>) {
  ^bb0(%in: f32, %out: f32):
    linalg.yield %in : f32
  } -> tensor<2x16x3x3x32x32xf32>
  %matrices = tensor.collapse_shape %columns [[0], [1, 2, 3], [4, 5]]
      : tensor<2x16x3x3x32x32xf32> into tensor<2x144x1024xf32>
  %weight = tensor.collapse_shape %w [[0], [1, 2, 3]]
      : tensor<32x16x3x3xf32> into tensor<32x144xf32>
  %zero = arith.constant dense<0.0> : tensor<2x32x1024xf32>
  %product = linalg.generic {indexing_maps = [
      affine_map<(n, f, p, k) -> (f, k)>, affine_map<(n, f, p, k) -> (n, k, p)>,
      affine_map<(n, f, p, k) -> (n, f, p)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%weight, %matrices : tensor<32x144xf32>, tensor<2x144x1024xf32>)
      outs(%zero : tensor<2x32x1024xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %ab = arith.mulf %a, %b : f32
    %next = arith.addf %sum, %ab : f32
    linalg.yield %next : f32
  } -> tensor<2x32x1024xf32>
  %r = tensor.expand_shape %product [[0], [1], [2, 3]] output_shape [2, 32, 32, 32]
      : tensor<2x32x1024xf32> into tensor<2x32x32x32xf32>
  return %r : tensor<2x32x32x32xf32>
}
