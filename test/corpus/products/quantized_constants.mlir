// Quantized products whose zero points are constants, requantized as TFLite does. Typed by hand.
// OPTIMIZED @float_beside

func.func @requantized(%a: tensor<7x9xi8>, %b: tensor<9x5xi8>) -> tensor<7x5xi8> {
  %za = arith.constant 3 : i32
  %zb = arith.constant -5 : i32
  %zero = arith.constant 0 : i32
  %e = tensor.empty() : tensor<7x5xi32>
  %f = linalg.fill ins(%zero : i32) outs(%e : tensor<7x5xi32>) -> tensor<7x5xi32>
  %0 = linalg.quantized_matmul ins(%a, %b, %za, %zb : tensor<7x9xi8>, tensor<9x5xi8>, i32, i32) outs(%f : tensor<7x5xi32>) -> tensor<7x5xi32>
  %e8 = tensor.empty() : tensor<7x5xi8>
  %1 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%0 : tensor<7x5xi32>) outs(%e8 : tensor<7x5xi8>) {
  ^bb0(%x: i32, %o: i8):
    %shift = arith.constant 5 : i32
    %low = arith.constant -128 : i32
    %high = arith.constant 127 : i32
    %s = arith.shrsi %x, %shift : i32
    %c = arith.maxsi %s, %low : i32
    %d = arith.minsi %c, %high : i32
    %t = arith.trunci %d : i32 to i8
    linalg.yield %t : i8
  } -> tensor<7x5xi8>
  return %1 : tensor<7x5xi8>
}

func.func @float_beside(%a: tensor<7x9xi8>, %b: tensor<9x5xi8>, %x: tensor<7x9xf32>, %w: tensor<9x5xf32>) -> (tensor<7x5xi32>, tensor<7x5xf32>) {
  %za = arith.constant 3 : i32
  %zb = arith.constant -5 : i32
  %z = arith.constant dense<0> : tensor<7x5xi32>
  %0 = linalg.quantized_matmul ins(%a, %b, %za, %zb : tensor<7x9xi8>, tensor<9x5xi8>, i32, i32) outs(%z : tensor<7x5xi32>) -> tensor<7x5xi32>
  %zf = arith.constant dense<0.0> : tensor<7x5xf32>
  %1 = linalg.matmul ins(%x, %w : tensor<7x9xf32>, tensor<9x5xf32>) outs(%zf : tensor<7x5xf32>) -> tensor<7x5xf32>
  return %0, %1 : tensor<7x5xi32>, tensor<7x5xf32>
}
