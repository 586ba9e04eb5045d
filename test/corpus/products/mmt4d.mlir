// Tiled products as data-tiling compilers make them: mmt4d, batch_mmt4d, and pack and unpack around
// one. Typed by hand.
// OPTIMIZED @mmt4d @batch_mmt4d @packed

func.func @mmt4d(%a: tensor<3x4x8x2xf32>, %b: tensor<5x4x8x2xf32>) -> tensor<3x5x8x8xf32> {
  %f = arith.constant dense<0.0> : tensor<3x5x8x8xf32>
  %0 = linalg.mmt4d ins(%a, %b : tensor<3x4x8x2xf32>, tensor<5x4x8x2xf32>) outs(%f : tensor<3x5x8x8xf32>) -> tensor<3x5x8x8xf32>
  return %0 : tensor<3x5x8x8xf32>
}

func.func @batch_mmt4d(%a: tensor<2x3x4x8x2xf32>, %b: tensor<2x5x4x8x2xf32>, %c: tensor<2x3x5x8x8xf32>) -> tensor<2x3x5x8x8xf32> {
  %0 = linalg.batch_mmt4d ins(%a, %b : tensor<2x3x4x8x2xf32>, tensor<2x5x4x8x2xf32>) outs(%c : tensor<2x3x5x8x8xf32>) -> tensor<2x3x5x8x8xf32>
  return %0 : tensor<2x3x5x8x8xf32>
}

func.func @packed(%a: tensor<24x8xf32>, %b: tensor<8x40xf32>) -> tensor<24x40xf32> {
  %zero = arith.constant 0.0 : f32
  %ea = tensor.empty() : tensor<3x4x8x2xf32>
  %pa = linalg.pack %a inner_dims_pos = [0, 1] inner_tiles = [8, 2] into %ea : tensor<24x8xf32> -> tensor<3x4x8x2xf32>
  %eb = tensor.empty() : tensor<5x4x8x2xf32>
  %pb = linalg.pack %b outer_dims_perm = [1, 0] inner_dims_pos = [1, 0] inner_tiles = [8, 2] into %eb : tensor<8x40xf32> -> tensor<5x4x8x2xf32>
  %ec = tensor.empty() : tensor<3x5x8x8xf32>
  %fc = linalg.fill ins(%zero : f32) outs(%ec : tensor<3x5x8x8xf32>) -> tensor<3x5x8x8xf32>
  %m = linalg.mmt4d ins(%pa, %pb : tensor<3x4x8x2xf32>, tensor<5x4x8x2xf32>) outs(%fc : tensor<3x5x8x8xf32>) -> tensor<3x5x8x8xf32>
  %eo = tensor.empty() : tensor<24x40xf32>
  %o = linalg.unpack %m inner_dims_pos = [0, 1] inner_tiles = [8, 8] into %eo : tensor<3x5x8x8xf32> -> tensor<24x40xf32>
  return %o : tensor<24x40xf32>
}

func.func @packed_with_padding(%a: tensor<23x7xf32>, %b: tensor<3x4x8x2xf32>, %d: tensor<3x5x8x8xf32>) -> (tensor<3x4x8x2xf32>, tensor<21x37xf32>) {
  %zero = arith.constant 0.0 : f32
  %ea = tensor.empty() : tensor<3x4x8x2xf32>
  %pa = linalg.pack %a padding_value(%zero : f32) inner_dims_pos = [0, 1] inner_tiles = [8, 2] into %ea : tensor<23x7xf32> -> tensor<3x4x8x2xf32>
  %s = linalg.add ins(%pa, %b : tensor<3x4x8x2xf32>, tensor<3x4x8x2xf32>) outs(%ea : tensor<3x4x8x2xf32>) -> tensor<3x4x8x2xf32>
  %eo = tensor.empty() : tensor<21x37xf32>
  %o = linalg.unpack %d inner_dims_pos = [0, 1] inner_tiles = [8, 8] into %eo : tensor<3x5x8x8xf32> -> tensor<21x37xf32>
  return %s, %o : tensor<3x4x8x2xf32>, tensor<21x37xf32>
}
