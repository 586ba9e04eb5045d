// What stands between products in practice: reshapes with and without static outputs, slices with
// strides and rank reduction, concatenation, gathers, transposes of transposes. Typed by hand.
// OPTIMIZED @heads @sliced @concatenated @looked_up @reshaped_by_a_tensor

func.func @heads(%x: tensor<2x6x12xf32>, %w: tensor<12x12xf32>) -> tensor<2x3x6x4xf32> {
  %zero = arith.constant 0.0 : f32
  %flat = tensor.collapse_shape %x [[0, 1], [2]] : tensor<2x6x12xf32> into tensor<12x12xf32>
  %e = tensor.empty() : tensor<12x12xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<12x12xf32>) -> tensor<12x12xf32>
  %m = linalg.matmul ins(%flat, %w : tensor<12x12xf32>, tensor<12x12xf32>) outs(%f : tensor<12x12xf32>) -> tensor<12x12xf32>
  %s = tensor.expand_shape %m [[0, 1], [2, 3]] output_shape [2, 6, 3, 4] : tensor<12x12xf32> into tensor<2x6x3x4xf32>
  %et = tensor.empty() : tensor<2x3x6x4xf32>
  %t = linalg.transpose ins(%s : tensor<2x6x3x4xf32>) outs(%et : tensor<2x3x6x4xf32>) permutation = [0, 2, 1, 3]
  return %t : tensor<2x3x6x4xf32>
}

func.func @sliced(%x: tensor<1x9x12xf32>, %w: tensor<6x5xf32>) -> tensor<4x5xf32> {
  %s = tensor.extract_slice %x[0, 1, 0] [1, 4, 6] [1, 2, 2] : tensor<1x9x12xf32> to tensor<4x6xf32>
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %m = linalg.matmul ins(%s, %w : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %m : tensor<4x5xf32>
}

func.func @concatenated(%a: tensor<4x6xf32>, %b: tensor<4x3xf32>, %w: tensor<9x5xf32>) -> tensor<8x5xf32> {
  %c = tensor.concat dim(1) %a, %b : (tensor<4x6xf32>, tensor<4x3xf32>) -> tensor<4x9xf32>
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %m = linalg.matmul ins(%c, %w : tensor<4x9xf32>, tensor<9x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  %d = tensor.concat dim(0) %m, %m : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<8x5xf32>
  return %d : tensor<8x5xf32>
}

func.func @looked_up(%table: tensor<10x6xf32>, %i: tensor<4xindex>, %w: tensor<6x5xf32>) -> tensor<4x5xf32> {
  %e = tensor.empty() : tensor<4x6xf32>
  %g = linalg.generic {indexing_maps = [affine_map<(r, c) -> (r)>, affine_map<(r, c) -> (r, c)>], iterator_types = ["parallel", "parallel"]}
      ins(%i : tensor<4xindex>) outs(%e : tensor<4x6xf32>) {
  ^bb0(%row: index, %o: f32):
    %column = linalg.index 1 : index
    %v = tensor.extract %table[%row, %column] : tensor<10x6xf32>
    linalg.yield %v : f32
  } -> tensor<4x6xf32>
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %m = linalg.matmul ins(%g, %w : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %m : tensor<4x5xf32>
}

func.func @reshaped_by_a_tensor(%x: tensor<4x6xf32>, %w: tensor<8x5xf32>) -> tensor<3x5xf32> {
  %shape = arith.constant dense<[3, 8]> : tensor<2xindex>
  %r = tensor.reshape %x(%shape) : (tensor<4x6xf32>, tensor<2xindex>) -> tensor<3x8xf32>
  %z = arith.constant dense<0.0> : tensor<3x5xf32>
  %m = linalg.matmul ins(%r, %w : tensor<3x8xf32>, tensor<8x5xf32>) outs(%z : tensor<3x5xf32>) -> tensor<3x5xf32>
  return %m : tensor<3x5xf32>
}
