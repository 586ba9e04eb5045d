#include "EnginePass.h"

#include "Dialects.h"
#include "Protocol.h"
#include "Subprograms.h"
#include "Worker.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

using namespace mlir;

namespace einnet {
namespace {

constexpr const char *kPythonHelp =
    "the Python interpreter that has einnet; else einnet-worker on PATH, else python3 on PATH";
constexpr const char *kTimeoutHelp = "seconds after which the worker is stopped";
constexpr unsigned kTimeout = 1800;
constexpr size_t kLinesShown = 5;

class EnginePass : public OperationPass<ModuleOp> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(EnginePass)

  explicit EnginePass(const PassRow &row)
      : OperationPass(TypeID::get<EnginePass>()), row(row),
        python(*this, "python", llvm::cl::desc(kPythonHelp)),
        timeout(*this, "timeout", llvm::cl::desc(kTimeoutHelp), llvm::cl::init(kTimeout)) {
    for (const OptionRow &option : row.options)
      addOption(option);
  }

  StringRef getName() const final { return row.name; }
  StringRef getArgument() const final { return row.name; }
  StringRef getDescription() const final { return row.summary; }

  // The manager copies the values of the options itself.
  std::unique_ptr<Pass> clonePass() const final { return std::make_unique<EnginePass>(row); }

  // An answer may hold what the request did not, and dialects cannot be loaded while passes run.
  void getDependentDialects(DialectRegistry &registry) const final {
    registerResultDialects(registry);
  }

  void runOnOperation() final {
    ModuleOp module = getOperation();
    Subprograms subprograms(module);
    Request request{"builtin.module(" + pipelineElement() + ")", sourceOf(module),
                    subprograms.bytecode()};
    std::vector<std::string> command = workerCommand(python.getValue());
    WorkerRun run = runWorker(command, encode(request), std::chrono::seconds(timeout));
    if (!run.failure.empty())
      return fail(command, run.failure, run.errors, run.hint);
    std::string problem;
    std::optional<Answer> answer = decode(run.output, problem);
    if (!answer)
      return fail(command, "answered what is not understood: " + problem, run.errors,
                  "the plugin and that einnet must be of one version");
    for (const Report &report : answer->reports)
      emit(report, module);
    if (!answer->done)
      return signalPassFailure();
    if (failed(subprograms.splice(*answer, row.name)))
      signalPassFailure();
  }

private:
  void addOption(const OptionRow &option) {
    llvm::cl::desc help(option.help);
    switch (option.kind) {
    case OptionKind::Flag:
      flags.push_back(std::make_unique<Option<bool>>(
          *this, option.name, help, llvm::cl::init(StringRef(option.standard) == "true")));
      break;
    case OptionKind::Integer:
      integers.push_back(std::make_unique<Option<int64_t>>(
          *this, option.name, help,
          llvm::cl::init(static_cast<int64_t>(std::strtoll(option.standard, nullptr, 10)))));
      break;
    case OptionKind::Text:
      texts.push_back(std::make_unique<Option<std::string>>(
          *this, option.name, help, llvm::cl::init(std::string(option.standard))));
      break;
    case OptionKind::TextList:
      lists.push_back(std::make_unique<ListOption<std::string>>(*this, option.name, help));
      break;
    }
  }

  /// The pass as einnet-opt's pipelines have it, with the options that were given. An empty text
  /// counts as not given, since a pass that is printed names all of its options.
  std::string pipelineElement() const {
    std::vector<std::string> given;
    auto give = [&](StringRef name, const Twine &value) {
      given.push_back((name + "={" + value + "}").str());
    };
    for (const auto &option : flags)
      if (option->hasValue())
        give(option->ArgStr, option->getValue() ? "true" : "false");
    for (const auto &option : integers)
      if (option->hasValue())
        give(option->ArgStr, Twine(option->getValue()));
    for (const auto &option : texts)
      if (option->hasValue() && !option->getValue().empty())
        give(option->ArgStr, option->getValue());
    for (const auto &option : lists)
      if (!(**option).empty())
        give(option->ArgStr, llvm::join(**option, ","));
    if (given.empty())
      return row.name;
    return std::string(row.name) + "{" + llvm::join(given, " ") + "}";
  }

  static std::string sourceOf(ModuleOp module) {
    if (auto place = module.getLoc()->findInstanceOf<FileLineColLoc>())
      return place.getFilename().str();
    return "<module>";
  }

  Location locationOf(const Place &place, ModuleOp module) {
    if (place.line == 0)
      return module.getLoc();
    return FileLineColLoc::get(&getContext(), place.file, place.line, place.column);
  }

  void emit(const Report &report, ModuleOp module) {
    InFlightDiagnostic diagnostic =
        mlir::emitError(locationOf(report.place, module)) << report.message;
    for (const Note &note : report.notes)
      diagnostic.attachNote(locationOf(note.place, module)) << note.message;
  }

  void fail(ArrayRef<std::string> command, const Twine &what, StringRef errors, StringRef hint) {
    Location location = getOperation().getLoc();
    InFlightDiagnostic diagnostic = mlir::emitError(location)
                                    << row.name << ": the worker '" << llvm::join(command, " ")
                                    << "' " << what.str();
    if (std::string lines = lastLines(errors); !lines.empty())
      diagnostic.attachNote() << "it wrote: " << lines;
    if (!hint.empty())
      diagnostic.attachNote() << hint;
    signalPassFailure();
  }

  static std::string lastLines(StringRef text) {
    SmallVector<StringRef> lines;
    text.trim().split(lines, '\n');
    return llvm::join(ArrayRef(lines).take_back(kLinesShown), "\n");
  }

  const PassRow &row;
  Option<std::string> python;
  Option<unsigned> timeout;
  std::vector<std::unique_ptr<Option<bool>>> flags;
  std::vector<std::unique_ptr<Option<int64_t>>> integers;
  std::vector<std::unique_ptr<Option<std::string>>> texts;
  std::vector<std::unique_ptr<ListOption<std::string>>> lists;
};

} // namespace

std::unique_ptr<Pass> createEnginePass(const PassRow &row) {
  return std::make_unique<EnginePass>(row);
}

} // namespace einnet
