#include "engine/awaited_code.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>

#include "os/file.h"

namespace berth::engine {

namespace {

constexpr u64 kMostReason = 4096;
// Where the kernel tells of no changes (a network file system), the file is looked for this often.
constexpr int kLookAgainMs = 5000;

class AwaitedSource final : public CodeSource {
 public:
  AwaitedSource(std::string path, const CompilerOptions& options)
      : path_(std::move(path)), options_(options), cancelled_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  std::shared_ptr<const native::Artifact> find(const wasm::Module& module) override {
    auto found = look(module);
    return found ? std::move(*found) : nullptr;
  }

  Result<std::shared_ptr<const native::Artifact>> make(const wasm::Module& module) override {
    const Descriptor changes(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    const std::string folder = path_.substr(0, path_.rfind('/') + 1);
    if (changes.is_open()) inotify_add_watch(changes.get(), folder.c_str(), IN_MOVED_TO | IN_CREATE | IN_CLOSE_WRITE);
    while (true) {
      // After the watch was set, so that nothing is missed.
      auto found = TRY(look(module));
      if (found != nullptr) return found;
      if (const auto reason = os::read_file(path_ + ".failed", kMostReason))
        return fail(ErrorCode::CompilerFailed, std::string(reason->begin(), reason->end()));
      pollfd wait[] = {{cancelled_.get(), POLLIN, 0}, {changes.get(), POLLIN, 0}};
      if (poll(wait, 2, kLookAgainMs) < 0 && errno != EINTR) return fail(os_error(errno, "cannot wait for " + path_));
      if (wait[0].revents != 0) return fail(ErrorCode::CompilerFailed, "it was cancelled");
      alignas(inotify_event) char events[4096];
      while (changes.is_open() && read(changes.get(), events, sizeof events) > 0) continue;
    }
  }

  void cancel() override {
    const u64 one = 1;
    [[maybe_unused]] const ssize_t written = write(cancelled_.get(), &one, sizeof one);
  }

 private:
  // Null: it is not there yet.
  Result<std::shared_ptr<const native::Artifact>> look(const wasm::Module& module) const {
    const Descriptor file(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.is_open()) {
      if (errno == ENOENT) return nullptr;
      return fail(os_error(errno, "cannot open " + path_));
    }
    const auto summary = TRY(read_summary(file.get(), path_));
    const WantedArtifact wanted{sha256(module.bytes), artifact_options(options_)};
    if (const std::string why = why_unfit(summary, wanted); !why.empty())
      return fail(ErrorCode::BadArtifact, path_ + ": " + why);
    native::ExpectedArtifact expected;
    expected.module = &module;
    return native::Artifact::open(file.get(), path_, expected);
  }

  const std::string path_;
  const CompilerOptions options_;
  const Descriptor cancelled_;
};

}  // namespace

std::unique_ptr<CodeSource> make_awaited_source(std::string path, const CompilerOptions& options) {
  return std::make_unique<AwaitedSource>(std::move(path), options);
}

}  // namespace berth::engine
