#include "berth-play/usage.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "container/text.h"
#include "os/file.h"

namespace berth::play {

namespace {

struct Process {
  pid_t parent = 0;
  Usage usage;
};

// Fields as proc(5) numbers them, of what comes behind the name.
std::optional<Process> read_process(const std::string& folder) {
  const auto stat = os::read_file(folder + "/stat", 1 << 16);
  const auto statm = os::read_file(folder + "/statm", 1 << 12);
  if (!stat || !statm) return std::nullopt;
  std::string_view text(reinterpret_cast<const char*>(stat->data()), stat->size());
  text.remove_prefix(std::min(text.rfind(')') + 1, text.size()));
  const auto fields = container::split(text, ' ');
  const auto pages = container::split({reinterpret_cast<const char*>(statm->data()), statm->size()}, ' ');
  if (fields.size() < 15 || pages.size() < 3) return std::nullopt;
  const u64 tick_us = 1'000'000 / static_cast<u64>(sysconf(_SC_CLK_TCK));
  Process out;
  out.parent = std::atoi(fields[1].c_str());
  for (size_t i = 11; i < 15; ++i) out.usage.cpu_us += std::strtoull(fields[i].c_str(), nullptr, 10) * tick_us;
  const u64 resident = std::strtoull(pages[1].c_str(), nullptr, 10),
            shared = std::strtoull(pages[2].c_str(), nullptr, 10);
  out.usage.memory_bytes = (resident - std::min(resident, shared)) * static_cast<u64>(sysconf(_SC_PAGESIZE));
  out.usage.processes = 1;
  return out;
}

}  // namespace

std::map<pid_t, Usage> usage_of(const std::vector<pid_t>& roots) {
  std::map<pid_t, Process> all;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    if (auto process = read_process(entry.path())) all[pid] = std::move(*process);
  }
  std::map<pid_t, Usage> out;
  for (const pid_t root : roots) out[root];
  for (const auto& [pid, process] : all) {
    pid_t at = pid;
    for (int depth = 0; depth < 64 && at > 1; ++depth) {
      if (const auto found = out.find(at); found != out.end()) {
        found->second.cpu_us += process.usage.cpu_us;
        found->second.memory_bytes += process.usage.memory_bytes;
        ++found->second.processes;
        break;
      }
      const auto parent = all.find(at);
      if (parent == all.end()) break;
      at = parent->second.parent;
    }
  }
  return out;
}

}  // namespace berth::play
