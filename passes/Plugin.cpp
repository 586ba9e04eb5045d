// The entry point by which mlir-opt and other hosts find the passes.
#include "EnginePass.h"
#include "PassTable.h"

#include "mlir/Pass/PassRegistry.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Config/llvm-config.h"

static void registerPasses() {
  for (const einnet::PassRow &row : einnet::passTable())
    mlir::registerPass([&row] { return einnet::createEnginePass(row); });
}

extern "C" LLVM_ATTRIBUTE_WEAK ::mlir::PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "EinnetPasses", LLVM_VERSION_STRING, registerPasses};
}
