// Transposed convolutions: zeros between the elements by insert_slice, a flipped kernel by negative
// steps in a generic, and the scatter form that sums into overlapping windows. Typed by hand.
// OPTIMIZED @stuffed @stuffed_by_pad_and_reshape
#id = affine_map<(a, b, c, d) -> (a, b, c, d)>

func.func @stuffed(%x: tensor<1x4x4x4xf32>, %w: tensor<4x5x4x4xf32>) -> tensor<1x5x8x8xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x4x11x11xf32>
  %blank = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x11x11xf32>) -> tensor<1x4x11x11xf32>
  %stuffed = tensor.insert_slice %x into %blank[0, 0, 2, 2] [1, 4, 4, 4] [1, 1, 2, 2] : tensor<1x4x4x4xf32> into tensor<1x4x11x11xf32>
  %ew = tensor.empty() : tensor<5x4x4x4xf32>
  %flipped = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%ew : tensor<5x4x4x4xf32>) {
  ^bb0(%o: f32):
    %c3 = arith.constant 3 : index
    %f = linalg.index 0 : index
    %c = linalg.index 1 : index
    %r = linalg.index 2 : index
    %s = linalg.index 3 : index
    %rr = arith.subi %c3, %r : index
    %ss = arith.subi %c3, %s : index
    %v = tensor.extract %w[%c, %f, %rr, %ss] : tensor<4x5x4x4xf32>
    linalg.yield %v : f32
  } -> tensor<5x4x4x4xf32>
  %ey = tensor.empty() : tensor<1x5x8x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%ey : tensor<1x5x8x8xf32>) -> tensor<1x5x8x8xf32>
  %y = linalg.conv_2d_nchw_fchw ins(%stuffed, %flipped : tensor<1x4x11x11xf32>, tensor<5x4x4x4xf32>) outs(%init : tensor<1x5x8x8xf32>) -> tensor<1x5x8x8xf32>
  return %y : tensor<1x5x8x8xf32>
}

func.func @stuffed_by_pad_and_reshape(%x: tensor<1x3x5xf32>, %w: tensor<4x3x3xf32>) -> tensor<1x4x8xf32> {
  %zero = arith.constant 0.0 : f32
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3]] output_shape [1, 3, 5, 1] : tensor<1x3x5xf32> into tensor<1x3x5x1xf32>
  %p = tensor.pad %x1 low[0, 0, 0, 0] high[0, 0, 0, 1] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<1x3x5x1xf32> to tensor<1x3x5x2xf32>
  %s = tensor.collapse_shape %p [[0], [1], [2, 3]] : tensor<1x3x5x2xf32> into tensor<1x3x10xf32>
  %init = arith.constant dense<0.0> : tensor<1x4x8xf32>
  %y = linalg.conv_1d_ncw_fcw ins(%s, %w : tensor<1x3x10xf32>, tensor<4x3x3xf32>) outs(%init : tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}

func.func @scattered(%x: tensor<1x3x5xf32>, %w: tensor<3x4x3xf32>) -> tensor<1x4x11xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x4x11xf32>
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c5 = arith.constant 5 : index
  %y = scf.for %i = %c0 to %c5 step %c1 iter_args(%acc = %zero) -> (tensor<1x4x11xf32>) {
    %at = arith.muli %i, %c2 : index
    %xi = tensor.extract_slice %x[0, 0, %i] [1, 3, 1] [1, 1, 1] : tensor<1x3x5xf32> to tensor<1x3xf32>
    %wi = tensor.collapse_shape %w [[0], [1, 2]] : tensor<3x4x3xf32> into tensor<3x12xf32>
    %z = arith.constant dense<0.0> : tensor<1x12xf32>
    %m = linalg.matmul ins(%xi, %wi : tensor<1x3xf32>, tensor<3x12xf32>) outs(%z : tensor<1x12xf32>) -> tensor<1x12xf32>
    %m3 = tensor.expand_shape %m [[0], [1, 2]] output_shape [1, 4, 3] : tensor<1x12xf32> into tensor<1x4x3xf32>
    %old = tensor.extract_slice %acc[0, 0, %at] [1, 4, 3] [1, 1, 1] : tensor<1x4x11xf32> to tensor<1x4x3xf32>
    %sum = arith.addf %old, %m3 : tensor<1x4x3xf32>
    %next = tensor.insert_slice %sum into %acc[0, 0, %at] [1, 4, 3] [1, 1, 1] : tensor<1x4x3xf32> into tensor<1x4x11xf32>
    scf.yield %next : tensor<1x4x11xf32>
  }
  return %y : tensor<1x4x11xf32>
}
