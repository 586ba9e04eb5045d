// RUN: einnet-opt %s --pass-pipeline='builtin.module(einnet-split-summation{label=p iterators=d2},func.func(cse))' \
// RUN:   --mlir-timing -o %t 2>&1 | FileCheck %s
// RUN: einnet-opt %s --einnet-split-summation="label=p iterators=d2" --mlir-timing --mlir-timing-display=list -o %t 2>&1 \
// RUN:   | FileCheck %s --check-prefix=LIST

// CHECK: ... Execution time report ...
// CHECK: Total Execution Time: {{[0-9.]+}} seconds
// CHECK: ----Wall Time----  ----Name----
// CHECK-NEXT: {{[0-9.]+ \( *[0-9.]+%\)}}  Parser
// CHECK-NEXT: {{[0-9.]+ \( *[0-9.]+%\)}}  SplitSummation
// CHECK-NEXT: {{[0-9.]+ \( *[0-9.]+%\)}}  'func.func' Pipeline
// CHECK-NEXT: {{[0-9.]+ \( *[0-9.]+%\)}}    CSE
// CHECK: {{[0-9.]+ \( *[0-9.]+%\)}}  Output
// CHECK-NEXT: {{[0-9.]+ \( *[0-9.]+%\)}}  Rest
// CHECK-NEXT: {{[0-9.]+ \(100.0%\)}}  Total

// LIST: (100.0%)  root
// LIST-NEXT: SplitSummation
// LIST: Rest
func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}
