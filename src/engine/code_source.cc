#include "engine/code_source.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <mutex>
#include <set>

namespace berth::engine {

namespace {

// A file without a name, for as long as this lives.
class AnonymousFile {
 public:
  AnonymousFile() : fd_(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) {}
  ~AnonymousFile() {
    if (fd_ >= 0) close(fd_);
  }
  AnonymousFile(const AnonymousFile&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::string beside_this_program() {
  if (const char* named = std::getenv("BERTH_COMPILER")) return named;
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  std::string path(self, n > 0 ? static_cast<size_t>(n) : 0);
  return path.substr(0, path.rfind('/') + 1) + "berth-compiler";
}

class CompilerSource final : public CodeSource {
 public:
  CompilerSource(std::string path, const CompilerOptions& options)
      : path_(path.empty() ? beside_this_program() : std::move(path)), options_(options) {}

  Result<std::shared_ptr<const native::Artifact>> make(const wasm::Module& module) override {
    const AnonymousFile input, messages;
    if (input.fd() < 0 || messages.fd() < 0) return fail(os_error(errno, "cannot make a temporary file"));
    for (size_t done = 0; done < module.bytes.size();) {
      const ssize_t n = write(input.fd(), module.bytes.data() + done, module.bytes.size() - done);
      if (n < 0) return fail(os_error(errno, "cannot write a temporary file"));
      done += static_cast<size_t>(n);
    }
    lseek(input.fd(), 0, SEEK_SET);
    char output[] = "/tmp/berth-XXXXXX";
    const int made = mkstemp(output);
    if (made < 0) return fail(os_error(errno, "cannot make a temporary file"));
    close(made);
    auto result = compile(input.fd(), messages.fd(), output);
    Result<std::shared_ptr<const native::Artifact>> artifact =
        result ? load(output, module) : fail(std::move(result).error());
    unlink(output);
    return artifact;
  }

  void cancel() override {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    for (const pid_t child : running_) kill(child, SIGKILL);
  }

 private:
  Result<> compile(int input, int messages, const std::string& output) {
    std::vector<std::string> arguments = {path_, "-", "-o", output, "--no-module"};
    if (options_.fuel) arguments.emplace_back("--fuel");
    if (options_.deterministic) arguments.emplace_back("--deterministic");
    std::vector<char*> argv;
    for (std::string& a : arguments) argv.push_back(a.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    posix_spawn_file_actions_adddup2(&actions, messages, 2);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t child = 0;
    int failed = ECANCELED;
    {
      const std::lock_guard lock(mutex_);
      if (!cancelled_) failed = posix_spawn(&child, path_.c_str(), &actions, &attributes, argv.data(), environ);
      if (failed == 0) running_.insert(child);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) return fail(os_error(failed, "cannot run the compiler " + path_));
    // Collected only once it is no longer among those that may be killed: its number is free again afterwards.
    siginfo_t ended;
    while (waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
    {
      const std::lock_guard lock(mutex_);
      running_.erase(child);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    char text[1000];
    const ssize_t n = pread(messages, text, sizeof text, 0);
    return fail(ErrorCode::CompilerFailed, std::string(text, n > 0 ? static_cast<size_t>(n) : 0));
  }

  Result<std::shared_ptr<const native::Artifact>> load(const std::string& path, const wasm::Module& module) const {
    native::ExpectedArtifact expected;
    expected.module = &module;
    expected.options = options_.fuel ? u32{abi::kCountsFuel} : 0;
    expected.option_mask = abi::kCountsFuel;
    return native::Artifact::open(path, expected);
  }

  const std::string path_;
  const CompilerOptions options_;
  std::mutex mutex_;
  std::set<pid_t> running_;
  bool cancelled_ = false;
};

}  // namespace

std::unique_ptr<CodeSource> make_compiler_source(std::string path, const CompilerOptions& options) {
  return std::make_unique<CompilerSource>(std::move(path), options);
}

}  // namespace berth::engine
