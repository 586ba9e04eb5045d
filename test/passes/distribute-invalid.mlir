// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-distribute="label=p"
// RUN: not einnet-opt %s --split-input-file --einnet-distribute="label=p producer=r" 2>&1 | FileCheck %s --check-prefix=NAMED

// NAMED: error: {{.*}}: no operand is computed by an operation labelled r

func.func @chain(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>, %w: tensor<6x4xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %empty = tensor.empty() : tensor<4x6xf32>
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %zero4 = arith.constant dense<0.0> : tensor<4x4xf32>
  %zero6 = arith.constant dense<0.0> : tensor<6x6xf32>
  // expected-error @+1 {{no operand is computed by an operation that has an expression}}
  %p = linalg.mul {einnet.label = "p"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>)
      -> tensor<4x6xf32>
  return %p, %a : tensor<4x6xf32>, tensor<4x6xf32>
}

// -----

func.func @chain(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>, %w: tensor<6x4xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %empty = tensor.empty() : tensor<4x6xf32>
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %zero4 = arith.constant dense<0.0> : tensor<4x4xf32>
  %zero6 = arith.constant dense<0.0> : tensor<6x6xf32>
  %square = linalg.matmul ins(%w, %a : tensor<6x4xf32>, tensor<4x6xf32>) outs(%zero6 : tensor<6x6xf32>) -> tensor<6x6xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%b, %square : tensor<4x6xf32>, tensor<6x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  // expected-error @+1 {{q is not a sum of terms}}
  %p = linalg.mul {einnet.label = "p"} ins(%q, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>)
      -> tensor<4x6xf32>
  return %p, %a : tensor<4x6xf32>, tensor<4x6xf32>
}

// -----

func.func @chain(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>, %w: tensor<6x4xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %empty = tensor.empty() : tensor<4x6xf32>
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %zero4 = arith.constant dense<0.0> : tensor<4x4xf32>
  %zero6 = arith.constant dense<0.0> : tensor<6x6xf32>
  %e = linalg.exp ins(%a : tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>) -> tensor<4x6xf32>
  %q = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>,
                       affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>) {
  ^bb0(%x: f32, %y: f32, %old: f32):
    %hot = math.exp %x : f32
    %sum = arith.addf %hot, %y : f32
    linalg.yield %sum : f32
  } -> tensor<4x6xf32>
  // expected-error @+1 {{is not linear: it calls a function}}
  %p = linalg.mul {einnet.label = "p"} ins(%q, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>)
      -> tensor<4x6xf32>
  return %p, %a : tensor<4x6xf32>, tensor<4x6xf32>
}

// -----

func.func @chain(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>, %w: tensor<6x4xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %empty = tensor.empty() : tensor<4x6xf32>
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %zero4 = arith.constant dense<0.0> : tensor<4x4xf32>
  %zero6 = arith.constant dense<0.0> : tensor<6x6xf32>
  %q = linalg.add {einnet.label = "q"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>)
      -> tensor<4x6xf32>
  // expected-error @+1 {{p reads q 2 times outside calls}}
  %p = linalg.mul {einnet.label = "p"} ins(%q, %q : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>)
      -> tensor<4x6xf32>
  return %p, %a : tensor<4x6xf32>, tensor<4x6xf32>
}

// -----

func.func @chain(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>, %w: tensor<6x4xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %empty = tensor.empty() : tensor<4x6xf32>
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %zero4 = arith.constant dense<0.0> : tensor<4x4xf32>
  %zero6 = arith.constant dense<0.0> : tensor<6x6xf32>
  %q = linalg.add {einnet.label = "q"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>)
      -> tensor<4x6xf32>
  // expected-error @+1 {{p is a sum of terms already}}
  %p = linalg.add {einnet.label = "p"} ins(%q, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>)
      -> tensor<4x6xf32>
  return %p, %a : tensor<4x6xf32>, tensor<4x6xf32>
}

// -----

func.func @largest(%a: tensor<4x6xf32>, %low: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{it has no expression}}
  %p = linalg.reduce {arith.maximumf} ins(%a : tensor<4x6xf32>) outs(%low : tensor<4xf32>) dimensions = [1]
      {einnet.label = "p"}
  return %p : tensor<4xf32>
}
