// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-mutate=label=p
// RUN: not einnet-opt %s --einnet-mutate="label=p mutation=merge" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not einnet-opt %s --einnet-mutate="label=p mutation=split-carry(tile)" 2>&1 | FileCheck %s --check-prefix=PARAMETER
// RUN: not einnet-opt %s --einnet-mutate="label=p target=tpu" 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not einnet-opt %s --einnet-mutate="label=p depth=0" 2>&1 | FileCheck %s --check-prefix=DEPTH
// RUN: not einnet-opt %s --einnet-mutate="label=p mutation=merge-borders(zzz=1)" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not einnet-opt %s --einnet-mutate="label=p mutation=merge-borders(gap=²)" 2>&1 | FileCheck %s --check-prefix=DIGIT
// RUN: not einnet-opt %s --einnet-mutate="label=p share" 2>&1 | FileCheck %s --check-prefix=SHARE
// RUN: not einnet-opt %s --einnet-mutate=labels=, 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: einnet-opt %s --split-input-file --einnet-mutate=depth=1 | FileCheck %s --check-prefix=ALL

// UNKNOWN: --einnet-mutate:1:23: error: unknown mutation 'merge'
// UNKNOWN-NEXT: hint: mutations: {{.*}}merge-borders
// PARAMETER: error: 'tile' is no parameter
// TARGET: error: unknown target 'tpu'
// NAME: error: merge-borders has no parameter 'zzz'
// NAME-NEXT: hint: parameters of merge-borders: operand, outer, inner, gap
// DIGIT: error: 'gap=²' is no parameter
// SHARE: --einnet-mutate:1:23: error: share is of corrections, and none are added here
// EMPTY: error: a label is empty
// DEPTH: --einnet-mutate:1:23: error: 'depth' must be from 1 to 100, not 0

// Without a label what does not qualify stays.

// ALL-NOT: einnet.mutant
// ALL: linalg.matmul {einnet.label = "p"}
// ALL: linalg.add {einnet.label = "p"}

func.func @no_window(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error @+1 {{einnet-mutate does not apply to 'linalg.matmul': there is no batch, stride, dilation, group or window that a mutation could change}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @no_product(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %empty = tensor.empty() : tensor<4x6xf32>
  // expected-error @+1 {{mutations take one product of tensors, not a sum of several nor a function of them}}
  %p = linalg.add {einnet.label = "p"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>)
      outs(%empty : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @no_sum(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %empty = tensor.empty() : tensor<4x6xf32>
  // expected-error @+1 {{mutations take a sum of products of two tensors}}
  %p = linalg.mul {einnet.label = "p"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>)
      outs(%empty : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @not_static(%a: tensor<?x5xf32>, %b: tensor<5x6xf32>, %c: tensor<?x6xf32>) -> tensor<?x6xf32> {
  // expected-error @+1 {{einnet-mutate does not apply to 'linalg.matmul': it has no expression}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<?x5xf32>, tensor<5x6xf32>)
      outs(%c : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %p : tensor<?x6xf32>
}
