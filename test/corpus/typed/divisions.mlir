// Numbers that no float is: averages by division, hard swish, chains of scales, whose exact product
// has more digits than the type. Typed by hand.
// OPTIMIZED @hard_swish @scaled_twice @divided_twice @average @sixth_alone
#map = affine_map<(d0, d1) -> (d0, d1)>

func.func @hard_swish(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> tensor<4x5xf32> {
  %zero = arith.constant 0.0 : f32
  %three = arith.constant 3.0 : f32
  %six = arith.constant 6.0 : f32
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %m = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  %y = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]} ins(%m : tensor<4x5xf32>) outs(%z : tensor<4x5xf32>) {
  ^bb0(%x: f32, %o: f32):
    %s = arith.addf %x, %three : f32
    %l = arith.maximumf %s, %zero : f32
    %h = arith.minimumf %l, %six : f32
    %p = arith.mulf %x, %h : f32
    %d = arith.divf %p, %six : f32
    linalg.yield %d : f32
  } -> tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}

func.func @scaled_twice(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> tensor<4x5xf32> {
  %c = arith.constant 0.1 : f32
  %d = arith.constant -0.3 : f32
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %m = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  %s = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]} ins(%m : tensor<4x5xf32>) outs(%z : tensor<4x5xf32>) {
  ^bb0(%x: f32, %o: f32):
    %p = arith.mulf %x, %c : f32
    linalg.yield %p : f32
  } -> tensor<4x5xf32>
  %y = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]} ins(%s : tensor<4x5xf32>) outs(%z : tensor<4x5xf32>) {
  ^bb0(%x: f32, %o: f32):
    %p = arith.mulf %x, %d : f32
    %q = arith.addf %p, %c : f32
    linalg.yield %q : f32
  } -> tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}

func.func @divided_twice(%a: tensor<4x6xf64>, %b: tensor<6x5xf64>) -> tensor<4x5xf64> {
  %c = arith.constant 0.1 : f64
  %d = arith.constant -0.3 : f64
  %z = arith.constant dense<0.0> : tensor<4x5xf64>
  %m = linalg.matmul ins(%a, %b : tensor<4x6xf64>, tensor<6x5xf64>) outs(%z : tensor<4x5xf64>) -> tensor<4x5xf64>
  %y = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]} ins(%m : tensor<4x5xf64>) outs(%z : tensor<4x5xf64>) {
  ^bb0(%x: f64, %o: f64):
    %p = arith.divf %x, %c : f64
    %q = arith.divf %p, %d : f64
    linalg.yield %q : f64
  } -> tensor<4x5xf64>
  return %y : tensor<4x5xf64>
}

func.func @average(%x: tensor<1x4x9x9xf32>, %w: tensor<3x4x1x1xf32>) -> tensor<1x3x7x7xf32> {
  %nine = arith.constant 9.0 : f32
  %zero = arith.constant dense<0.0> : tensor<1x4x7x7xf32>
  %k = tensor.empty() : tensor<3x3xf32>
  %s = linalg.pooling_nchw_sum ins(%x, %k : tensor<1x4x9x9xf32>, tensor<3x3xf32>) outs(%zero : tensor<1x4x7x7xf32>) -> tensor<1x4x7x7xf32>
  %a = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>, affine_map<(a, b, c, d) -> (a, b, c, d)>], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%s : tensor<1x4x7x7xf32>) outs(%zero : tensor<1x4x7x7xf32>) {
  ^bb0(%v: f32, %o: f32):
    %d = arith.divf %v, %nine : f32
    linalg.yield %d : f32
  } -> tensor<1x4x7x7xf32>
  %z = arith.constant dense<0.0> : tensor<1x3x7x7xf32>
  %y = linalg.conv_2d_nchw_fchw ins(%a, %w : tensor<1x4x7x7xf32>, tensor<3x4x1x1xf32>) outs(%z : tensor<1x3x7x7xf32>) -> tensor<1x3x7x7xf32>
  return %y : tensor<1x3x7x7xf32>
}

func.func @sixth_alone(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> tensor<4x5xf32> {
  %one = arith.constant 1.0 : f32
  %six = arith.constant 6.0 : f32
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %m = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  %y = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]} ins(%m : tensor<4x5xf32>) outs(%z : tensor<4x5xf32>) {
  ^bb0(%x: f32, %o: f32):
    %d = arith.divf %one, %six : f32
    %p = arith.addf %x, %d : f32
    linalg.yield %p : f32
  } -> tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}
