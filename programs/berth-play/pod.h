// A pod that is played: its network, volumes and containers, started, watched and restarted as Kubernetes does it. One
// thread.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "berth-play/launch.h"
#include "berth-play/logs.h"
#include "berth-play/loop.h"
#include "berth-play/network.h"
#include "berth-play/probe.h"
#include "kube/objects.h"

namespace berth::play {

// What pods need of the application that they are part of.
struct Host {
  Loop& loop;
  const kube::Application& app;
  std::string folder;  // of the application
  std::map<std::string, Image> images;
  std::function<void(const std::string&)> say;  // what happens, for people
  // Service names and addresses, and variables, that a pod in a namespace finds.
  std::function<std::string(const std::string&)> hosts_lines;
  std::function<Variables(const std::string&)> service_variables;
  std::chrono::milliseconds first_back_off{10'000};
  bool prints_logs = false;
};

class Pod {
 public:
  enum class Phase : u8 { Pending, Running, Succeeded, Failed };

  // `changed` is called whenever the phase or readiness may have changed, from the loop.
  Pod(Host& host, kube::Metadata metadata, kube::PodSpec spec, std::function<void()> changed);
  ~Pod();
  Pod(const Pod&) = delete;

  void start();
  // Ends all containers, first asking them, as the grace period says, sidecars after the others; then calls.
  void stop(std::function<void()> stopped);

  const kube::Metadata& metadata() const { return metadata_; }
  const kube::PodSpec& spec() const { return spec_; }
  Phase phase() const;
  bool is_ready() const;
  bool is_stopped() const { return stopped_; }
  u32 restarts() const;
  // Where a service's connections go; nothing when no container has a port of that name.
  std::optional<Endpoint> endpoint(const kube::PortRef& port) const;
  // The namespace; nothing where the pod uses this machine's.
  const std::shared_ptr<const Network>& network() const { return network_; }
  json::Value describe() const;

 private:
  struct Container;

  Result<> set_up();
  Result<> make_volumes();
  Result<Variables> variables_of(const kube::Container& container) const;
  Result<LaunchRequest> request_for(Container& container);
  std::shared_ptr<Cgroup> limits_for(const Container& container, const std::string& id);
  void end_limits(Container& container);
  void begin_next();
  void begin(Container& container);
  void cannot_begin(Container& container, const std::string& why);
  void ended(Container& container, int status);
  void end(Container& container, const std::string& why, std::optional<kube::Seconds> grace = {});
  void end_sidecars();
  bool mains_have_ended() const;
  void kill_container(Container& container, int signal);
  void restart_later(Container& container);
  void begin_hook(Container& container, const kube::Hook& hook, std::chrono::milliseconds patience,
                  std::function<void(bool, const std::string&)> done);
  void end_hook(Container& container);
  void running(Container& container);
  void begin_probes(Container& container);
  ProbeTarget target_of(const Container& container, const kube::Probe& probe) const;
  static std::vector<std::string> cgroups_of(const Container& container);
  void watch_container(Container& container);
  void end_probes(Container& container);
  void probed(Container& container, int which, bool good, const std::string& what);
  void check_stopped();
  std::string field(const std::string& path) const;
  std::string status_word() const;

  Host& host_;
  const kube::Metadata metadata_;
  const kube::PodSpec spec_;
  const std::function<void()> changed_;
  const std::string folder_;
  std::shared_ptr<const Network> network_;
  std::list<Container> containers_;  // init containers first
  std::function<void()> when_stopped_;
  bool stopping_ = false, stopped_ = false, failed_ = false, said_no_limits_ = false;
  const std::chrono::system_clock::time_point made_ = std::chrono::system_clock::now();
};

std::string_view to_string(Pod::Phase phase);

}  // namespace berth::play
