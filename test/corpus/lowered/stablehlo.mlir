// A small network in the form of stablehlo-legalize-to-linalg: linalg.map, broadcast, reduce and
// transpose, dot_general as a generic over all axes, convolutions in NHWC over padded inputs, a
// reverse for the gradient's kernel. Typed by hand.
// OPTIMIZED @forward @dot_general @gradient
#l = affine_map<(b, m, n, k) -> (b, k, m)>
#r = affine_map<(b, m, n, k) -> (b, n, k)>
#o = affine_map<(b, m, n, k) -> (b, m, n)>
#id4 = affine_map<(a, b, c, d) -> (a, b, c, d)>
#rev = affine_map<(a, b, c, d) -> (-a + 2, -b + 2, c, d)>
#swap = affine_map<(a, b, c, d) -> (a, b, d, c)>

func.func @forward(%x: tensor<2x8x8x3xf32>, %w: tensor<3x3x3x4xf32>, %b: tensor<4xf32>, %v: tensor<256x10xf32>) -> tensor<2x10xf32> {
  %zero = arith.constant 0.0 : f32
  %pad = tensor.pad %x low[0, 1, 1, 0] high[0, 1, 1, 0] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<2x8x8x3xf32> to tensor<2x10x10x3xf32>
  %e = tensor.empty() : tensor<2x8x8x4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<2x8x8x4xf32>) -> tensor<2x8x8x4xf32>
  %c = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%pad, %w : tensor<2x10x10x3xf32>, tensor<3x3x3x4xf32>) outs(%f : tensor<2x8x8x4xf32>) -> tensor<2x8x8x4xf32>
  %bb = linalg.broadcast ins(%b : tensor<4xf32>) outs(%e : tensor<2x8x8x4xf32>) dimensions = [0, 1, 2]
  %s = linalg.map { arith.addf } ins(%c, %bb : tensor<2x8x8x4xf32>, tensor<2x8x8x4xf32>) outs(%e : tensor<2x8x8x4xf32>)
  %t = linalg.map { math.tanh } ins(%s : tensor<2x8x8x4xf32>) outs(%e : tensor<2x8x8x4xf32>)
  %flat = tensor.collapse_shape %t [[0], [1, 2, 3]] : tensor<2x8x8x4xf32> into tensor<2x256xf32>
  %ey = tensor.empty() : tensor<2x10xf32>
  %fy = linalg.fill ins(%zero : f32) outs(%ey : tensor<2x10xf32>) -> tensor<2x10xf32>
  %y = linalg.matmul ins(%flat, %v : tensor<2x256xf32>, tensor<256x10xf32>) outs(%fy : tensor<2x10xf32>) -> tensor<2x10xf32>
  %n = arith.constant 0xFF800000 : f32
  %em = tensor.empty() : tensor<2xf32>
  %fm = linalg.fill ins(%n : f32) outs(%em : tensor<2xf32>) -> tensor<2xf32>
  %m = linalg.reduce { arith.maximumf } ins(%y : tensor<2x10xf32>) outs(%fm : tensor<2xf32>) dimensions = [1]
  %mb = linalg.broadcast ins(%m : tensor<2xf32>) outs(%ey : tensor<2x10xf32>) dimensions = [1]
  %d = linalg.map { arith.subf } ins(%y, %mb : tensor<2x10xf32>, tensor<2x10xf32>) outs(%ey : tensor<2x10xf32>)
  %p = linalg.map { math.exp } ins(%d : tensor<2x10xf32>) outs(%ey : tensor<2x10xf32>)
  %fs = linalg.fill ins(%zero : f32) outs(%em : tensor<2xf32>) -> tensor<2xf32>
  %sum = linalg.reduce { arith.addf } ins(%p : tensor<2x10xf32>) outs(%fs : tensor<2xf32>) dimensions = [1]
  %sb = linalg.broadcast ins(%sum : tensor<2xf32>) outs(%ey : tensor<2x10xf32>) dimensions = [1]
  %q = linalg.map { arith.divf } ins(%p, %sb : tensor<2x10xf32>, tensor<2x10xf32>) outs(%ey : tensor<2x10xf32>)
  return %q : tensor<2x10xf32>
}

func.func @dot_general(%a: tensor<3x6x4xf32>, %b: tensor<3x5x6xf32>) -> tensor<3x4x5xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x4x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x4x5xf32>) -> tensor<3x4x5xf32>
  %0 = linalg.generic {indexing_maps = [#l, #r, #o], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%a, %b : tensor<3x6x4xf32>, tensor<3x5x6xf32>) outs(%f : tensor<3x4x5xf32>) {
  ^bb0(%x: f32, %y: f32, %acc: f32):
    %m = arith.mulf %x, %y : f32
    %s = arith.addf %acc, %m : f32
    linalg.yield %s : f32
  } -> tensor<3x4x5xf32>
  return %0 : tensor<3x4x5xf32>
}

// The gradient by the input: a convolution of the padded gradient with the reversed kernel.
func.func @gradient(%g: tensor<1x6x6x4xf32>, %w: tensor<3x3x3x4xf32>) -> tensor<1x8x8x3xf32> {
  %zero = arith.constant 0.0 : f32
  %er = tensor.empty() : tensor<3x3x3x4xf32>
  %rev = linalg.generic {indexing_maps = [#rev, #id4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%w : tensor<3x3x3x4xf32>) outs(%er : tensor<3x3x3x4xf32>) {
  ^bb0(%x: f32, %o: f32):
    linalg.yield %x : f32
  } -> tensor<3x3x3x4xf32>
  %et = tensor.empty() : tensor<3x3x4x3xf32>
  %t = linalg.transpose ins(%rev : tensor<3x3x3x4xf32>) outs(%et : tensor<3x3x4x3xf32>) permutation = [0, 1, 3, 2]
  %pad = tensor.pad %g low[0, 2, 2, 0] high[0, 2, 2, 0] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<1x6x6x4xf32> to tensor<1x10x10x4xf32>
  %f = arith.constant dense<0.0> : tensor<1x8x8x3xf32>
  %y = linalg.conv_2d_nhwc_hwcf ins(%pad, %t : tensor<1x10x10x4xf32>, tensor<3x3x4x3xf32>) outs(%f : tensor<1x8x8x3xf32>) -> tensor<1x8x8x3xf32>
  return %y : tensor<1x8x8x3xf32>
}
