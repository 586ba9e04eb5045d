// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-split-summation="label=p iterators=d0"
// RUN: not einnet-opt %s --split-input-file --einnet-split-summation="label=p" 2>&1 | FileCheck %s --check-prefix=NOTHING
// RUN: not einnet-opt %s --einnet-split-summation="label=p sums=d2" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not einnet-opt %s --split-input-file --einnet-split-summation="label=r iterators=d2" 2>&1 | FileCheck %s --check-prefix=LABEL

// NOTHING: error: {{.*}}: no iterator was chosen and no factor is free of the inner sums
// NOTHING-NEXT: hint: the operation is L<d0:4,d1:6> S<d2:5>

// UNKNOWN: --einnet-split-summation:1:32: error: einnet-split-summation has no option 'sums'

// LABEL: split-summation-invalid.mlir:{{.*}}error: einnet-split-summation: no operation has einnet.label = "r"
// LABEL-NEXT: hint: labels: p, q

func.func @traversal(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>, %c: tensor<4x6xf32>) -> tensor<4x6xf32> {
  // expected-error @+1 {{einnet-split-summation does not apply to 'linalg.matmul': d0 is not a summation iterator; there are: d2}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%c : tensor<4x6xf32>) -> tensor<4x6xf32>
  %q = tensor.extract_slice %p[0, 0] [4, 6] [1, 1] {einnet.label = "q"} : tensor<4x6xf32> to tensor<4x6xf32>
  return %q : tensor<4x6xf32>
}

// -----

func.func @largest(%a: tensor<4x5xf32>, %low: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{einnet-split-summation does not apply to 'linalg.reduce': it has no expression}}
  %p = linalg.reduce ins(%a : tensor<4x5xf32>) outs(%low : tensor<4xf32>) dimensions = [1]
      {einnet.label = "p"} (%x: f32, %old: f32) {
    %next = arith.maximumf %x, %old : f32
    linalg.yield %next : f32
  }
  return %p : tensor<4xf32>
}

// -----

func.func @twice(%a: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+2 {{2 operations have einnet.label = "p"}}
  %p = tensor.extract_slice %a[0] [4] [1] {einnet.label = "p"} : tensor<4xf32> to tensor<4xf32>
  %q = tensor.extract_slice %p[0] [4] [1] {einnet.label = "p"} : tensor<4xf32> to tensor<4xf32>
  return %q : tensor<4xf32>
}
