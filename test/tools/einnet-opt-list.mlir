// RUN: einnet-opt --list-passes | FileCheck %s
// RUN: einnet-opt --help | FileCheck %s --check-prefix=HELP
// RUN: einnet-opt --version | FileCheck %s --check-prefix=VERSION

// CHECK: einnet's passes:
// CHECK: --einnet-split-summation {{.*}}Split a sum
// CHECK-NEXT: label=<text>
// CHECK-NEXT: iterators=<text>,...
// CHECK: --einnet-substitute
// CHECK-NEXT: label=<text>
// CHECK-NEXT: with=<text>,...
// CHECK: MLIR's passes:
// CHECK: --canonicalize
// CHECK: --top-down

// HELP: usage: einnet-opt [options] [FILE | -]
// HELP: --split-input-file
// HELP: --einnet-optimize
// HELP: target=<text> {{.*}}(default cpu)

// VERSION: einnet {{[0-9.]+}}, MLIR 22.
