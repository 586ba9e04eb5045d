#include "PassTable.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"

namespace einnet {
namespace {
#include "PassTable.inc"
} // namespace

llvm::ArrayRef<PassRow> passTable() { return passes; }

bool isEngineDialect(llvm::StringRef dialect) {
  return llvm::is_contained(engineDialects, dialect);
}

} // namespace einnet
