// An application that is played: its pods, deployments, jobs and services, until it is stopped or has ended. One
// thread.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "berth-play/pod.h"

namespace berth::play {

// A port of this machine that leads to a service or pod.
struct Publication {
  std::string address = "127.0.0.1";
  u16 port = 0;
  std::string name;
  u16 target = 0;  // of the service or pod; 0: its only one
};

struct PlayOptions {
  std::string folder;  // of the application; locked
  std::vector<Publication> publications;
  std::map<std::string, Image> images;
  std::chrono::milliseconds first_back_off{10'000};
  bool prints_logs = true;
};

class Player {
 public:
  Player(kube::Application app, PlayOptions options);
  ~Player();
  Player(const Player&) = delete;

  // Listens where it is to be asked and published. Fails with System, or BadArgument for publications of what is not
  // there.
  Result<> set_up();
  // Until it is stopped by a signal or by being asked to, or everything has ended. 0, or 1 when something has failed.
  int run();

 private:
  struct Owned;
  struct Address;
  struct Job;
  struct Cron;

  void add_pod(kube::Metadata metadata, const kube::PodSpec& spec, const std::string& owner);
  void pod_changed();
  void reconcile();
  void reconcile_job(Job& job);
  void fail_job(Job& job, const std::string& why);
  void begin_cron(Cron& cron);
  void check_cron(Cron& cron);
  void run_cron(Cron& cron, time_t due);
  void remove_job(Job& job);
  void prune_jobs();
  bool has_ended() const;
  void begin_stop();
  Result<> open_services();
  Result<> open_publication(const Publication& publication);
  Result<> open_control();
  void forward_in(Owned& owned);
  void publish_host_ports(Owned& owned);
  void answer();
  json::Value describe(bool with_usage) const;
  std::optional<Endpoint> choose(const kube::Service& service, const kube::PortRef& target);

  const kube::Application app_;
  const PlayOptions options_;
  Loop loop_;
  Host host_;
  std::list<Owned> pods_;
  std::list<Job> jobs_;
  std::list<Cron> crons_;
  std::vector<Address> services_;
  std::vector<std::unique_ptr<Forwarder>> forwarders_;
  std::vector<std::string> published_;  // of services and by name; pods have their own
  container::Fd control_, signals_;
  u64 reconciling_ = 0;
  size_t next_ = 0;
  bool stopping_ = false, failed_ = false;
};

}  // namespace berth::play
