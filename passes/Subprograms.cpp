#include "Subprograms.h"

#include "PassTable.h"

#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/Threading.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cstdint>
#include <utility>

using namespace mlir;

namespace einnet {
namespace {

/// The dialects whose pure operations make up a subprogram. Others of upstream's, such as scf, are
/// looked into instead: there may be subprograms in their regions.
constexpr llvm::StringLiteral kSubprogramDialects[] = {"affine", "arith",  "complex", "index",
                                                       "linalg", "math", "tensor"};
constexpr const char *kLabel = "einnet.label";
constexpr const char *kKernel = "einnet.kernel";
constexpr const char *kOwnAttributes = "einnet.";

/// Whether the engine can read the operation itself: its name, attributes, types and location.
/// What is nested in it is another question.
bool isKnown(Operation *op) {
  if (!op->isRegistered() || !isEngineDialect(op->getName().getDialectNamespace()))
    return false;
  AttrTypeWalker walker;
  // OpaqueAttr and OpaqueType, which stand for those of unregistered dialects, are builtin's.
  walker.addWalk([](Attribute attribute) {
    bool known = isEngineDialect(attribute.getDialect().getNamespace());
    return known && !isa<OpaqueAttr>(attribute) ? WalkResult::advance() : WalkResult::interrupt();
  });
  walker.addWalk([](Type type) {
    bool known = isEngineDialect(type.getDialect().getNamespace());
    return known && !isa<OpaqueType>(type) ? WalkResult::advance() : WalkResult::interrupt();
  });
  auto fine = [&](auto element) { return !walker.walk(element).wasInterrupted(); };
  // The location need only be readable; so it is asked last.
  return fine(op->getAttrDictionary()) && llvm::all_of(op->getOperandTypes(), fine) &&
         llvm::all_of(op->getResultTypes(), fine) &&
         llvm::all_of(op->getRegions(),
                      [&](Region &region) {
                        return llvm::all_of(region.getBlocks(), [&](Block &block) {
                          return llvm::all_of(block.getArgumentTypes(), fine);
                        });
                      }) &&
         fine(Attribute(LocationAttr(op->getLoc())));
}

/// The first operation in `root`, itself included, that the engine cannot read.
Operation *findUnknown(Operation *root) {
  Operation *found = nullptr;
  root->walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isKnown(op))
      return WalkResult::advance();
    found = op;
    return WalkResult::interrupt();
  });
  return found;
}

/// Whether the operation can be part of a subprogram.
bool isPart(Operation *op) {
  return llvm::is_contained(kSubprogramDialects, op->getName().getDialectNamespace()) &&
         !op->hasTrait<OpTrait::IsTerminator>() && isMemoryEffectFree(op) && !findUnknown(op);
}

/// Constants, and tensors filled with one: copied into each subprogram that uses them, since a
/// product that begins with zeros is another one than a product that begins with anything.
bool isCopied(Operation *op) {
  if (op->hasTrait<OpTrait::ConstantLike>())
    return true;
  StringRef name = op->getName().getStringRef();
  if (name != "tensor.empty" && name != "linalg.fill")
    return false;
  return llvm::all_of(op->getOperands(), [](Value operand) {
    return operand.getDefiningOp() && isCopied(operand.getDefiningOp());
  });
}

/// Whether the engine may have something to do on the operation.
bool isWorthSending(Operation *op) {
  if (op->hasAttr(kLabel))
    return true;
  if (op->getName().getDialectNamespace() != "linalg" || isCopied(op))
    return false;
  auto isStatic = [](Type type) {
    auto tensor = dyn_cast<TensorType>(type);
    return !tensor || tensor.hasStaticShape();
  };
  return op->getNumResults() && llvm::all_of(op->getOperandTypes(), isStatic) &&
         llvm::all_of(op->getResultTypes(), isStatic);
}

/// Make the function of a run of operations, unless it is not worth it.
class Outliner {
public:
  Outliner(ModuleOp into, std::vector<Subprogram> &subprograms)
      : into(into), subprograms(subprograms) {}

