// linalg.contract: any product of two operands by its indexing maps. Typed by hand.
// OPTIMIZED @batched @chain_of_axes @to_scalar

func.func @batched(%a: tensor<7x3x9xf32>, %b: tensor<9x3x5xf32>) -> tensor<3x5x7xf32> {
  %f = arith.constant dense<0.0> : tensor<3x5x7xf32>
  %0 = linalg.contract indexing_maps = [affine_map<(b, m, n, k) -> (m, b, k)>,
      affine_map<(b, m, n, k) -> (k, b, n)>, affine_map<(b, m, n, k) -> (b, n, m)>]
      ins(%a, %b : tensor<7x3x9xf32>, tensor<9x3x5xf32>) outs(%f : tensor<3x5x7xf32>) -> tensor<3x5x7xf32>
  return %0 : tensor<3x5x7xf32>
}

func.func @chain_of_axes(%a: tensor<4x5x6x7xf32>, %b: tensor<6x8x5xf32>) -> tensor<4x7x8xf32> {
  %f = arith.constant dense<0.0> : tensor<4x7x8xf32>
  %0 = linalg.contract indexing_maps = [affine_map<(i, j, k, p, q) -> (i, p, q, j)>,
      affine_map<(i, j, k, p, q) -> (q, k, p)>, affine_map<(i, j, k, p, q) -> (i, j, k)>]
      ins(%a, %b : tensor<4x5x6x7xf32>, tensor<6x8x5xf32>) outs(%f : tensor<4x7x8xf32>) -> tensor<4x7x8xf32>
  return %0 : tensor<4x7x8xf32>
}

func.func @to_scalar(%a: tensor<7x5xf32>, %b: tensor<5x7xf32>, %c: tensor<f32>) -> tensor<f32> {
  %0 = linalg.contract indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (n, m)>,
      affine_map<(m, n) -> ()>] ins(%a, %b : tensor<7x5xf32>, tensor<5x7xf32>) outs(%c : tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
