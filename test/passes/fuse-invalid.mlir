// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-fuse="label=p"
// RUN: not einnet-opt %s --split-input-file --einnet-fuse="label=p producer=r" 2>&1 | FileCheck %s --check-prefix=NAMED

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
  %q = linalg.add {einnet.label = "q"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>)
      -> tensor<4x6xf32>
  // expected-error @+1 {{q has other readers; name it: producer=LABEL}}
  %p = linalg.mul {einnet.label = "p"} ins(%q, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>)
      -> tensor<4x6xf32>
  return %p, %q : tensor<4x6xf32>, tensor<4x6xf32>
}

// -----

func.func @chain(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>, %w: tensor<6x4xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %empty = tensor.empty() : tensor<4x6xf32>
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %zero4 = arith.constant dense<0.0> : tensor<4x4xf32>
  %zero6 = arith.constant dense<0.0> : tensor<6x6xf32>
  %q = linalg.add {einnet.label = "q"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>)
      -> tensor<4x6xf32>
  // expected-error @+1 {{p reads q 2 times}}
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
  %square = linalg.matmul ins(%w, %a : tensor<6x4xf32>, tensor<4x6xf32>) outs(%zero6 : tensor<6x6xf32>) -> tensor<6x6xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%b, %square : tensor<4x6xf32>, tensor<6x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  // expected-error @+1 {{q has a sum, and it is read by several terms or in a call}}
  %p = linalg.add {einnet.label = "p"} ins(%q, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>)
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
  // expected-error @+1 {{q has a sum, and it is read by several terms or in a call}}
  %p = linalg.exp {einnet.label = "p"} ins(%q : tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p, %a : tensor<4x6xf32>, tensor<4x6xf32>
}

// -----

func.func @largest(%a: tensor<4x6xf32>, %low: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{it has no expression}}
  %p = linalg.reduce {arith.maximumf} ins(%a : tensor<4x6xf32>) outs(%low : tensor<4xf32>) dimensions = [1]
      {einnet.label = "p"}
  return %p : tensor<4xf32>
}
