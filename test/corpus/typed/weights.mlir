// Weights by einnet's attributes in one function that nobody calls: what depends on them alone moves
// to @prepare. Names, another attribute on the same argument, an input between them. Typed by hand.
// OPTIMIZED @net
// CHECK: func.func @prepare
// CHECK-LABEL: func.func @net
// CHECK-SAME: test.a
// CHECK-SAME: einnet.constant

func.func @net(%w: tensor<4x3x3x3xf32> {einnet.weight = "conv.weight"}, %x: tensor<1x3x8x8xf32> {einnet.name = "x", test.a},
    %s: tensor<4xf32> {einnet.weight = "bn.scale"}, %b: tensor<4xf32> {einnet.weight = "bn.bias"}) -> (tensor<1x4x6x6xf32> {einnet.name = "y"}) {
  %z = arith.constant dense<0.0> : tensor<1x4x6x6xf32>
  %c = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) outs(%z : tensor<1x4x6x6xf32>) -> tensor<1x4x6x6xf32>
  %e = tensor.empty() : tensor<1x4x6x6xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(n, c, h, w) -> (n, c, h, w)>, affine_map<(n, c, h, w) -> (c)>, affine_map<(n, c, h, w) -> (c)>, affine_map<(n, c, h, w) -> (n, c, h, w)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%c, %s, %b : tensor<1x4x6x6xf32>, tensor<4xf32>, tensor<4xf32>) outs(%e : tensor<1x4x6x6xf32>) {
  ^bb0(%v: f32, %scale: f32, %bias: f32, %o: f32):
    %m = arith.mulf %v, %scale : f32
    %a = arith.addf %m, %bias : f32
    linalg.yield %a : f32
  } -> tensor<1x4x6x6xf32>
  return %y : tensor<1x4x6x6xf32>
}