  void outline(ArrayRef<Operation *> run) {
    if (llvm::none_of(run, isWorthSending))
      return;
    Subprogram subprogram;
    subprogram.operations.assign(run.begin(), run.end());
    llvm::SmallPtrSet<Operation *, 16> inside(run.begin(), run.end());
    llvm::SetVector<Value> inputs;
    llvm::SetVector<Operation *> copied;
    for (Operation *op : run)
      op->walk([&](Operation *nested) {
        for (Value operand : nested->getOperands())
          collect(operand, op, inside, inputs, copied);
      });
    for (Operation *op : run) {
      if (isCopied(op))
        continue;
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) {
              Operation *there = op->getBlock()->findAncestorOpInBlock(*user);
              return !there || !inside.contains(there);
            }))
          subprogram.results.push_back(result);
    }
    if (subprogram.results.empty())
      return;
    subprogram.inputs.assign(inputs.begin(), inputs.end());
    subprogram.name = nameFor(run.front());
    build(subprogram, copied.getArrayRef());
    subprograms.push_back(std::move(subprogram));
  }

private:
  /// Find out how `value`, used in the operation `user` of a run, gets into the function.
  static void collect(Value value, Operation *user,
                      const llvm::SmallPtrSetImpl<Operation *> &inside,
                      llvm::SetVector<Value> &inputs, llvm::SetVector<Operation *> &copied) {
    Operation *owner = value.getDefiningOp();
    Operation *place = owner ? owner : value.getParentBlock()->getParentOp();
    if (place && (owner ? inside.contains(owner) || user->isProperAncestor(owner)
                        : user->isAncestor(place)))
      return;
    if (!owner || !isCopied(owner) || findUnknown(owner)) {
      inputs.insert(value);
      return;
    }
    // Operands first, so that the copies are in order.
    for (Value operand : owner->getOperands())
      collect(operand, user, inside, inputs, copied);
    copied.insert(owner);
  }

  std::string nameFor(Operation *op) const {
    auto function = op->getParentOfType<FunctionOpInterface>();
    return (function ? function.getName() : StringRef("subprogram")).str() + "_" +
           std::to_string(subprograms.size());
  }

  void build(const Subprogram &subprogram, ArrayRef<Operation *> copied) {
    OpBuilder builder = OpBuilder::atBlockEnd(into.getBody());
    Location location = subprogram.operations.front()->getLoc();
    auto type = builder.getFunctionType(ValueRange(subprogram.inputs).getTypes(),
                                        ValueRange(subprogram.results).getTypes());
    auto function = func::FuncOp::create(builder, location, subprogram.name, type);
    Block *body = function.addEntryBlock();
    builder.setInsertionPointToEnd(body);
    IRMapping mapping;
    for (auto [number, input] : llvm::enumerate(subprogram.inputs)) {
      mapping.map(input, body->getArgument(number));
      markArgument(function, number, input);
    }
    for (Operation *op : copied)
      builder.clone(*op, mapping);
    for (Operation *op : subprogram.operations)
      builder.clone(*op, mapping);
    SmallVector<Value> results;
    for (Value result : subprogram.results)
      results.push_back(mapping.lookup(result));
    func::ReturnOp::create(builder, location, results);
  }

  /// What the arguments of the user's functions are marked with, such as einnet.weight, holds here.
  static void markArgument(func::FuncOp function, unsigned number, Value input) {
    auto argument = dyn_cast<BlockArgument>(input);
    if (!argument || !argument.getOwner()->isEntryBlock())
      return;
    auto parent = dyn_cast<FunctionOpInterface>(argument.getOwner()->getParentOp());
    if (!parent || argument.getArgNumber() >= parent.getNumArguments())
      return;
    for (NamedAttribute attribute : parent.getArgAttrs(argument.getArgNumber()))
      if (attribute.getName().strref().starts_with(kOwnAttributes))
        function.setArgAttr(number, attribute.getName(), attribute.getValue());
  }

  ModuleOp into;
  std::vector<Subprogram> &subprograms;
};

void outlineBlocks(Operation *root, Outliner &outliner) {
  for (Region &region : root->getRegions())
    for (Block &block : region) {
      std::vector<Operation *> run;
      for (Operation &op : block) {
        if (isPart(&op)) {
          run.push_back(&op);
          continue;
        }
        outliner.outline(run);
        run.clear();
        outlineBlocks(&op, outliner);
      }
      // A block without a terminator, such as a module's.
      outliner.outline(run);
    }
}

/// Numbers for kernels that a module does not have yet. Each function of an answer counts its own
/// from 0, and operations with one number are one kernel.
class KernelNumbers {
public:
  explicit KernelNumbers(ModuleOp module) {
    module->walk([&](Operation *op) {
      if (auto number = op->getAttrOfType<IntegerAttr>(kKernel))
        next = std::max(next, number.getInt() + 1);
    });
  }

