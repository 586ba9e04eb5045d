// RUN: not einnet-opt %s --split-input-file --einnet-lower-to-cpu 2>&1 | FileCheck %s --implicit-check-not="llvm.func"
// RUN: not einnet-opt %s --einnet-lower-to-cpu=entry=third 2>&1 | FileCheck %s --check-prefix=ENTRY
// RUN: not einnet-opt %s --pass-pipeline='builtin.module(func.func(einnet-lower-to-cpu))' 2>&1 \
// RUN:   | FileCheck %s --check-prefix=NESTED

// ENTRY: lower-to-cpu-invalid.mlir: error: the module has no function @third
// ENTRY-NEXT: {{.*}}hint: it defines: @first, @second, @dynamic, @truth, @unfit

// NESTED: error: einnet-lower-to-cpu runs on a builtin.module, not on 'func.func'

// CHECK: lower-to-cpu-invalid.mlir: error: einnet-lower-to-cpu: which function is the program?
// CHECK-NEXT: {{.*}}hint: entry=NAME names it; there are @first, @second
func.func @first(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

func.func @second(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

// CHECK: lower-to-cpu-invalid.mlir:[[#@LINE+1]]:1: error: @dynamic: tensor<?xf32> has no static shape
func.func @dynamic(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}

// -----

// CHECK: lower-to-cpu-invalid.mlir:[[#@LINE+1]]:1: error: @truth: the CPU target has no element type i1
func.func @truth(%x: tensor<4xi1>) -> tensor<4xi1> {
  return %x : tensor<4xi1>
}

// -----

func.func @unfit(%a: tensor<4x5xf16>, %b: tensor<5x6xf16>, %c: tensor<4x6xf16>) -> tensor<4x6xf16> {
  // CHECK: lower-to-cpu-invalid.mlir:[[#@LINE+1]]:{{.*}}: error: linalg.matmul is tagged einnet.library = "blas" but cannot be a BLAS call: BLAS has no product of f16
  %p = linalg.matmul {einnet.library = "blas"}
      ins(%a, %b : tensor<4x5xf16>, tensor<5x6xf16>) outs(%c : tensor<4x6xf16>) -> tensor<4x6xf16>
  return %p : tensor<4x6xf16>
}

// -----

// CHECK: lower-to-cpu-invalid.mlir:[[#@LINE+3]]:8: error: builtin.unrealized_conversion_cast cannot be lowered: a mutant without its corrections, which einnet-correct adds
func.func private @einnet.original.p(tensor<4xf32>) -> tensor<4xf32>
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = builtin.unrealized_conversion_cast %x, %x : tensor<4xf32>, tensor<4xf32> to tensor<4xf32>
      {einnet.label = "p", einnet.mutant = "stride-one", einnet.incorrect_boxes = ["[0]"], einnet.original = @einnet.original.p}
  return %y : tensor<4xf32>
}
