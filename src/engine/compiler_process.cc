#include "engine/compiler_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "engine/descriptor.h"

namespace berth::engine {
namespace {

constexpr char kName[] = "berth-compiler";
constexpr int kNiceness = 10;
constexpr size_t kMostMessage = 4096;

bool is_program(const std::string& path) { return access(path.c_str(), X_OK) == 0; }

std::string own_folder() {
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  const std::string path(self, n > 0 ? static_cast<size_t>(n) : 0);
  return path.substr(0, path.rfind('/') + 1);
}

Result<Descriptor> anonymous_file(const char* name) {
  Descriptor file(memfd_create(name, MFD_CLOEXEC));
  if (!file.is_open()) return fail(os_error(errno, "cannot make a temporary file"));
  return file;
}

std::string signal_text(int number) {
  const char* name = sigabbrev_np(number);
  return name ? std::string("SIG") + name : std::to_string(number);
}

// What the compiler wrote, without its name before it and the line end.
std::string message_in(int file) {
  char text[kMostMessage];
  const ssize_t n = pread(file, text, sizeof text, 0);
  std::string out(text, n > 0 ? static_cast<size_t>(n) : 0);
  while (out.ends_with('\n')) out.pop_back();
  const std::string prefix = std::string(kName) + ": ";
  return out.starts_with(prefix) ? out.substr(prefix.size()) : out;
}

std::unexpected<Error> cancelled() { return fail(ErrorCode::CompilerFailed, "it was cancelled"); }

Result<> outcome(int status, int messages, const Compilation& compilation) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  const std::string said = compilation.show_progress ? std::string() : message_in(messages);
  if (WIFEXITED(status))
    return fail(ErrorCode::CompilerFailed, said.empty() ? "exit code " + std::to_string(WEXITSTATUS(status)) : said);
  std::string what = "it was stopped by " + signal_text(WTERMSIG(status));
  if (said.find("out of memory") != std::string::npos || said.find("bad_alloc") != std::string::npos)
    what = "it ran out of memory";
  if (WTERMSIG(status) == SIGKILL) what += ", perhaps because the machine ran out of memory";
  return fail(ErrorCode::CompilerFailed, what);
}

Result<pid_t> start(const std::string& compiler, const Compilation& compilation, int input, int messages) {
  std::vector<std::string> words = {compiler, "-", "--output", compilation.output, "--attached"};
  words.insert(words.end(), compilation.options.begin(), compilation.options.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  if (!compilation.show_progress) posix_spawn_file_actions_adddup2(&actions, messages, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t child = 0;
  const int error = posix_spawn(&child, compiler.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail(os_error(error, "cannot run the compiler " + compiler));
  // Set from here, since a fork that could do it would copy the tables of a guest's memory.
#ifdef BERTH_INSTRUMENTED
  constexpr bool kLimited = false;  // sanitizers take terabytes of addresses
#else
  constexpr bool kLimited = true;
#endif
  if (kLimited && compilation.memory != 0) {
    const rlimit limit{compilation.memory, compilation.memory};
    prlimit(child, RLIMIT_AS, &limit, nullptr);
  }
  const rlimit no_core{0, 0};
  prlimit(child, RLIMIT_CORE, &no_core, nullptr);
  if (!compilation.is_urgent) setpriority(PRIO_PROCESS, static_cast<id_t>(child), kNiceness);
  return child;
}

}  // namespace

Result<std::string> find_compiler() {
  if (const char* named = std::getenv("BERTH_COMPILER"); named && *named) {
    if (is_program(named)) return std::string(named);
    return fail(ErrorCode::CompilerFailed,
                std::string("$BERTH_COMPILER is ") + named + ", and there is no program of that name");
  }
  const std::string folder = own_folder();
  if (is_program(folder + kName)) return folder + kName;
  const char* variable = std::getenv("PATH");
  std::string_view path = variable ? variable : "";
  while (!path.empty()) {
    const std::string_view entry = path.substr(0, path.find(':'));
    path.remove_prefix(std::min(path.size(), entry.size() + 1));
    // Not the current folder, however it is put: anybody may have filled that.
    const std::string candidate = std::string(entry) + "/" + kName;
    if (entry.starts_with('/') && is_program(candidate)) return candidate;
  }
  return fail(ErrorCode::CompilerFailed, "there is no berth-compiler in " + folder +
                                             " or in $PATH; install it there, or name it in $BERTH_COMPILER");
}

Result<> CompilerProcess::run(const std::string& compiler, const Compilation& compilation) {
  const Descriptor input = TRY(anonymous_file("module")), messages = TRY(anonymous_file("messages"));
  for (std::span<const u8> rest = compilation.module; !rest.empty();) {
    const ssize_t n = write(input.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(os_error(errno, "cannot write a temporary file"));
    rest = rest.subspan(static_cast<size_t>(n));
  }
  lseek(input.get(), 0, SEEK_SET);
  pid_t child = 0;
  {
    const std::lock_guard lock(mutex_);
    if (cancelled_) return cancelled();
    child = TRY(start(compiler, compilation, input.get(), messages.get()));
    running_.insert(child);
  }
  // Collected only once it is no longer among those that may be killed: its number is free again afterwards.
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) continue;
  {
    const std::lock_guard lock(mutex_);
    running_.erase(child);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (const std::lock_guard lock(mutex_); cancelled_) return cancelled();
  return outcome(status, messages.get(), compilation);
}

void CompilerProcess::cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  for (const pid_t child : running_) kill(child, SIGKILL);
}

}  // namespace berth::engine
