#include "container/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "container/fd.h"
#include "container/node.h"
#include "container/process.h"
#include "container/text.h"
#include "os/file.h"

namespace berth::container {

namespace {

constexpr char kMount[] = "/sys/fs/cgroup";
constexpr auto kPatience = std::chrono::seconds(5);

std::vector<std::string> folders_in(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(path.c_str()), closedir);
  while (folder) {
    const dirent* entry = readdir(folder.get());
    if (!entry) break;
    const std::string name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") names.push_back(name);
  }
  return names;
}

// Kills what is in a cgroup and below it, and removes what is empty.
void clear(const std::string& path) {
  for (const std::string& name : folders_in(path)) clear(path + "/" + name);
  if (const auto bytes = os::read_file(path + "/cgroup.procs")) {
    const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    for (const std::string& line : split(text, '\n')) {
      pid_t pid = 0;
      std::from_chars(line.data(), line.data() + line.size(), pid);
      if (pid > 0) kill(pid, SIGKILL);
    }
  }
  rmdir(path.c_str());
}

// A scope of systemd's; without a name, none.
class Scope {
 public:
  explicit Scope(std::string name) : name_(std::move(name)) {
    if (!name_.empty()) systemctl_ = find_program("systemctl");
  }
  // Does not wait: what is in it may not hear of the signal that systemd sends, and is ended by us.
  void stop() const {
    if (!systemctl_.empty())
      static_cast<void>(capture_process({systemctl_, "stop", "--quiet", "--no-block", "--", name_}));
  }
  bool is_active() const {
    if (systemctl_.empty()) return false;
    const auto asked = capture_process({systemctl_, "is-active", "--quiet", "--", name_});
    return asked && asked->exit_code == 0;
  }

 private:
  std::string name_, systemctl_;
};

}  // namespace

std::string cgroup_folder(std::string_view path) {
  if (path.starts_with('/')) return std::string(path);
  const size_t first = path.find(':'), second = path.find(':', std::min(first, path.size() - 1) + 1);
  if (path.empty() || first == std::string_view::npos || second == std::string_view::npos) return {};
  std::string slice(path.substr(0, first));
  const std::string prefix(path.substr(first + 1, second - first - 1)), name(path.substr(second + 1));
  if (slice.empty()) slice = "system.slice";
  if (name.empty() || path.find('/') != std::string_view::npos || !slice.ends_with(".slice")) return {};
  // A slice "a-b.slice" is in "a.slice"; "-.slice" is where all are.
  std::string folder;
  for (size_t at = 0; slice != "-.slice" && (at = slice.find('-', at)) != std::string::npos; ++at)
    folder += "/" + slice.substr(0, at) + ".slice";
  if (slice != "-.slice") folder += "/" + slice;
  // A name that says so is a slice of its own, and none has a prefix that is not there.
  if (name.ends_with(".slice")) return folder + "/" + name;
  return folder + "/" + (prefix.empty() ? "" : prefix + "-") + name + ".scope";
}

void leave_cgroup() {
  std::vector<std::string> roots = {kMount};
  for (const std::string& hierarchy : folders_in(kMount)) roots.push_back(std::string(kMount) + "/" + hierarchy);
  for (const std::string& root : roots) {
    // Of version 2 only the root itself: below it are others' cgroups.
    if (root != kMount && access((std::string(kMount) + "/cgroup.procs").c_str(), F_OK) == 0) return;
    const Fd file(open((root + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (file) [[maybe_unused]]
      const ssize_t ignored = write(file.get(), "0", 1);
  }
}

bool remove_cgroup(const std::string& given, const std::string& id) {
  const std::string path = cgroup_folder(given);
  if (!path.starts_with('/') || path.find("/../") != std::string::npos ||
      path.substr(path.rfind('/') + 1).find(id) == std::string::npos)
    return true;
  std::vector<std::string> all = {kMount + path};
  for (const std::string& hierarchy : folders_in(kMount)) all.push_back(std::string(kMount) + "/" + hierarchy + path);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  Scope scope(given.starts_with('/') ? "" : path.substr(path.rfind('/') + 1));
  scope.stop();
  while (true) {
    // All of them each time: systemd may be about to make what it was asked for.
    std::vector<std::string> left = all;
    std::erase_if(left, [](const std::string& folder) { return access(folder.c_str(), F_OK) != 0; });
    if (left.empty() && !scope.is_active()) return true;
    if (std::chrono::steady_clock::now() > end) return false;
    for (const std::string& folder : left) {
      // A frozen process does not die.
      if (FILE* state = fopen((folder + "/freezer.state").c_str(), "we")) {
        fputs("THAWED", state);
        fclose(state);
      }
      clear(folder);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace berth::container
