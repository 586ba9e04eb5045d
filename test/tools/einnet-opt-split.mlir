// RUN: einnet-opt %s --split-input-file --allow-unregistered-dialect --cse | FileCheck %s
// RUN: not einnet-opt %s --split-input-file -o %t.none 2>&1 | FileCheck %s --check-prefix=ERROR
// RUN: not test -e %t.none

// CHECK: func.func @first
// CHECK: // {{-----}}
// CHECK: func.func @second
// CHECK: "other.operation"
// CHECK: // {{-----}}
// CHECK: func.func @first
func.func @first() {
  return
}

// -----

func.func @second() {
  // ERROR: einnet-opt-split.mlir:[[#@LINE+1]]:{{.*}}: error: operation being parsed with an unregistered dialect
  "other.operation"() : () -> ()
  return
}

// -----

// The parts are modules of their own: the name is free again. Each shows its own error.
func.func @first() {
  // ERROR: einnet-opt-split.mlir:[[#@LINE+1]]:{{.*}}: error: operation being parsed with an unregistered dialect
  "other.operation"() : () -> ()
  return
}
