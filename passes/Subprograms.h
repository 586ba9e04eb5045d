// What of a module the engine gets to see.
#ifndef EINNET_SUBPROGRAMS_H
#define EINNET_SUBPROGRAMS_H

#include "Protocol.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/SmallVector.h"

#include <string>
#include <vector>

namespace einnet {

/// Consecutive operations of a block that became a function. `inputs` are what it is called with,
/// `results` the values that its results take the place of.
struct Subprogram {
  std::string name;
  std::vector<mlir::Operation *> operations;
  llvm::SmallVector<mlir::Value> inputs;
  llvm::SmallVector<mlir::Value> results;
};

/// A module that holds only upstream dialects travels whole. In any other one, every longest run
/// of consecutive operations on tensors in a block becomes a function of a module of its own: what
/// the engine has never seen stays where it is, and so does what lies around it.
class Subprograms {
public:
  explicit Subprograms(mlir::ModuleOp module);

  std::string bytecode();

  /// Put the answer to the bytecode in the place of what was sent. Reports, and leaves the module
  /// as it is, if the answer does not fit.
  mlir::LogicalResult splice(const Answer &answer, llvm::StringRef passName);

private:
  mlir::LogicalResult spliceWhole(mlir::ModuleOp answer);
  mlir::LogicalResult spliceFunctions(mlir::ModuleOp answer, llvm::StringRef passName);

  mlir::ModuleOp module;
  /// The first operation that keeps the module from travelling whole.
  mlir::Operation *unknown = nullptr;
  mlir::OwningOpRef<mlir::ModuleOp> outlined;
  std::vector<Subprogram> subprograms;
};

} // namespace einnet

#endif
