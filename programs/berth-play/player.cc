#include "berth-play/player.h"

#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "berth-play/calendar.h"
#include "berth-play/usage.h"
#include "cli/output.h"

namespace berth::play {

namespace {

// Letters that make no words, as Kubernetes has them.
std::string random_suffix(size_t length, u64 seed = 0) {
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  if (seed == 0) [[maybe_unused]]
    const ssize_t got = getrandom(&seed, sizeof seed, 0);
  std::string out;
  for (size_t i = 0; i < length; ++i) {
    out += kLetters[seed % kLetters.size()];
    seed /= kLetters.size();
  }
  return out;
}

std::string service_address(size_t index) {
  return "127.96." + std::to_string(index / 250) + "." + std::to_string(index % 250 + 1);
}

std::string upper(std::string text) {
  for (char& c : text) c = c == '-' || c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

}  // namespace

struct Player::Owned {
  std::string owner;  // "Deployment/a", "Job/b"; empty for a pod of its own
  std::unique_ptr<Pod> pod;
  std::vector<std::unique_ptr<Forwarder>> forwarders;
  std::vector<std::string> published;
};

struct Player::Address {
  const kube::Service* service;
  std::string address;
};

struct Player::Job {
  std::shared_ptr<const kube::Job> spec;
  std::string cron;  // whose it is; empty: its own
  u32 succeeded = 0, failed = 0, active = 0;
  u64 retry = 0, deadline = 0;
  bool done = false, has_failed = false, is_unwanted = false;
  std::string name() const { return "Job/" + spec->metadata.name_space + "/" + spec->metadata.name; }
};

struct Player::Cron {
  const kube::CronJob* spec;
  time_t last = 0;  // the moment that was looked at last
  std::optional<time_t> next;
};

Player::Player(kube::Application app, PlayOptions options)
    : app_(std::move(app)),
      options_(std::move(options)),
      host_{loop_, app_, options_.folder, options_.images, {}, {}, {}, options_.first_back_off, options_.prints_logs} {
  host_.say = [](const std::string& text) { cli::print_message(text); };
  for (const kube::Service& service : app_.services) services_.push_back({&service, service_address(services_.size())});
  host_.hosts_lines = [this](const std::string& name_space) {
    std::string out;
    for (const Address& a : services_) {
      const std::string &name = a.service->metadata.name, &in = a.service->metadata.name_space;
      const std::string whole = name + "." + in;
      out += a.address + " " + (in == name_space ? name + " " : "") + whole + " " + whole + ".svc " + whole +
             ".svc.cluster.local\n";
    }
    return out;
  };
  host_.service_variables = [this](const std::string& name_space) {
    Variables out;
    for (const Address& a : services_) {
      if (a.service->metadata.name_space != name_space) continue;
      const std::string name = upper(a.service->metadata.name);
      out.emplace_back(name + "_SERVICE_HOST", a.address);
      out.emplace_back(name + "_SERVICE_PORT", std::to_string(a.service->ports[0].port));
    }
    return out;
  };
}

Player::~Player() = default;

Result<> Player::set_up() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signals_ = container::Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return fail(os_error(errno, "cannot wait for signals"));
  loop_.watch(signals_.get(), POLLIN, [this](short) {
    signalfd_siginfo info;
    while (read(signals_.get(), &info, sizeof info) == sizeof info) {
      if (info.ssi_signo != SIGCHLD) begin_stop();
    }
    loop_.reap();
  });
  for (const kube::CronJob& cron : app_.cron_jobs) TRY(check_zone(cron.time_zone));
  TRY(open_control());
  TRY(open_services());
  for (const Publication& publication : options_.publications) TRY(open_publication(publication));
  return {};
}

Result<> Player::open_control() {
  const std::string path = options_.folder + "/control";
  unlink(path.c_str());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(ErrorCode::System, path + " is too long for a socket");
  std::strcpy(address.sun_path, path.c_str());
  control_ = container::Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!control_ || bind(control_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(control_.get(), 16) != 0)
    return fail(os_error(errno, "cannot listen at " + path));
  loop_.watch(control_.get(), POLLIN, [this](short) { answer(); });
  return {};
}

void Player::answer() {
  const container::Fd client(accept4(control_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client) return;
  const timeval patience{1, 0};
  setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  char question[64];
  const ssize_t n = read(client.get(), question, sizeof question);
  const std::string_view text(question, n > 0 ? static_cast<size_t>(n) : 0);
  const std::string out = json::to_text(describe(text == "usage\n"));
  if (text == "stop\n") begin_stop();
  cli::write_all(client.get(), out);
}

std::optional<Endpoint> Player::choose(const kube::Service& service, const kube::PortRef& target) {
  std::vector<Endpoint> endpoints;
  for (const Owned& owned : pods_) {
    const Pod& pod = *owned.pod;
    if (service.selector.empty() || pod.metadata().name_space != service.metadata.name_space ||
        !kube::matches(service.selector, pod.metadata().labels) || !(pod.is_ready() || service.also_not_ready))
      continue;
    if (auto endpoint = pod.endpoint(target)) endpoints.push_back(std::move(*endpoint));
  }
  if (endpoints.empty()) return std::nullopt;
  return endpoints[next_++ % endpoints.size()];
}

Result<> Player::open_services() {
  for (const Address& a : services_) {
    for (const kube::ServicePort& port : a.service->ports) {
      auto pick = [this, service = a.service, target = port.target] { return choose(*service, target); };
      // For people on this machine; pods have their own.
      if (auto opened = Forwarder::open(loop_, nullptr, a.address, port.port, pick)) {
        forwarders_.push_back(std::move(*opened));
        published_.push_back(a.address + ":" + std::to_string(port.port) + " -> service " + a.service->metadata.name);
      } else if (port.port >= 1024) {
        cli::print_message("note: " + opened.error().to_string());
      }
      const u16 outside = a.service->kind == kube::Service::Kind::LoadBalancer ? port.port : port.node_port;
      if (a.service->kind == kube::Service::Kind::ClusterIP || outside == 0) continue;
      forwarders_.push_back(TRY(Forwarder::open(loop_, nullptr, "0.0.0.0", outside, pick)));
      published_.push_back("0.0.0.0:" + std::to_string(outside) + " -> service " + a.service->metadata.name);
    }
  }
  return {};
}

Result<> Player::open_publication(const Publication& p) {
  std::function<std::optional<Endpoint>()> pick;
  const std::string where = p.address + ":" + std::to_string(p.port);
  for (const kube::Service& service : app_.services) {
    if (service.metadata.name != p.name) continue;
    if (p.target == 0 && service.ports.size() != 1)
      return fail(ErrorCode::BadArgument, "--publish: service " + p.name + " has several ports; name one");
    for (const kube::ServicePort& port : service.ports) {
      if (p.target == 0 || port.port == p.target)
        pick = [this, &service, target = port.target] { return choose(service, target); };
    }
    if (!pick)
      return fail(ErrorCode::BadArgument, "--publish: service " + p.name + " has no port " + std::to_string(p.target));
  }
  for (const kube::Pod& pod : app_.pods) {
    if (pick || pod.metadata.name != p.name) continue;
    u16 target = p.target;
    for (const kube::Container& c : pod.spec.containers)
      if (target == 0 && !c.ports.empty()) target = c.ports[0].port;
    if (target == 0) return fail(ErrorCode::BadArgument, "--publish: pod " + p.name + " names no port; name one");
    pick = [this, name = p.name, target]() -> std::optional<Endpoint> {
      for (const Owned& owned : pods_)
        if (owned.pod->metadata().name == name && owned.owner.empty()) return owned.pod->endpoint({target, {}});
      return std::nullopt;
    };
  }
  if (!pick) return fail(ErrorCode::BadArgument, "--publish: there is no service or pod called " + p.name);
  forwarders_.push_back(TRY(Forwarder::open(loop_, nullptr, p.address, p.port, pick)));
  published_.push_back(where + " -> " + p.name);
  return {};
}

// Services, at their addresses, in the network of a pod.
void Player::forward_in(Owned& owned) {
  const Pod& pod = *owned.pod;
  if (!pod.network()) return;
  for (const Address& a : services_) {
    for (const kube::ServicePort& port : a.service->ports) {
      auto opened =
          Forwarder::open(loop_, pod.network().get(), a.address, port.port,
                          [this, service = a.service, target = port.target] { return choose(*service, target); });
      if (opened) {
        owned.forwarders.push_back(std::move(*opened));
      } else {
        host_.say("note: pod " + pod.metadata().name + ": " + opened.error().to_string());
      }
    }
  }
}

void Player::publish_host_ports(Owned& owned) {
  Pod& pod = *owned.pod;
  const kube::PodSpec& spec = pod.spec();
  for (const kube::Container& c : spec.containers) {
    for (const kube::ContainerPort& port : c.ports) {
      if (port.host_port == 0 || spec.host_network) continue;
      const std::string address = port.host_ip.empty() ? "0.0.0.0" : port.host_ip;
      auto opened = Forwarder::open(loop_, nullptr, address, port.host_port,
                                    [&pod, number = port.port] { return pod.endpoint({number, {}}); });
      if (opened) {
        owned.forwarders.push_back(std::move(*opened));
        owned.published.push_back(address + ":" + std::to_string(port.host_port) + " -> pod " + pod.metadata().name);
      } else {
        host_.say("pod " + pod.metadata().name + ": hostPort: " + opened.error().to_string());
      }
    }
  }
}

void Player::add_pod(kube::Metadata metadata, const kube::PodSpec& spec, const std::string& owner) {
  auto pod = std::make_unique<Pod>(host_, std::move(metadata), spec, [this] { pod_changed(); });
  Owned& added = pods_.emplace_back(owner, std::move(pod));
  added.pod->start();
  forward_in(added);
  publish_host_ports(added);
}

void Player::pod_changed() {
  if (reconciling_ != 0) return;
  reconciling_ = loop_.after({}, [this] {
    reconciling_ = 0;
    reconcile();
  });
}

void Player::reconcile() {
  if (stopping_) return;
  for (Job& job : jobs_) reconcile_job(job);
  prune_jobs();
  if (has_ended()) begin_stop();
}

void Player::fail_job(Job& job, const std::string& why) {
  job.done = job.has_failed = true;
  // What a CronJob tries may fail, and is tried again when its time comes.
  failed_ |= job.cron.empty();
  loop_.cancel(std::exchange(job.retry, 0));
  host_.say("job " + job.spec->metadata.name + ": failed: " + why);
  for (const Owned& owned : pods_)
    if (owned.owner == job.name()) owned.pod->stop([this] { pod_changed(); });
}

void Player::reconcile_job(Job& job) {
  if (job.done) return;
  const kube::Job& spec = *job.spec;
  job.succeeded = job.failed = job.active = 0;
  u32 restarts = 0;
  for (const Owned& owned : pods_) {
    if (owned.owner != job.name()) continue;
    const Pod::Phase phase = owned.pod->phase();
    job.succeeded += phase == Pod::Phase::Succeeded;
    job.failed += phase == Pod::Phase::Failed;
    job.active += phase == Pod::Phase::Pending || phase == Pod::Phase::Running;
    restarts += owned.pod->restarts();
  }
  if (spec.most_active && job.deadline == 0) {
    job.deadline = loop_.after(*spec.most_active, [this, &job] {
      if (!job.done && !stopping_) fail_job(job, "it has run for longer than its activeDeadlineSeconds");
    });
  }
  if (job.succeeded >= spec.completions) {
    job.done = true;
    loop_.cancel(job.deadline);
    host_.say("job " + spec.metadata.name + ": complete");
    return;
  }
  if (job.failed > spec.backoff_limit || restarts > spec.backoff_limit)
    return fail_job(job, "it has reached its backoffLimit of " + std::to_string(spec.backoff_limit));
  if (job.retry != 0) return;
  const u32 wanted = std::min(spec.parallelism, spec.completions - job.succeeded);
  if (job.active >= wanted) return;
  auto add = [this, &job, &spec] {
    kube::Metadata metadata = spec.pod.metadata;
    metadata.name = spec.metadata.name + "-" + random_suffix(5);
    metadata.name_space = spec.metadata.name_space;
    metadata.labels["job-name"] = metadata.labels["batch.kubernetes.io/job-name"] = spec.metadata.name;
    add_pod(std::move(metadata), spec.pod.spec, job.name());
  };
  if (job.failed == 0) {
    for (u32 i = job.active; i < wanted; ++i) add();
    return;
  }
  const auto wait = options_.first_back_off * (1 << std::min(job.failed - 1, 5U));
  job.retry = loop_.after(wait, [this, &job, add] {
    job.retry = 0;
    if (stopping_) return;
    add();
    pod_changed();
  });
}

void Player::begin_cron(Cron& cron) {
  cron.last = time(nullptr);
  check_cron(cron);
}

// Begins what is due, and looks again when the next one is; or earlier, since a machine may sleep, and its clock be
// set.
void Player::check_cron(Cron& cron) {
  constexpr time_t kOften = 30;
  const kube::CronJob& spec = *cron.spec;
  const time_t now = time(nullptr);
  if (now < cron.last) cron.next.reset();
  if (cron.next && now >= *cron.next) {
    const time_t due = *cron.next;
    // Of several that were slept through, the latest counts.
    cron.last = spec.schedule.every ? due : now;
    cron.next.reset();
    if (!spec.most_late || now - due <= spec.most_late->count()) run_cron(cron, due);
  } else if (!cron.next) {
    cron.last = std::min(cron.last, now);
  }
  if (!cron.next) cron.next = next_time(spec.schedule, cron.last, spec.time_zone);
  if (!cron.next) return host_.say("cronjob " + spec.metadata.name + ": its schedule has no time that ever comes");
  const time_t wait = std::clamp<time_t>(*cron.next - time(nullptr), 0, kOften);
  loop_.after(std::chrono::seconds(wait), [this, &cron] {
    if (!stopping_) check_cron(cron);
  });
}

void Player::run_cron(Cron& cron, time_t due) {
  const kube::CronJob& spec = *cron.spec;
  const std::string owner = spec.metadata.name_space + "/" + spec.metadata.name;
  for (Job& job : jobs_) {
    if (job.cron != owner || job.done) continue;
    if (spec.concurrency == kube::Concurrency::Forbid)
      return host_.say("cronjob " + spec.metadata.name + ": it is time, but job " + job.spec->metadata.name +
                       " still runs");
    if (spec.concurrency != kube::Concurrency::Replace) continue;
    job.is_unwanted = job.done = true;
    loop_.cancel(std::exchange(job.retry, 0));
    host_.say("job " + job.spec->metadata.name + ": ended, since the next one begins");
  }
  auto made = std::make_shared<kube::Job>(spec.job);
  made->metadata.name_space = spec.metadata.name_space;
  // As in a cluster, by the minute; where there are several in one, by the second.
  const bool is_often = spec.schedule.every && spec.schedule.every->count() < 60;
  made->metadata.name = spec.metadata.name + "-" + std::to_string(is_often ? due : due / 60);
  Job& job = jobs_.emplace_back();
  job.spec = std::move(made);
  job.cron = owner;
  host_.say("cronjob " + spec.metadata.name + ": job " + job.spec->metadata.name + " begins");
  reconcile_job(job);
  pod_changed();
}

// Ends a job's pods, and forgets it and them.
void Player::remove_job(Job& job) {
  loop_.cancel(job.retry);
  loop_.cancel(job.deadline);
  for (auto owned = pods_.begin(); owned != pods_.end(); ++owned) {
    if (owned->owner != job.name()) continue;
    owned->owner += " (removed)";
    owned->pod->stop([this, owned] {
      if (!stopping_) pods_.erase(owned);
    });
  }
  jobs_.remove_if([&](const Job& other) { return &other == &job; });
}

// Of each CronJob's jobs that have ended, the latest stay.
void Player::prune_jobs() {
  for (const Cron& cron : crons_) {
    const std::string owner = cron.spec->metadata.name_space + "/" + cron.spec->metadata.name;
    std::vector<Job*> ended[2];
    for (Job& job : jobs_)
      if (job.cron == owner && job.done) ended[job.has_failed].push_back(&job);
    for (const auto& [jobs, kept] :
         {std::pair{&ended[0], cron.spec->kept_succeeded}, std::pair{&ended[1], cron.spec->kept_failed}}) {
      std::erase_if(*jobs, [&](Job* job) {
        if (job->is_unwanted) remove_job(*job);
        return job->is_unwanted;
      });
      for (size_t i = 0; i + kept < jobs->size(); ++i) remove_job(*(*jobs)[i]);
    }
  }
}

// Whether there is nothing left that would go on by itself.
bool Player::has_ended() const {
  for (const Cron& cron : crons_)
    if (!cron.spec->suspended) return false;
  for (const kube::Deployment& deployment : app_.deployments)
    if (deployment.replicas != 0) return false;
  for (const Job& job : jobs_)
    if (!job.done) return false;
  return std::ranges::all_of(pods_, [](const Owned& owned) {
    const Pod::Phase phase = owned.pod->phase();
    return !owned.owner.empty() || phase == Pod::Phase::Succeeded || phase == Pod::Phase::Failed;
  });
}

void Player::begin_stop() {
  if (std::exchange(stopping_, true)) return;
  for (const Owned& owned : pods_)
    if (owned.owner.empty() && owned.pod->phase() == Pod::Phase::Failed) failed_ = true;
  auto check = [this] {
    if (std::ranges::all_of(pods_, [](const Owned& owned) { return owned.pod->is_stopped(); })) loop_.stop();
  };
  for (const Owned& owned : pods_) owned.pod->stop(check);
  if (pods_.empty()) loop_.stop();
}

int Player::run() {
  for (const kube::Pod& pod : app_.pods) add_pod(pod.metadata, pod.spec, "");
  for (const kube::Deployment& deployment : app_.deployments) {
    const std::string hash = random_suffix(9, std::hash<std::string>()(deployment.metadata.name) | 1);
    for (u32 i = 0; i < deployment.replicas; ++i) {
      kube::Metadata metadata = deployment.pod.metadata;
      metadata.name = deployment.metadata.name + "-" + hash + "-" + random_suffix(5);
      metadata.name_space = deployment.metadata.name_space;
      add_pod(std::move(metadata), deployment.pod.spec, "Deployment/" + deployment.metadata.name);
    }
  }
  for (const kube::Job& job : app_.jobs) {
    jobs_.emplace_back().spec = std::make_shared<kube::Job>(job);
    reconcile_job(jobs_.back());
  }
  for (const kube::CronJob& cron : app_.cron_jobs) {
    crons_.emplace_back().spec = &cron;
    if (!cron.suspended) begin_cron(crons_.back());
  }
  pod_changed();
  loop_.run();
  return failed_ ? 1 : 0;
}

json::Value Player::describe(bool with_usage) const {
  json::Value out;
  out.set("stopping", stopping_);
  json::Value& pods = out.set("pods", json::Array());
  for (const Owned& owned : pods_) {
    json::Value& pod = pods.append(owned.pod->describe());
    pod.set("owner", owned.owner);
  }
  if (with_usage) {
    std::vector<pid_t> roots;
    auto each = [&](const auto& call) {
      for (json::Value& pod : pods.edit_items())
        for (json::Value& c : pod.find("containers")->edit_items())
          if (const i64 pid = c.find("pid")->integer().value_or(0); pid > 0) call(c, static_cast<pid_t>(pid));
    };
    each([&](json::Value&, pid_t pid) { roots.push_back(pid); });
    const auto usage = usage_of(roots);
    each([&](json::Value& c, pid_t pid) {
      const Usage& u = usage.at(pid);
      c.set("cpuMicroseconds", u.cpu_us);
      c.set("memoryBytes", u.memory_bytes);
      c.set("processes", u.processes);
    });
  }
  json::Value& services = out.set("services", json::Array());
  for (const Address& a : services_) {
    json::Value& item = services.append(json::Object());
    item.set("name", a.service->metadata.name);
    item.set("address", a.address);
    json::Value& ports = item.set("ports", json::Array());
    for (const kube::ServicePort& port : a.service->ports) ports.append(port.port);
  }
  json::Value& jobs = out.set("jobs", json::Array());
  for (const Job& job : jobs_) {
    json::Value& item = jobs.append(json::Object());
    item.set("name", job.spec->metadata.name);
    item.set("completions", job.spec->completions);
    item.set("succeeded", job.succeeded);
    item.set("failed", job.failed);
    item.set("status", !job.done ? "Running" : job.has_failed ? "Failed" : "Complete");
  }
  json::Value& crons = out.set("cronJobs", json::Array());
  for (const Cron& cron : crons_) {
    json::Value& item = crons.append(json::Object());
    item.set("name", cron.spec->metadata.name);
    item.set("suspended", cron.spec->suspended);
    if (cron.next) item.set("next", static_cast<i64>(*cron.next));
  }
  json::Value& published = out.set("published", json::Array());
  for (const std::string& line : published_) published.append(line);
  for (const Owned& owned : pods_)
    for (const std::string& line : owned.published) published.append(line);
  return out;
}

}  // namespace berth::play
