// What the plugin knows of einnet's passes: the rows of a table that tools/generate_plugin_table.py
// makes of the Python registry when the plugin is built.
#ifndef EINNET_PASSTABLE_H
#define EINNET_PASSTABLE_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace einnet {

enum class OptionKind { Flag, Integer, Text, TextList };

/// One option of a pass. `standard` is the text of its default, empty where there is none; lists
/// keep their default to the engine.
struct OptionRow {
  const char *name;
  const char *help;
  OptionKind kind;
  const char *standard;
};

/// One pass, as the user names it.
struct PassRow {
  const char *name;
  const char *summary;
  llvm::ArrayRef<OptionRow> options;
};

/// Every pass of the registry.
llvm::ArrayRef<PassRow> passTable();

/// Whether the engine has a dialect of this name: one of upstream MLIR's.
bool isEngineDialect(llvm::StringRef dialect);

} // namespace einnet

#endif
