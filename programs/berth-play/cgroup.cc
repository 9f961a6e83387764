#include "berth-play/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "container/cgroup.h"
#include "container/text.h"
#include "os/file.h"

namespace berth::play {

namespace {

using container::Fd;

constexpr char kMount[] = "/sys/fs/cgroup";
constexpr u64 kPeriod = 100'000, kLeastQuota = 1'000;  // microseconds

Result<> write_to(const std::string& path, const std::string& text) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || write(file.get(), text.data(), text.size()) < 0) return fail(os_error(errno, "cannot write " + path));
  return {};
}

Result<> make_folder(const std::string& path) {
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return fail(os_error(errno, "cannot make " + path));
  return {};
}

// Of "oom_kill 3" in a file of such lines.
u64 count_in(const std::string& path, std::string_view name) {
  const auto bytes = os::read_file(path, 1 << 16);
  if (!bytes) return 0;
  for (const std::string& line :
       container::split({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, '\n')) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ') continue;
    u64 count = 0;
    std::from_chars(line.data() + name.size() + 1, line.data() + line.size(), count);
    return count;
  }
  return 0;
}

u64 quota_of(u64 cpu) { return std::max(cpu * kPeriod / 1000, kLeastQuota); }

}  // namespace

Result<std::unique_ptr<Cgroup>> Cgroup::make(const std::string& name, const Limits& limits) {
  std::unique_ptr<Cgroup> out(new Cgroup);
  out->name_ = name;
  out->path_ = "/berth-play/" + name;
  struct statfs status{};
  if (statfs(kMount, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC) {
    const std::string top = std::string(kMount) + "/berth-play", own = kMount + out->path_;
    TRY(make_folder(top));
    for (const std::string& folder : {std::string(kMount), top})
      TRY(write_to(folder + "/cgroup.subtree_control", "+memory +cpu"));
    TRY(make_folder(own));
    if (limits.memory) {
      TRY(write_to(own + "/memory.max", std::to_string(*limits.memory)));
      // As Kubernetes has it, who may use so much memory does not get more from a disk. There may be none.
      static_cast<void>(write_to(own + "/memory.swap.max", "0"));
    }
    if (limits.cpu)
      TRY(write_to(own + "/cpu.max", std::to_string(quota_of(*limits.cpu)) + " " + std::to_string(kPeriod)));
    out->entrances_ = {own + "/cgroup.procs"};
    out->events_ = own + "/memory.events";
    return out;
  }
  auto make_in = [&](const char* hierarchy) -> Result<std::string> {
    const std::string top = std::string(kMount) + "/" + hierarchy + "/berth-play";
    TRY(make_folder(top));
    const std::string own = top + "/" + name;
    TRY(make_folder(own));
    out->entrances_.push_back(own + "/cgroup.procs");
    return own;
  };
  if (limits.memory) {
    const std::string own = TRY(make_in("memory"));
    TRY(write_to(own + "/memory.limit_in_bytes", std::to_string(*limits.memory)));
    static_cast<void>(write_to(own + "/memory.memsw.limit_in_bytes", std::to_string(*limits.memory)));
    const Fd events(open((own + "/memory.oom_control").c_str(), O_RDONLY | O_CLOEXEC));
    out->notice_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!events || !out->notice_) return fail(os_error(errno, "cannot watch the memory of " + own));
    TRY(write_to(own + "/cgroup.event_control",
                 std::to_string(out->notice_.get()) + " " + std::to_string(events.get())));
  }
  if (limits.cpu) {
    const std::string own = TRY(make_in("cpu"));
    TRY(write_to(own + "/cpu.cfs_period_us", std::to_string(kPeriod)));
    TRY(write_to(own + "/cpu.cfs_quota_us", std::to_string(quota_of(*limits.cpu))));
  }
  return out;
}

bool Cgroup::ran_out_of_memory() {
  u64 count = events_.empty() ? 0 : count_in(events_, "oom_kill");
  if (notice_ && read(notice_.get(), &count, sizeof count) < 0) count = 0;
  return ran_out_ |= count != 0;
}

Cgroup::~Cgroup() {
  if (!name_.empty()) static_cast<void>(container::remove_cgroup(path_, name_));
}

}  // namespace berth::play
