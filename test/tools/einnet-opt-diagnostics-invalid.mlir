// RUN: not einnet-opt %s --verify-diagnostics --split-input-file --cse -o %t.none 2>&1 \
// RUN:   | FileCheck %s --implicit-check-not=error:
// RUN: not test -e %t.none
// RUN: not einnet-opt %s --verify-diagnostics=some 2>&1 | FileCheck %s --check-prefix=WAY

// CHECK: :[[#@LINE+3]]:1: error: unexpected error: redefinition of symbol named 'twice'
// CHECK-NEXT: func.func @twice() { return } // here
func.func @twice() { return } // expected-note {{see existing}}
func.func @twice() { return } // here
// -----

// CHECK: :[[#@LINE+1]]:4: error: 'error' diagnostic emitted when expecting a 'warning'
// expected-warning-re@below {{undeclared {{SSA (value|result)}}}}
func.func @undeclared() { return %x : i32 }
// CHECK: :[[#@LINE-2]]:4: error: expected warning "undeclared {{.*}}" was not produced
// CHECK: :[[#@LINE+2]]:4: error: expected remark "nothing of the kind" was not produced
// CHECK-NEXT: // expected-remark
// expected-remark@-2 {{nothing of the kind}}

// WAY: error: --verify-diagnostics=some: the option is one of all, only-expected