  /// Give other numbers to the kernels of a function.
  void renumber(func::FuncOp function) {
    llvm::DenseMap<int64_t, int64_t> numbers;
    function->walk([&](Operation *op) {
      auto number = op->getAttrOfType<IntegerAttr>(kKernel);
      if (!number)
        return;
      auto [place, isNew] = numbers.try_emplace(number.getInt(), next);
      next += isNew;
      op->setAttr(kKernel, IntegerAttr::get(number.getType(), place->second));
    });
  }

private:
  int64_t next = 0;
};

/// Erase the operations of a run after its results have been replaced.
void eraseReplaced(const Subprogram &subprogram) {
  for (Operation *op : llvm::reverse(subprogram.operations))
    if (op->use_empty())
      op->erase();
}

/// Errors of this thread go into `into` while this stands, and not to the user.
class Errors {
public:
  Errors(MLIRContext *context, std::string &into)
      : thread(llvm::get_threadid()), handler(context, [&into, this](Diagnostic &diagnostic) {
          if (llvm::get_threadid() != thread)
            return failure();
          if (into.empty())
            into = diagnostic.str();
          return success();
        }) {}

private:
  uint64_t thread;
  ScopedDiagnosticHandler handler;
};

} // namespace

Subprograms::Subprograms(ModuleOp module) : module(module), unknown(findUnknown(module)) {
  if (!unknown)
    return;
  outlined = ModuleOp::create(module.getLoc());
  Outliner outliner(*outlined, subprograms);
  outlineBlocks(module, outliner);
}

std::string Subprograms::bytecode() {
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  Operation *sent = outlined ? *outlined : module;
  // Only a version from the past can be refused, and none is asked for.
  (void)writeBytecodeToFile(sent, stream);
  return bytes;
}

LogicalResult Subprograms::splice(const Answer &answer, StringRef passName) {
  MLIRContext *context = module.getContext();
  for (const std::string &dialect : answer.dialects)
    if (!context->getLoadedDialect(dialect))
      return emitError(module.getLoc()) << passName << ": the result needs the dialect '" << dialect
                                << "', which this compiler has not loaded";
  OwningOpRef<ModuleOp> parsed;
  std::string problem;
  {
    Errors errors(context, problem);
    parsed = parseSourceString<ModuleOp>(answer.bytecode, ParserConfig(context), "<einnet-worker>");
  }
  if (!parsed)
    return emitError(module.getLoc()) << passName << ": the result is not valid here: " << problem;
  return outlined ? spliceFunctions(*parsed, passName) : spliceWhole(*parsed);
}

LogicalResult Subprograms::spliceWhole(ModuleOp answer) {
  module->setAttrs(answer->getAttrDictionary());
  module.getBodyRegion().takeBody(answer.getBodyRegion());
  return success();
}

LogicalResult Subprograms::spliceFunctions(ModuleOp answer, StringRef passName) {
  std::vector<func::FuncOp> functions;
  for (const Subprogram &subprogram : subprograms) {
    auto function = answer.lookupSymbol<func::FuncOp>(subprogram.name);
    if (function && llvm::hasSingleElement(function.getBody()) &&
        function.getArgumentTypes() == ValueRange(subprogram.inputs).getTypes() &&
        function.getResultTypes() == ValueRange(subprogram.results).getTypes())
      functions.push_back(function);
  }
  size_t operations = llvm::range_size(answer.getBody()->getOperations());
  if (functions.size() != subprograms.size() || operations != functions.size()) {
    InFlightDiagnostic diagnostic = emitError(unknown->getLoc())
                                    << passName
                                    << " changes whole modules, and has to know all of this one";
    diagnostic.attachNote() << "'" << unknown->getName()
                            << "', or what it is about, is of a dialect that is not upstream's; "
                               "run the pass before such operations come in, or on a module "
                               "without them";
    return failure();
  }
  KernelNumbers kernels(module);
  // A subprogram may be called with the results of one that is gone by now.
  IRMapping replaced;
  for (auto [subprogram, function] : llvm::zip_equal(subprograms, functions)) {
    kernels.renumber(function);
    OpBuilder builder(subprogram.operations.back());
    Block &body = function.getBody().front();
    IRMapping mapping;
    for (auto [argument, input] : llvm::zip_equal(body.getArguments(), subprogram.inputs))
      mapping.map(argument, replaced.lookupOrDefault(input));
    for (Operation &op : body.without_terminator())
      builder.clone(op, mapping);
    for (auto [old, result] :
         llvm::zip_equal(subprogram.results, body.getTerminator()->getOperands())) {
      Value value = mapping.lookup(result);
      old.replaceAllUsesWith(value);
      replaced.map(old, value);
    }
    eraseReplaced(subprogram);
  }
  return success();
}

} // namespace einnet
