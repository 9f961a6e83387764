#include "container/files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

namespace berth::container {

namespace {

constexpr int kRaceRetries = 100;

Fd open_in(int root, const char* path, u64 resolve) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = resolve | RESOLVE_NO_MAGICLINKS;
  for (int tries = 0;; ++tries) {
    const long fd = ::syscall(SYS_openat2, root, path, &how, sizeof how);
    // EAGAIN: something was renamed meanwhile.
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR) || tries == kRaceRetries) return Fd(static_cast<int>(fd));
  }
}

// Opens what an O_PATH descriptor stands for.
Fd reopen_regular(const Fd& found) {
  if (!found) return {};
  struct stat status{};
  if (fstat(found.get(), &status) != 0) return {};
  if (!S_ISREG(status.st_mode)) {
    errno = S_ISDIR(status.st_mode) ? EISDIR : EACCES;
    return {};
  }
  const std::string self = "/proc/self/fd/" + std::to_string(found.get());
  return Fd(open(self.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
}

// The part of `path` below `folder`, "." for the folder itself; null when it is not below.
const char* below(const std::string& path, const std::string& folder) {
  if (folder == "/") return path.size() > 1 ? path.c_str() + 1 : ".";
  if (!path.starts_with(folder)) return nullptr;
  if (path.size() == folder.size()) return ".";
  return path[folder.size()] == '/' ? path.c_str() + folder.size() + 1 : nullptr;
}

bool is_bind(const json::Value& mount) {
  if (mount.text_at({"type"}) == "bind") return true;
  const json::Value* options = mount.find("options");
  return options && std::ranges::any_of(options->items(), [](const json::Value& option) {
           return option.string() == "bind" || option.string() == "rbind";
         });
}

}  // namespace

std::string absolute_path(std::string_view base, std::string_view path) {
  std::vector<std::string_view> parts;
  auto add = [&](std::string_view text) {
    while (!text.empty()) {
      const std::string_view part = text.substr(0, text.find('/'));
      text.remove_prefix(std::min(text.size(), part.size() + 1));
      if (part.empty() || part == ".") continue;
      if (part != "..") {
        parts.push_back(part);
      } else if (!parts.empty()) {
        parts.pop_back();
      }
    }
  };
  if (!path.starts_with('/')) add(base);
  add(path);
  std::string out;
  for (const auto part : parts) {
    out += '/';
    out += part;
  }
  return out.empty() ? "/" : out;
}

Result<ContainerFiles> ContainerFiles::planned(const json::Value& config, const std::string& bundle) {
  ContainerFiles files;
  const std::string root = absolute_path(bundle, config.text_at({"root", "path"}));
  files.root_ = Fd(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!files.root_) return fail(os_error(errno, "cannot open the root filesystem " + root));
  if (const json::Value* mounts = config.find("mounts")) {
    for (const json::Value& mount : mounts->items()) {
      const std::string_view source = mount.text_at({"source"});
      files.mounts_.push_back({absolute_path("/", mount.text_at({"destination"})),
                               is_bind(mount) && !source.empty() ? absolute_path(bundle, source) : std::string()});
    }
  }
  return files;
}

Result<ContainerFiles> ContainerFiles::of_process(pid_t pid) {
  ContainerFiles files;
  const std::string root = "/proc/" + std::to_string(pid) + "/root";
  files.root_ = Fd(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!files.root_) return fail(os_error(errno, "cannot open " + root));
  return files;
}

Fd ContainerFiles::open_regular(const std::string& path) const {
  const auto mount = std::find_if(mounts_.rbegin(), mounts_.rend(),
                                  [&](const Mount& m) { return below(path, m.destination) != nullptr; });
  if (mount == mounts_.rend()) return reopen_regular(open_in(root_.get(), path.c_str(), RESOLVE_IN_ROOT));
  if (mount->source.empty()) {
    errno = ENOENT;
    return {};
  }
  const Fd source(open(mount->source.c_str(), O_PATH | O_CLOEXEC));
  if (!source) return {};
  const char* rest = below(path, mount->destination);
  struct stat status{};
  if (fstat(source.get(), &status) != 0) return {};
  if (!S_ISDIR(status.st_mode)) return rest == std::string_view(".") ? reopen_regular(source) : Fd();
  return reopen_regular(open_in(source.get(), rest, RESOLVE_BENEATH));
}

}  // namespace berth::container
