#include "Worker.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Program.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace einnet {
namespace {

constexpr const char *kInstall =
    "the Python interpreter must have einnet (pip install einnet); name another one with the pass "
    "option python=, or have its einnet-worker on PATH";
constexpr const char *kCrash =
    "einnet-opt runs the same passes outside of this process; if it crashes too, that is a bug";
constexpr const char *kLate = "give it longer with the pass option timeout=SECONDS";
/// The exit status after an internal error, which says itself where the report is.
constexpr int kInternalError = 70;

using Clock = std::chrono::steady_clock;

constexpr size_t kErrorsKept = 1 << 14;
/// How often the child is looked at: only what it leaves behind can keep its pipes open.
constexpr int kTickMilliseconds = 10;

/// A file descriptor that is closed with its owner.
class Descriptor {
public:
  Descriptor() = default;
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  ~Descriptor() { reset(); }

  void reset(int value = -1) {
    if (number >= 0)
      ::close(number);
    number = value;
  }
  int get() const { return number; }
  bool isOpen() const { return number >= 0; }

private:
  int number = -1;
};

/// A two-way channel between us and the child, closed on exec. A socket and not a pipe, since
/// writing to one whose other end is gone can be told not to raise SIGPIPE.
bool openChannel(Descriptor &ours, Descriptor &theirs) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return false;
  ours.reset(ends[0]);
  theirs.reset(ends[1]);
  return ::fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0;
}

/// Start the command as the leader of a process group of its own. Returns 0 or an error number.
int spawn(llvm::ArrayRef<std::string> command, int input, int output, int errors, pid_t &child) {
  std::vector<char *> arguments;
  for (const std::string &argument : command)
    arguments.push_back(const_cast<char *>(argument.c_str()));
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // The host may block or ignore signals by which the worker's own children are stopped.
  sigset_t none, standard;
  sigemptyset(&none);
  sigemptyset(&standard);
  sigaddset(&standard, SIGPIPE);
  sigaddset(&standard, SIGCHLD);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &standard);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int status = ::posix_spawnp(&child, arguments[0], &actions, &attributes, arguments.data(),
                              environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return status;
}

/// Read what is there; closes the descriptor at its end.
void drain(Descriptor &from, std::string &into) {
  char buffer[1 << 16];
  while (from.isOpen()) {
    ssize_t count = ::read(from.get(), buffer, sizeof(buffer));
    if (count > 0)
      into.append(buffer, static_cast<size_t>(count));
    else if (count < 0 && errno == EINTR)
      continue;
    else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      return;
    else
      from.reset();
  }
}

void keepEnd(std::string &text) {
  if (text.size() > kErrorsKept)
    text.erase(0, text.size() - kErrorsKept);
}

/// Write as much of the request as fits. A child that reads no further is not an error yet: its
/// exit status says more.
void feed(Descriptor &to, llvm::StringRef &request) {
  while (!request.empty()) {
    ssize_t count = ::send(to.get(), request.data(), request.size(), MSG_NOSIGNAL);
    if (count >= 0)
      request = request.drop_front(static_cast<size_t>(count));
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
      return;
    else if (errno != EINTR)
      request = llvm::StringRef();
  }
}

/// The exit status of the child if it has ended. A host that ignores SIGCHLD never learns it.
std::optional<int> ended(pid_t child) {
  int status = 0;
  pid_t result = ::waitpid(child, &status, WNOHANG);
  if (result == child)
    return status;
  if (result < 0 && errno == ECHILD)
    return 0;
  return std::nullopt;
}

/// Fill in how the child ended; nothing if it ended well.
void account(int status, WorkerRun &run) {
  if (WIFSIGNALED(status)) {
    const char *name = ::strsignal(WTERMSIG(status));
    run.failure = "was ended by signal " + std::to_string(WTERMSIG(status)) +
                  (name ? " (" + std::string(name) + ")" : "");
    run.hint = kCrash;
  } else if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
    run.failure = "exited with status " + std::to_string(WEXITSTATUS(status));
    if (WEXITSTATUS(status) != kInternalError)
      run.hint = kInstall;
  }
}

} // namespace

std::vector<std::string> workerCommand(llvm::StringRef python) {
  if (python.empty()) {
    if (llvm::ErrorOr<std::string> script = llvm::sys::findProgramByName("einnet-worker"))
      return {*script};
    python = "python3";
  }
  // -P: a file in the current folder must not pass for one of Python's modules.
  return {python.str(), "-P", "-m", "einnet.cli.worker"};
}

WorkerRun runWorker(llvm::ArrayRef<std::string> command, llvm::StringRef request,
                    std::chrono::seconds limit) {
  WorkerRun run;
  Descriptor input, output, errors, childInput, childOutput, childErrors;
  if (!openChannel(input, childInput) || !openChannel(output, childOutput) ||
      !openChannel(errors, childErrors)) {
    run.failure = std::string("has no pipes: ") + std::strerror(errno);
    return run;
  }
  pid_t child = -1;
  if (int error =
          spawn(command, childInput.get(), childOutput.get(), childErrors.get(), child)) {
    run.failure = std::string("cannot be started: ") + std::strerror(error);
    run.hint = kInstall;
    return run;
  }
  childInput.reset();
  childOutput.reset();
  childErrors.reset();

  // The input stays open to the end: its closing tells the worker that nobody waits any more.
  const Clock::time_point deadline = Clock::now() + limit;
  std::optional<int> status;
  bool late = false;
  while (!status && !late) {
    pollfd polled[] = {{output.get(), POLLIN, 0},
                       {errors.get(), POLLIN, 0},
                       {request.empty() ? -1 : input.get(), POLLOUT, 0}};
    ::poll(polled, 3, kTickMilliseconds);
    if (polled[2].revents)
      feed(input, request);
    drain(output, run.output);
    drain(errors, run.errors);
    keepEnd(run.errors);
    status = ended(child);
    late = Clock::now() >= deadline;
  }
  // What the worker started and left goes too.
  ::kill(-child, SIGKILL);
  if (!status) {
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    run.failure = "did not answer within " + std::to_string(limit.count()) + " s and was stopped";
    run.hint = kLate;
  } else {
    drain(output, run.output);
    drain(errors, run.errors);
    keepEnd(run.errors);
    account(*status, run);
  }
  return run;
}

} // namespace einnet
