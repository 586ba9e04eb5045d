// Convolutions as affine linalg.generic: strides and dilations in the maps, groups as an axis of
// their own, operands of the product in any order, a bias as the initial tensor. Typed by hand.
// OPTIMIZED @padded_nothing @dilated @grouped
#x = affine_map<(n, f, h, w, c, r, s) -> (n, c, h + r, w + s)>
#x2 = affine_map<(n, f, h, w, c, r, s) -> (n, c, h * 2 + r * 3, w + s * 2)>
#w = affine_map<(n, f, h, w, c, r, s) -> (f, c, r, s)>
#y = affine_map<(n, f, h, w, c, r, s) -> (n, f, h, w)>
#gx = affine_map<(n, g, f, h, w, c, r) -> (n, h + r, w, g, c)>
#gw = affine_map<(n, g, f, h, w, c, r) -> (r, g, f, c)>
#gy = affine_map<(n, g, f, h, w, c, r) -> (n, h, w, g, f)>

func.func @padded_nothing(%x: tensor<2x4x6x7xf32>, %w: tensor<5x4x3x2xf32>) -> tensor<2x5x4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<2x5x4x6xf32>
  %y = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%x, %w : tensor<2x4x6x7xf32>, tensor<5x4x3x2xf32>) outs(%zero : tensor<2x5x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %acc: f32):
    %m = arith.mulf %b, %a : f32
    %s = arith.addf %m, %acc : f32
    linalg.yield %s : f32
  } -> tensor<2x5x4x6xf32>
  return %y : tensor<2x5x4x6xf32>
}

func.func @dilated(%x: tensor<1x4x13x8xf32>, %w: tensor<5x4x3x2xf32>, %bias: tensor<1x5x4x6xf32>) -> tensor<1x5x4x6xf32> {
  %y = linalg.generic {indexing_maps = [#w, #x2, #y], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%w, %x : tensor<5x4x3x2xf32>, tensor<1x4x13x8xf32>) outs(%bias : tensor<1x5x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %acc: f32):
    %m = arith.mulf %a, %b : f32
    %s = arith.addf %acc, %m : f32
    linalg.yield %s : f32
  } -> tensor<1x5x4x6xf32>
  return %y : tensor<1x5x4x6xf32>
}

func.func @grouped(%x: tensor<2x6x4x3x5xf32>, %w: tensor<3x3x4x5xf32>) -> tensor<2x4x4x3x4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x4x4x3x4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<2x4x4x3x4xf32>) -> tensor<2x4x4x3x4xf32>
  %y = linalg.generic {indexing_maps = [#gx, #gw, #gy], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : tensor<2x6x4x3x5xf32>, tensor<3x3x4x5xf32>) outs(%f : tensor<2x4x4x3x4xf32>) {
  ^bb0(%a: f32, %b: f32, %acc: f32):
    %m = arith.mulf %a, %b fastmath<contract> : f32
    %s = arith.addf %acc, %m fastmath<contract> : f32
    linalg.yield %s : f32
  } -> tensor<2x4x4x3x4xf32>
  return %y : tensor<2x4x4x3x4xf32>
}

// The sum of squared differences is no product: what is inside the sum is expanded or left alone.
func.func @distances(%x: tensor<8x5xf32>, %c: tensor<3x5xf32>) -> tensor<8x3xf32> {
  %zero = arith.constant dense<0.0> : tensor<8x3xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, k)>, affine_map<(i, j, k) -> (j, k)>, affine_map<(i, j, k) -> (i, j)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %c : tensor<8x5xf32>, tensor<3x5xf32>) outs(%zero : tensor<8x3xf32>) {
  ^bb0(%a: f32, %b: f32, %acc: f32):
    %d = arith.subf %a, %b : f32
    %m = arith.mulf %d, %d : f32
    %s = arith.addf %acc, %m : f32
    linalg.yield %s : f32
  } -> tensor<8x3xf32>
  return %y : tensor<8x3xf32>
}
