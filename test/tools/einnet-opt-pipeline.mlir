// RUN: einnet-opt %s --pass-pipeline='builtin.module(sccp, func.func(cse, \
// RUN:   einnet-split-summation{label=p iterators={d2}}, canonicalize{top-down=false}), symbol-dce)' \
// RUN:   | FileCheck %s
// RUN: einnet-opt %s --cse --einnet-split-summation="label=p iterators=d2" --symbol-dce | FileCheck %s
// RUN: not einnet-opt %s --einnet-split-summation="label=p iterators=d2" --cse 2>&1 \
// RUN:   | FileCheck %s --check-prefix=ORDER

// MLIR's passes and einnet's in one pipeline, in the order given: only after common subexpressions
// are gone does one operation have the label. The unused function goes last.

// ORDER: error: einnet-split-summation: 2 operations have einnet.label = "p"

// CHECK-NOT: func.func private
// CHECK-LABEL: func.func @product
// CHECK: %[[PRODUCTS:.*]] = linalg.generic
// CHECK-SAME: iterator_types = ["parallel", "parallel", "parallel"]
// CHECK-SAME: einnet.label = "p.inner"
// CHECK: %[[P:.*]] = linalg.generic
// CHECK-SAME: einnet.label = "p"
// CHECK: return %[[P]], %[[P]]
func.func @product(%a: tensor<24x20xf32>, %b: tensor<20x28xf32>)
    -> (tensor<24x28xf32>, tensor<24x28xf32>) {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  %q = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  return %p, %q : tensor<24x28xf32>, tensor<24x28xf32>
}

func.func private @unused() {
  return
}
