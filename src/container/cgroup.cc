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

}  // namespace

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

bool remove_cgroup(const std::string& path, const std::string& id) {
  if (!path.starts_with('/') || path.find("/../") != std::string::npos ||
      path.substr(path.rfind('/') + 1).find(id) == std::string::npos)
    return true;
  std::vector<std::string> all = {kMount + path};
  for (const std::string& hierarchy : folders_in(kMount)) all.push_back(std::string(kMount) + "/" + hierarchy + path);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    std::erase_if(all, [](const std::string& folder) { return access(folder.c_str(), F_OK) != 0; });
    if (all.empty()) return true;
    if (std::chrono::steady_clock::now() > end) return false;
    for (const std::string& folder : all) {
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
