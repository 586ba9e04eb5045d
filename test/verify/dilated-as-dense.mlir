// equal

// A dilated convolution is a dense one on each residue class.
func.func @main(%x: tensor<66xf32>, %w: tensor<3xf32>)
    -> tensor<62xf32> {
  %zero = arith.constant dense<0.0> : tensor<62xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i, k) -> (i + 2 * k)>,
      affine_map<(i, k) -> (k)>, affine_map<(i, k) -> (i)>],
      iterator_types = ["parallel", "reduction"]}
      ins(%x, %w : tensor<66xf32>, tensor<3xf32>) outs(%zero : tensor<62xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %ab = arith.mulf %a, %b : f32
    %next = arith.addf %sum, %ab : f32
    linalg.yield %next : f32
  } -> tensor<62xf32>
  return %r : tensor<62xf32>
}

// -----

func.func @main(%x: tensor<66xf32>, %w: tensor<3xf32>)
    -> tensor<62xf32> {
  %rows = tensor.expand_shape %x [[0, 1]] output_shape [33, 2]
      : tensor<66xf32> into tensor<33x2xf32>
  %zero = arith.constant dense<0.0> : tensor<31x2xf32>
  %dense = linalg.generic {indexing_maps = [affine_map<(i, c, k) -> (i + k, c)>,
      affine_map<(i, c, k) -> (k)>, affine_map<(i, c, k) -> (i, c)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%rows, %w : tensor<33x2xf32>, tensor<3xf32>) outs(%zero : tensor<31x2xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %ab = arith.mulf %a, %b : f32
    %next = arith.addf %sum, %ab : f32
    linalg.yield %next : f32
  } -> tensor<31x2xf32>
  %r = tensor.collapse_shape %dense [[0, 1]] : tensor<31x2xf32> into tensor<62xf32>
  return %r : tensor<62xf32>
}
