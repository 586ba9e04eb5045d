// different diagonal

// The diagonal is set to zero.
func.func @main(%x: tensor<48x48xf32>)
    -> tensor<48x48xf32> {
  return %x : tensor<48x48xf32>
}

// -----

func.func @main(%x: tensor<48x48xf32>)
    -> tensor<48x48xf32> {
  %empty = tensor.empty() : tensor<48x48xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>,
      affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<48x48xf32>) outs(%empty : tensor<48x48xf32>) {
  ^bb0(%in: f32, %out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %on = arith.cmpi eq, %i, %j : index
    %cst = arith.constant 0.0 : f32
    %kept = arith.select %on, %cst, %in : f32
    linalg.yield %kept : f32
  } -> tensor<48x48xf32>
  return %r : tensor<48x48xf32>
}
