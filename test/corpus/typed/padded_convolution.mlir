// tensor.pad before a convolution, as importers write "same" padding: uneven amounts, nofold, a
// nonzero padding value, a pad of a pad. Typed by hand.
// OPTIMIZED @same @uneven_and_strided @padded_with_ones @padded_twice @value_from_an_argument
#id = affine_map<(n, f, h, w) -> (n, f, h, w)>

func.func @same(%x: tensor<1x4x6x7xf32>, %w: tensor<5x4x3x3xf32>) -> tensor<1x5x6x7xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<1x4x6x7xf32> to tensor<1x4x8x9xf32>
  %e = tensor.empty() : tensor<1x5x6x7xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x5x6x7xf32>) -> tensor<1x5x6x7xf32>
  %y = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
      ins(%p, %w : tensor<1x4x8x9xf32>, tensor<5x4x3x3xf32>) outs(%f : tensor<1x5x6x7xf32>) -> tensor<1x5x6x7xf32>
  return %y : tensor<1x5x6x7xf32>
}

func.func @uneven_and_strided(%x: tensor<1x6x7x4xf32>, %w: tensor<3x3x4x5xf32>) -> tensor<1x3x4x5xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %x nofold low[0, 0, 1, 0] high[0, 1, 1, 0] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<1x6x7x4xf32> to tensor<1x7x9x4xf32>
  %f = arith.constant dense<0.0> : tensor<1x3x4x5xf32>
  %y = linalg.conv_2d_nhwc_hwcf {strides = dense<2> : tensor<2xi64>}
      ins(%p, %w : tensor<1x7x9x4xf32>, tensor<3x3x4x5xf32>) outs(%f : tensor<1x3x4x5xf32>) -> tensor<1x3x4x5xf32>
  return %y : tensor<1x3x4x5xf32>
}

func.func @padded_with_ones(%x: tensor<1x4x6x7xf32>, %w: tensor<5x4x3x3xf32>) -> tensor<1x5x6x7xf32> {
  %one = arith.constant 1.0 : f32
  %p = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %one : f32
  } : tensor<1x4x6x7xf32> to tensor<1x4x8x9xf32>
  %f = arith.constant dense<0.0> : tensor<1x5x6x7xf32>
  %y = linalg.conv_2d_nchw_fchw ins(%p, %w : tensor<1x4x8x9xf32>, tensor<5x4x3x3xf32>) outs(%f : tensor<1x5x6x7xf32>) -> tensor<1x5x6x7xf32>
  return %y : tensor<1x5x6x7xf32>
}

func.func @padded_twice(%x: tensor<1x4x6x7xf32>, %w: tensor<5x4x5x3xf32>, %b: tensor<5xf32>) -> tensor<1x5x6x7xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 0] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<1x4x6x7xf32> to tensor<1x4x8x8xf32>
  %q = tensor.pad %p low[0, 0, 1, 0] high[0, 0, 1, 1] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<1x4x8x8xf32> to tensor<1x4x10x9xf32>
  %e = tensor.empty() : tensor<1x5x6x7xf32>
  %f = linalg.broadcast ins(%b : tensor<5xf32>) outs(%e : tensor<1x5x6x7xf32>) dimensions = [0, 2, 3]
  %y = linalg.conv_2d_nchw_fchw ins(%q, %w : tensor<1x4x10x9xf32>, tensor<5x4x5x3xf32>) outs(%f : tensor<1x5x6x7xf32>) -> tensor<1x5x6x7xf32>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%y : tensor<1x5x6x7xf32>) outs(%e : tensor<1x5x6x7xf32>) {
  ^bb0(%a: f32, %o: f32):
    %c = arith.cmpf ugt, %a, %zero : f32
    %s = arith.select %c, %a, %zero : f32
    linalg.yield %s : f32
  } -> tensor<1x5x6x7xf32>
  return %r : tensor<1x5x6x7xf32>
}

func.func @value_from_an_argument(%x: tensor<1x2x4x4xf32>, %w: tensor<3x2x3x3xf32>, %v: tensor<f32>) -> tensor<1x3x4x4xf32> {
  %value = tensor.extract %v[] : tensor<f32>
  %p = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %value : f32
  } : tensor<1x2x4x4xf32> to tensor<1x2x6x6xf32>
  %f = arith.constant dense<0.0> : tensor<1x3x4x4xf32>
  %y = linalg.conv_2d_nchw_fchw ins(%p, %w : tensor<1x2x6x6xf32>, tensor<3x2x3x3xf32>) outs(%f : tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>
  return %y : tensor<1x3x4x4xf32>
}
