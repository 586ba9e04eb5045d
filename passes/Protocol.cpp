#include "Protocol.h"

#include "mlir/Bytecode/BytecodeReader.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CRC.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <utility>

namespace json = llvm::json;

namespace einnet {

constexpr const char *kMagic = "einnet-worker";
constexpr const char *kVersion = "1";

static bool fromJSON(const json::Value &value, Place &place, json::Path path) {
  const json::Array *parts = value.getAsArray();
  if (!parts || parts->size() != 3)
    return path.report("expected a file, a line and a column"), false;
  return json::fromJSON((*parts)[0], place.file, path.index(0)) &&
         json::fromJSON((*parts)[1], place.line, path.index(1)) &&
         json::fromJSON((*parts)[2], place.column, path.index(2));
}

static bool fromJSON(const json::Value &value, Note &note, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("message", note.message) && map.map("location", note.place);
}

static bool fromJSON(const json::Value &value, Report &report, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("message", report.message) && map.map("location", report.place) &&
         map.map("notes", report.notes);
}

std::string encode(const Request &request) {
  std::string header;
  llvm::raw_string_ostream stream(header);
  // File names need not be UTF-8, and JSON has to be.
  stream << json::Value(json::Object{{"pipeline", json::fixUTF8(request.pipeline)},
                                     {"filename", json::fixUTF8(request.filename)}});
  std::string message;
  llvm::raw_string_ostream(message) << kMagic << ' ' << kVersion << ' ' << header.size() << ' '
                                    << request.bytecode.size() << '\n'
                                    << header << request.bytecode;
  return message;
}

std::optional<Answer> decode(llvm::StringRef message, std::string &problem) {
  auto refuse = [&](const llvm::Twine &why) {
    problem = why.str();
    return std::nullopt;
  };
  if (message.empty())
    return refuse("nothing at all");
  auto [line, rest] = message.split('\n');
  llvm::SmallVector<llvm::StringRef> words;
  line.split(words, ' ');
  size_t headerSize = 0, bytecodeSize = 0;
  if (words.size() != 4 || words[0] != kMagic)
    return refuse("it does not begin as an answer does");
  if (words[1] != kVersion)
    return refuse("version '" + words[1] + "' of the protocol, where this plugin has " + kVersion);
  if (words[2].getAsInteger(10, headerSize) || words[3].getAsInteger(10, bytecodeSize))
    return refuse("it does not say how long it is");
  // Not as a sum, which may overflow.
  if (headerSize > rest.size() || bytecodeSize != rest.size() - headerSize)
    return refuse("it is not as long as it says");

  llvm::Expected<json::Value> header = json::parse(rest.take_front(headerSize));
  if (!header)
    return refuse(llvm::toString(header.takeError()));
  Answer answer;
  std::string status;
  uint64_t checksum = 0;
  json::Path::Root root("answer");
  json::ObjectMapper map(*header, root);
  if (!map || !map.map("status", status) || !map.map("errors", answer.reports) ||
      !map.map("dialects", answer.dialects) || !map.map("checksum", checksum))
    return refuse(llvm::toString(root.getError()));
  answer.done = status == "done";
  if (!answer.done && (status != "failed" || answer.reports.empty()))
    return refuse("neither a module nor an error");
  answer.bytecode = rest.drop_front(headerSize).str();
  if (!answer.done)
    return answer;
  if (checksum != llvm::crc32(llvm::arrayRefFromStringRef(answer.bytecode)))
    return refuse("the module was damaged on its way");
  if (!mlir::isBytecode(llvm::MemoryBufferRef(answer.bytecode, "answer")))
    return refuse("the module is not MLIR bytecode");
  return answer;
}

} // namespace einnet
