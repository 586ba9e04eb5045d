// The dialects that an answer of the engine's may hold.
#ifndef EINNET_DIALECTS_H
#define EINNET_DIALECTS_H

#include "mlir/IR/DialectRegistry.h"

namespace einnet {

/// Register the dialects of what the engine's passes make of a module.
void registerResultDialects(mlir::DialectRegistry &registry);

} // namespace einnet

#endif
