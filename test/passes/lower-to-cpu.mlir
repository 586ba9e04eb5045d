// RUN: einnet-opt %s --einnet-match-operators --einnet-lower-to-cpu=entry=product > %t
// RUN: FileCheck %s --input-file=%t
// RUN: mlir-translate --mlir-to-llvmir %t | FileCheck %s --check-prefix=IR
// RUN: einnet-opt %s --einnet-match-operators --einnet-lower-to-cpu="entry=product blas=false" \
// RUN:   | FileCheck %s --check-prefix=LOOPS --implicit-check-not=cblas
// RUN: einnet-opt %s --einnet-lower-to-cpu | FileCheck %s --check-prefix=MAIN

// The entry is the only symbol, and takes pointers to arguments, results and workspace.

// CHECK: llvm.func @scipy_cblas_sgemm(
// CHECK: llvm.func internal @einnet_main_body(%{{.*}}: !llvm.ptr {{.*}}, %{{.*}}: !llvm.ptr {{.*}}, %{{.*}}: !llvm.ptr {{.*}})
// CHECK: llvm.call @scipy_cblas_sgemm(
// CHECK-NOT: llvm.func @product
// CHECK: llvm.func @einnet_main(%{{.*}}: !llvm.ptr)

// IR: define void @einnet_main(ptr %0)

// LOOPS: llvm.func internal @einnet_main_body
// LOOPS: llvm.fmul
// LOOPS: llvm.func @einnet_main
func.func @product(%a: tensor<24x20xf32>, %b: tensor<20x28xf32>) -> tensor<24x28xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %p = linalg.matmul ins(%a, %b : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  return %p : tensor<24x28xf32>
}

// Without an entry it is @main; what it calls is inlined.

// MAIN: llvm.func internal @einnet_main_body
// MAIN-NOT: llvm.call
// MAIN: llvm.fneg
// MAIN-NOT: llvm.func @negated
func.func private @negated(%x: tensor<4xf32>) -> tensor<4xf32> {
  %empty = tensor.empty() : tensor<4xf32>
  %y = linalg.negf ins(%x : tensor<4xf32>) outs(%empty : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = call @negated(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
