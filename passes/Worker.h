// The process in which the engine runs.
#ifndef EINNET_WORKER_H
#define EINNET_WORKER_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <chrono>
#include <string>
#include <vector>

namespace einnet {

/// What came of a worker. `failure` is a predicate such as "exited with status 1", and `hint` what
/// the user can do about it. It is empty where the worker ended well; then `output` is all that it
/// wrote. `errors` is the end of its stderr.
struct WorkerRun {
  std::string failure;
  std::string hint;
  std::string output;
  std::string errors;
};

/// The command of the worker: that of the interpreter `python`; without one einnet-worker, if it
/// is on PATH, else python3.
std::vector<std::string> workerCommand(llvm::StringRef python);

/// Start `command`, write `request` to it and read its answer. Never blocks past `limit`; leaves
/// no process and no file descriptor behind; may be called by several threads at a time.
WorkerRun runWorker(llvm::ArrayRef<std::string> command, llvm::StringRef request,
                    std::chrono::seconds limit);

} // namespace einnet

#endif
