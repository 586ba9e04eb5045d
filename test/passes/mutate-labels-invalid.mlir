// RUN: not einnet-opt %s --einnet-mutate=labels=p,other 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not einnet-opt %s --einnet-mutate=labels=p,q,r,s,t 2>&1 | FileCheck %s --check-prefix=FIVE
// RUN: not einnet-opt %s --einnet-mutate=labels=p 2>&1 | FileCheck %s --check-prefix=ONE
// RUN: not einnet-opt %s --einnet-mutate=labels=p,p 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not einnet-opt %s --einnet-mutate="label=p labels=p,q" 2>&1 | FileCheck %s --check-prefix=BOTH
// RUN: not einnet-opt %s --einnet-mutate="label=p mutation=merge-padded" 2>&1 | FileCheck %s --check-prefix=ALONE
// RUN: not einnet-opt %s --einnet-mutate="labels=p,q mutation=merge-padded,batch-padded" 2>&1 | FileCheck %s --check-prefix=JOINS
// RUN: not einnet-opt %s --einnet-mutate="labels=p,q mutation=merge-padded,stride-one" 2>&1 | FileCheck %s --check-prefix=MOVES
// RUN: not einnet-opt %s --einnet-mutate="labels=u,v mutation=merge-padded" 2>&1 | FileCheck %s --check-prefix=CHAIN
// RUN: not einnet-opt %s --einnet-mutate="labels=x,y correct share mutation=merge-borders(gap=0)" 2>&1 | FileCheck %s --check-prefix=SHARE

// UNKNOWN: error: einnet-mutate: no operation has einnet.label = "other"
// UNKNOWN-NEXT: hint: labels: p, q, r, s, t, u, v, x, y
// FIVE: :[[#@LINE+20]]:8: error: einnet-mutate does not apply to 'linalg.matmul': of 5 operations, at most 4 become one mutant
// ONE: error: one label is no group
// TWICE: --einnet-mutate:1:{{.*}}: error: the label p is given twice
// BOTH: error: label names one operation, labels several
// ALONE: error: merge-padded takes several operations
// JOINS: error: {{.*}}operations become one by one of batch-padded, merge-padded
// MOVES: error: {{.*}}they do not become one operator: merge-padded: no mutant is made of merge-padded,stride-one; first mutations are none
// CHAIN: error: {{.*}}merge-padded takes operations of which none depends on another, and v depends on u
// SHARE: error: {{.*}}no operator that could compute corrections of x too: share takes one operation
func.func @products(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>)
    -> (tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>) {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  %r = linalg.matmul {einnet.label = "r"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  %s = linalg.matmul {einnet.label = "s"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  %t = linalg.matmul {einnet.label = "t"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p, %q, %r, %s, %t : tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>
}
func.func @chain(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x4xf32>
  %u = linalg.matmul {einnet.label = "u"} ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  %v = linalg.matmul {einnet.label = "v"} ins(%u, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %v : tensor<4x4xf32>
}
func.func @images(%a: tensor<2x3x10xf32>, %s: tensor<4x3x3xf32>, %t: tensor<4x3x3xf32>)
    -> (tensor<2x4x10xf32>, tensor<2x4x10xf32>) {
  %zero = arith.constant 0.0 : f32
  %init = arith.constant dense<0.0> : tensor<2x4x10xf32>
  %padded = tensor.pad %a low[0, 0, 1] high[0, 0, 1] {
  ^bb0(%n: index, %c: index, %i: index):
    tensor.yield %zero : f32
  } : tensor<2x3x10xf32> to tensor<2x3x12xf32>
  %x = linalg.conv_1d_ncw_fcw {einnet.label = "x"}
      ins(%padded, %s : tensor<2x3x12xf32>, tensor<4x3x3xf32>)
      outs(%init : tensor<2x4x10xf32>) -> tensor<2x4x10xf32>
  %y = linalg.conv_1d_ncw_fcw {einnet.label = "y"}
      ins(%padded, %t : tensor<2x3x12xf32>, tensor<4x3x3xf32>)
      outs(%init : tensor<2x4x10xf32>) -> tensor<2x4x10xf32>
  return %x, %y : tensor<2x4x10xf32>, tensor<2x4x10xf32>
}
