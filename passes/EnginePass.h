// The passes: all of them are one class, which sends what it is run on to a worker.
#ifndef EINNET_ENGINEPASS_H
#define EINNET_ENGINEPASS_H

#include "PassTable.h"

#include "mlir/Pass/Pass.h"

#include <memory>

namespace einnet {

/// A pass on a builtin.module that has the name and the options of `row`, and beside them
/// `python=`, the interpreter of the worker, and `timeout=`, the seconds that it may take.
std::unique_ptr<mlir::Pass> createEnginePass(const PassRow &row);

} // namespace einnet

#endif
