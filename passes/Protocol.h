// What the plugin and the worker say to each other.
//
// Either side sends one message: the line `einnet-worker 1 H M`, then H bytes of JSON, then M bytes
// of MLIR bytecode. python/einnet/cli/worker.py is the other side.
//   request: {"pipeline": text, "filename": text}
//   answer:  {"status": "done" or "failed", "checksum": CRC-32 of the bytecode,
//             "dialects": [names that the module's operations are of],
//             "errors": [{"message": text, "location": [file, line, column],
//                         "notes": [{"message": text, "location": ...}]}]}
// A line of 0 stands for no place in particular.
#ifndef EINNET_PROTOCOL_H
#define EINNET_PROTOCOL_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace einnet {

struct Request {
  std::string pipeline;
  std::string filename;
  std::string bytecode;
};

struct Place {
  std::string file;
  unsigned line = 0;
  unsigned column = 0;
};

struct Note {
  std::string message;
  Place place;
};

/// An error with its notes.
struct Report {
  std::string message;
  Place place;
  std::vector<Note> notes;
};

struct Answer {
  bool done = false;
  std::vector<Report> reports;
  std::vector<std::string> dialects;
  std::string bytecode;
};

std::string encode(const Request &request);

/// The answer, or nothing, and then `problem` says what is wrong with it. The bytecode of an answer
/// is what the worker wrote, byte for byte.
std::optional<Answer> decode(llvm::StringRef message, std::string &problem);

} // namespace einnet

#endif
