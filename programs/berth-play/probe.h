// Probes of containers, by HTTP, by connecting, or by running a command. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "berth-play/loop.h"
#include "berth-play/network.h"
#include "kube/objects.h"

namespace berth::play {

// What a probe is done to.
struct ProbeTarget {
  Endpoint endpoint;               // for HTTP and TCP
  std::vector<std::string> words;  // for a command: what to run
  std::vector<std::pair<std::string, std::string>> environment;
  int network = -1;
  std::vector<std::string> cgroups;  // as for spawn
  bool any_status = false;           // whatever an HTTP server answers is well
};

// Does a probe again and again, as it says, until it goes.
class Prober {
 public:
  // `result` is told of each time: whether it went well, and if not, why.
  Prober(Loop& loop, const kube::Probe& probe, ProbeTarget target,
         std::function<void(bool, const std::string&)> result);
  ~Prober();
  Prober(const Prober&) = delete;

 private:
  struct Attempt;
  void begin();
  void begin_request();
  void begin_command();
  void proceed(short events);
  void finish(bool good, std::string why);

  Loop& loop_;
  const kube::Probe probe_;
  const ProbeTarget target_;
  const std::function<void(bool, const std::string&)> result_;
  u64 next_ = 0, deadline_ = 0;
  container::Fd socket_;
  std::string to_send_, received_;
  pid_t child_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Starts a process in a network namespace (-1: this one's), in a session of its own, which ends with this process.
// `output` and `errors` become its standard streams; -1: nothing is read or written. It goes into the control groups to
// whose files `cgroups` are the paths. Fails with System.
Result<pid_t> spawn(const std::vector<std::string>& words,
                    const std::vector<std::pair<std::string, std::string>>& environment, int network, int output,
                    int errors, const std::vector<std::string>& cgroups);

}  // namespace berth::play
