// The control groups of a container that is played: its limits of memory and processor time, as the kernel keeps them,
// and whether it has run out of memory. Root's. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "container/fd.h"

namespace berth::play {

struct Limits {
  std::optional<u64> memory;  // bytes
  std::optional<u64> cpu;     // thousandths of a processor
  bool any() const { return memory || cpu; }
};

class Cgroup {
 public:
  // Makes /berth-play/NAME with these limits in the hierarchies that keep them. Fails with System, saying what this
  // machine does not allow.
  static Result<std::unique_ptr<Cgroup>> make(const std::string& name, const Limits& limits);
  // Ends what is in it, and removes it.
  ~Cgroup();
  Cgroup(const Cgroup&) = delete;

  // Files to which a process writes "0" to go in.
  const std::vector<std::string>& entrances() const { return entrances_; }
  // Where a container runtime puts a container: below, so that the limits hold for it, and what it does away with when
  // the container has ended is not what tells why.
  std::string path_for_runtime() const { return path_ + "/container"; }
  // Whether memory ran out.
  bool ran_out_of_memory();

 private:
  Cgroup() = default;

  std::string name_, path_;
  std::vector<std::string> entrances_;
  std::string events_;    // version 2: the file that counts
  container::Fd notice_;  // version 1, which counts only where the process was: an eventfd that hears of it
  bool ran_out_ = false;
};

}  // namespace berth::play
