// different [2:12288:3]

// Every third element is doubled.
func.func @main(%x: tensor<12288xf32>)
    -> tensor<12288xf32> {
  return %x : tensor<12288xf32>
}

// -----

func.func @main(%x: tensor<12288xf32>)
    -> tensor<12288xf32> {
  %third = tensor.extract_slice %x[2] [4096] [3]
      : tensor<12288xf32> to tensor<4096xf32>
  %e.twice = tensor.empty() : tensor<4096xf32>
  %twice = linalg.add ins(%third, %third : tensor<4096xf32>, tensor<4096xf32>)
      outs(%e.twice : tensor<4096xf32>) -> tensor<4096xf32>
  %r = tensor.insert_slice %twice into %x[2] [4096] [3]
      : tensor<4096xf32> into tensor<12288xf32>
  return %r : tensor<12288xf32>
}
