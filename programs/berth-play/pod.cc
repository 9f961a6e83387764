#include "berth-play/pod.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "berth-play/state.h"
#include "container/node.h"
#include "container/process.h"
#include "os/file.h"

namespace berth::play {

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kMostBackOff{300'000};
// A container that ran this long starts again without having to wait.
constexpr std::chrono::minutes kForgiven{10};
// What is left to a container whose preStop hook has used up its grace.
constexpr milliseconds kLeastGrace{2'000};
enum Which : int { kStartup, kLiveness, kReadiness };

Result<> write_file(const std::string& path, const std::string& bytes, u32 mode) {
  TRY(make_folders(path.substr(0, path.rfind('/'))));
  return os::replace_file(path, {reinterpret_cast<const u8*>(bytes.data()), bytes.size()}, mode);
}

template <typename Objects>
auto find_object(const Objects& objects, const std::string& name_space, const std::string& name) {
  return std::ranges::find_if(objects, [&](const auto& object) {
    return object.metadata.name == name && object.metadata.name_space == name_space;
  });
}

// The data of a ConfigMap or Secret; null when there is none of that name.
const std::map<std::string, std::string>* data_of(const kube::Application& app, bool is_secret,
                                                  const std::string& name_space, const std::string& name) {
  if (is_secret) {
    const auto found = find_object(app.secrets, name_space, name);
    return found == app.secrets.end() ? nullptr : &found->data;
  }
  const auto found = find_object(app.config_maps, name_space, name);
  return found == app.config_maps.end() ? nullptr : &found->data;
}

std::string kind_of(bool is_secret) { return is_secret ? "secret" : "configmap"; }

}  // namespace

struct Pod::Container {
  enum class State : u8 { Waiting, Running, Ended };

  const kube::Container* spec = nullptr;
  bool is_init = false;  // and is to end before the others begin
  bool is_sidecar = false;
  State state = State::Waiting;
  std::string reason = "ContainerCreating", message;
  int exit_code = 0;
  u32 starts = 0;
  pid_t pid = 0;
  bool ready = false, started = false, is_ending = false;
  std::chrono::system_clock::time_point since;
  Clock::time_point began;
  milliseconds back_off{0};
  u64 restart_timer = 0, kill_timer = 0, hook_timer = 0;
  std::unique_ptr<Prober> hook;
  bool was_killed = false;  // by us
  LaunchRequest request;
  Launch launch;
  std::unique_ptr<LogWriter> log;
  std::string log_path, previous_log;
  struct Watch {
    std::unique_ptr<Prober> prober;
    u32 good = 0, bad = 0;
  };
  std::array<Watch, 3> probes;

  bool succeeded() const { return state == State::Ended && exit_code == 0; }
  u32 restarts() const { return starts > 1 ? starts - 1 : 0; }
};

Pod::Pod(Host& host, kube::Metadata metadata, kube::PodSpec spec, std::function<void()> changed)
    : host_(host),
      metadata_(std::move(metadata)),
      spec_(std::move(spec)),
      changed_(std::move(changed)),
      folder_(host.folder + "/pods/" + metadata_.name_space + "_" + metadata_.name) {
  for (const auto& c : spec_.init_containers) {
    containers_.emplace_back().spec = &c;
    containers_.back().is_init = !c.is_sidecar;
    containers_.back().is_sidecar = c.is_sidecar;
  }
  for (const auto& c : spec_.containers) containers_.emplace_back().spec = &c;
}

Pod::~Pod() {
  for (Container& c : containers_) {
    host_.loop.cancel(c.restart_timer);
    host_.loop.cancel(c.kill_timer);
    host_.loop.cancel(c.hook_timer);
    end_probes(c);
  }
}

void Pod::start() {
  if (auto done = set_up(); !done) {
    host_.say("pod " + metadata_.name + ": " + done.error().to_string());
    failed_ = true;
    for (Container& c : containers_) cannot_begin(c, done.error().to_string());
    changed_();
    return;
  }
  begin_next();
}

Result<> Pod::set_up() {
  TRY(make_folders(folder_, 0700));
  TRY(make_folders(host_.folder + "/logs", 0700));
  TRY(make_volumes());
  TRY(write_file(folder_ + "/hosts",
                 "127.0.0.1 localhost " + metadata_.name + "\n" + host_.hosts_lines(metadata_.name_space), 0644));
  if (spec_.host_network) return {};
  auto network = Network::make();
  if (network) {
    network_ = std::move(*network);
  } else {
    host_.say("note: pod " + metadata_.name + " uses this machine's network: " + network.error().to_string());
  }
  return {};
}

Result<> Pod::make_volumes() {
  for (const kube::Volume& volume : spec_.volumes) {
    const std::string path = folder_ + "/volumes/" + volume.name;
    switch (volume.kind) {
      case kube::Volume::Kind::ConfigMap:
      case kube::Volume::Kind::Secret: {
        const bool is_secret = volume.kind == kube::Volume::Kind::Secret;
        TRY(make_folders(path, 0755));
        const auto* data = data_of(host_.app, is_secret, metadata_.name_space, volume.source);
        if (!data && volume.optional) break;
        if (!data) return fail(ErrorCode::BadArgument, kind_of(is_secret) + " \"" + volume.source + "\" not found");
        if (volume.items.empty()) {
          for (const auto& [key, value] : *data) TRY(write_file(path + "/" + key, value, 0644));
        }
        for (const auto& [key, place] : volume.items) {
          const auto found = data->find(key);
          if (found == data->end() && !volume.optional)
            return fail(ErrorCode::BadArgument, kind_of(is_secret) + " \"" + volume.source + "\" has no key " + key);
          if (found != data->end()) TRY(write_file(path + "/" + place, found->second, 0644));
        }
        break;
      }
      case kube::Volume::Kind::Empty:
        TRY(make_folders(path, 0777));
        chmod(path.c_str(), 0777);
        break;
      case kube::Volume::Kind::Claim: {
        const std::string claim = data_root() + "/" + metadata_.name_space + "/" + volume.source;
        if (find_object(host_.app.claims, metadata_.name_space, volume.source) == host_.app.claims.end() &&
            access(claim.c_str(), F_OK) != 0)
          return fail(ErrorCode::BadArgument, "persistentvolumeclaim \"" + volume.source + "\" not found");
        TRY(make_folders(claim, 0777));
        break;
      }
      case kube::Volume::Kind::Host: {
        struct stat status{};
        if (volume.host_type == "DirectoryOrCreate") TRY(make_folders(volume.source));
        if (volume.host_type == "FileOrCreate" && access(volume.source.c_str(), F_OK) != 0)
          TRY(write_file(volume.source, "", 0644));
        if (stat(volume.source.c_str(), &status) != 0)
          return fail(os_error(errno, "hostPath " + volume.source + " cannot be mounted"));
        if ((volume.host_type == "Directory" && !S_ISDIR(status.st_mode)) ||
            (volume.host_type == "File" && !S_ISREG(status.st_mode)))
          return fail(ErrorCode::BadArgument, "hostPath " + volume.source + " is no " + volume.host_type);
        break;
      }
    }
  }
  return {};
}

std::string Pod::field(const std::string& path) const {
  if (path == "metadata.name") return metadata_.name;
  if (path == "metadata.namespace") return metadata_.name_space;
  if (path == "status.podIP" || path == "status.hostIP") return "127.0.0.1";
  if (path == "spec.nodeName") {
    char name[256] = "localhost";
    gethostname(name, sizeof name - 1);
    return name;
  }
  for (const auto& [prefix, map] : {std::pair{std::string("metadata.labels['"), &metadata_.labels},
                                    std::pair{std::string("metadata.annotations['"), &metadata_.annotations}}) {
    if (!path.starts_with(prefix) || !path.ends_with("']")) continue;
    const auto found = map->find(path.substr(prefix.size(), path.size() - prefix.size() - 2));
    return found == map->end() ? "" : found->second;
  }
  return {};
}

Result<Variables> Pod::variables_of(const kube::Container& container) const {
  Variables out = host_.service_variables(metadata_.name_space);
  auto set = [&](const std::string& name, std::string value) {
    std::erase_if(out, [&](const auto& v) { return v.first == name; });
    out.emplace_back(name, std::move(value));
  };
  for (const kube::EnvFrom& from : container.env_from) {
    const auto* data = data_of(host_.app, from.is_secret, metadata_.name_space, from.name);
    if (!data && !from.optional)
      return fail(ErrorCode::BadArgument, kind_of(from.is_secret) + " \"" + from.name + "\" not found");
    if (data) {
      for (const auto& [key, value] : *data) set(from.prefix + key, value);
    }
  }
  for (const kube::EnvVar& variable : container.env) {
    const kube::EnvSource& source = variable.source;
    using Kind = kube::EnvSource::Kind;
    if (source.kind == Kind::Value) {
      set(variable.name, kube::expand(source.name, out));
    } else if (source.kind == Kind::Field) {
      set(variable.name, field(source.name));
    } else {
      const bool is_secret = source.kind == Kind::Secret;
      const auto* data = data_of(host_.app, is_secret, metadata_.name_space, source.name);
      const bool has = data && data->contains(source.key);
      if (!has && !source.optional) {
        return fail(ErrorCode::BadArgument,
                    data ? kind_of(is_secret) + " \"" + source.name + "\" has no key " + source.key
                         : kind_of(is_secret) + " \"" + source.name + "\" not found");
      }
      if (has) set(variable.name, data->at(source.key));
    }
  }
  return out;
}

Result<LaunchRequest> Pod::request_for(Container& container) {
  LaunchRequest request;
  request.container = container.spec;
  const auto image = host_.images.find(container.spec->image);
  if (image == host_.images.end()) return fail(ErrorCode::System, "there is no image " + container.spec->image);
  request.image = &image->second;
  const std::string app = host_.folder.substr(host_.folder.rfind('/') + 1);
  request.id = app + "-" + metadata_.name + "-" + container.spec->name + "-" + std::to_string(container.starts);
  request.folder = folder_ + "/" + container.spec->name + "-" + std::to_string(container.starts);
  request.runtime_root = host_.folder + "/runtime";
  request.hostname = spec_.hostname.empty() ? metadata_.name : spec_.hostname;
  request.hosts_file = folder_ + "/hosts";
  request.annotations = metadata_.annotations;
  request.variables = TRY(variables_of(*container.spec));
  if (network_) request.network = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(network_->descriptor());
  for (const kube::VolumeMount& mount : container.spec->mounts) {
    const auto volume = std::ranges::find(spec_.volumes, mount.volume, &kube::Volume::name);
    std::string source = folder_ + "/volumes/" + mount.volume;
    if (volume->kind == kube::Volume::Kind::Host) source = volume->source;
    if (volume->kind == kube::Volume::Kind::Claim)
      source = data_root() + "/" + metadata_.name_space + "/" + volume->source;
    if (!mount.sub_path.empty()) {
      source += "/" + mount.sub_path;
      if (access(source.c_str(), F_OK) != 0) TRY(make_folders(source, 0777));
    }
    // What Kubernetes writes is not the container's to change.
    const bool is_given = volume->kind == kube::Volume::Kind::ConfigMap || volume->kind == kube::Volume::Kind::Secret;
    request.mounts.push_back({source, mount.path, mount.read_only || volume->read_only || is_given});
  }
  return request;
}

// The control groups that keep the container's limits; null where it has none, or they cannot be kept.
std::shared_ptr<Cgroup> Pod::limits_for(const Container& container, const std::string& id) {
  const Limits limits{container.spec->memory_limit, container.spec->cpu_limit};
  if (!limits.any()) return nullptr;
  std::string why = "that takes root";
  if (container::is_root()) {
    // Whoever cleans up after us, should we be killed, finds its name there.
    const auto noted = write_file(host_.folder + "/cgroups/" + id, "", 0600);
    if (auto made = Cgroup::make(id, limits); noted && made) {
      return std::move(*made);
    } else {
      why = (noted ? made.error() : noted.error()).to_string();
    }
  }
  if (!std::exchange(said_no_limits_, true)) {
    host_.say("note: pod " + metadata_.name + ": limits are not kept by control groups (" + why +
              "): growing beyond the memory limit is refused, processor limits have no effect");
  }
  return nullptr;
}

void Pod::end_limits(Container& container) {
  if (!container.request.cgroup) return;
  container.request.cgroup.reset();
  unlink((host_.folder + "/cgroups/" + container.request.id).c_str());
}

// Init containers one after the other; sidecars among them stay, and the next one begins when they have started.
void Pod::begin_next() {
  if (stopping_) return;
  for (Container& c : containers_) {
    if (!c.is_init && !c.is_sidecar) break;
    if (c.succeeded() || (c.is_sidecar && c.started)) continue;
    if (c.state == Container::State::Waiting && c.restart_timer == 0) begin(c);
    // One that began may have started at once, which has called this again.
    return;
  }
  for (Container& c : containers_) {
    if (!c.is_init && !c.is_sidecar && c.starts == 0) begin(c);
  }
}

void Pod::cannot_begin(Container& container, const std::string& why) {
  container.state = Container::State::Waiting;
  container.reason = "CreateContainerError";
  container.message = why;
}

void Pod::begin(Container& container) {
  if (stopping_) return;
  ++container.starts;
  container.since = std::chrono::system_clock::now();
  container.began = Clock::now();
  container.was_killed = false;
  auto started = [&]() -> Result<> {
    container.request = TRY(request_for(container));
    container.request.cgroup = limits_for(container, container.request.id);
    container.launch = TRY(prepare(container.request));
    container.previous_log = container.log_path;
    container.log_path = host_.folder + "/logs/" + metadata_.name + "_" + container.spec->name + "_" +
                         std::to_string(container.starts) + ".log";
    const std::string prefix = metadata_.name + (spec_.containers.size() > 1 ? " " + container.spec->name : "") + " | ";
    container.log = TRY(LogWriter::open(host_.loop, container.log_path, host_.prints_logs ? prefix : ""));
    container.pid = TRY(spawn(container.launch.words, container.launch.environment,
                              container.launch.is_wasm && network_ ? network_->descriptor() : -1,
                              container.log->output(), container.log->errors(), cgroups_of(container)));
    container.log->close_ends();
    return {};
  }();
  if (!started) {
    clean_up(container.launch, container.request);
    end_limits(container);
    cannot_begin(container, started.error().detail().empty() ? started.error().to_string() : started.error().detail());
    host_.say("pod " + metadata_.name + ", container " + container.spec->name + ": " + container.message);
    if (spec_.restart == kube::RestartPolicy::Never) {
      container.state = Container::State::Ended;
      container.exit_code = 128;
    } else {
      restart_later(container);
    }
    changed_();
    return;
  }
  container.state = Container::State::Running;
  container.reason.clear();
  container.message.clear();
  host_.loop.await(container.pid, [this, &container](int status) { ended(container, status); });
  if (!container.spec->post_start) return running(container);
  // Until the hook is done the container has not started.
  begin_hook(container, *container.spec->post_start, milliseconds::max(),
             [this, &container](bool good, const std::string& why) {
               if (container.is_ending) return;
               if (good) return running(container);
               end(container, "postStart hook failed: " + why);
             });
  changed_();
}

void Pod::running(Container& container) {
  begin_probes(container);
  changed_();
  if (container.started && container.is_sidecar) begin_next();
}

// Does once what a hook says; `done` is told whether that went well, and if not, why.
void Pod::begin_hook(Container& container, const kube::Hook& hook, milliseconds patience,
                     std::function<void(bool, const std::string&)> done) {
  // Of two hooks the later one counts, which is that before the end.
  host_.loop.cancel(std::exchange(container.hook_timer, 0));
  end_hook(container);
  auto finish = [this, &container, done = std::move(done)](bool good, const std::string& why) {
    host_.loop.cancel(container.hook_timer);
    container.hook_timer = 0;
    end_hook(container);
    done(good, why);
  };
  if (hook.sleep) {
    const milliseconds length = std::min<milliseconds>(*hook.sleep, patience);
    container.hook_timer = host_.loop.after(length, [finish] { finish(true, {}); });
    return;
  }
  kube::Probe once = hook.action;
  once.period = std::chrono::hours(24 * 365);
  once.timeout = std::chrono::hours(24 * 365);
  ProbeTarget target = target_of(container, once);
  target.any_status = true;
  if (patience != milliseconds::max())
    container.hook_timer =
        host_.loop.after(patience, [finish] { finish(false, "it took longer than the grace period"); });
  container.hook = std::make_unique<Prober>(host_.loop, once, std::move(target), finish);
}

void Pod::end_hook(Container& container) {
  // It may be telling us right now.
  if (container.hook) host_.loop.after({}, [old = std::shared_ptr<Prober>(std::move(container.hook))] {});
  container.hook.reset();
}

void Pod::ended(Container& container, int status) {
  container.pid = 0;
  container.state = Container::State::Ended;
  container.exit_code = container::exit_code_of(status);
  container.reason = container.exit_code == 0 ? "Completed" : "Error";
  container.ready = container.started = container.is_ending = false;
  for (u64* timer : {&container.kill_timer, &container.hook_timer}) {
    host_.loop.cancel(*timer);
    *timer = 0;
  }
  end_probes(container);
  end_hook(container);
  if (container.exit_code == 128 + SIGKILL && !container.was_killed && container.request.cgroup &&
      container.request.cgroup->ran_out_of_memory())
    container.reason = "OOMKilled";
  container.log->finish();
  container.log.reset();
  if (!container.launch.is_wasm) {
    // crun and runc remove what they ran themselves, unless they were killed.
    static_cast<void>(container::capture_process({container.launch.runtime, "--root", container.request.runtime_root,
                                                  "delete", "--force", container.request.id}));
  }
  clean_up(container.launch, container.request);
  end_limits(container);
  host_.say("pod " + metadata_.name + ", container " + container.spec->name + ": ended with exit code " +
            std::to_string(container.exit_code) + (container.reason == "OOMKilled" ? ", out of memory" : ""));
  if (stopping_) return check_stopped();
  const bool failed = container.exit_code != 0;
  const bool again = container.is_sidecar ? !mains_have_ended()
                     : container.is_init  ? failed && spec_.restart != kube::RestartPolicy::Never
                                          : spec_.restart == kube::RestartPolicy::Always ||
                                               (spec_.restart == kube::RestartPolicy::OnFailure && failed);
  if (again) {
    restart_later(container);
  } else if (container.is_init) {
    if (container.exit_code == 0) {
      begin_next();
    } else {
      failed_ = true;
    }
  }
  if (failed_ || mains_have_ended()) end_sidecars();
  changed_();
}

// Whether all is over but for sidecars.
bool Pod::mains_have_ended() const {
  return std::ranges::all_of(containers_, [](const Container& c) {
    return c.is_sidecar || (c.is_init ? c.succeeded() : c.state == Container::State::Ended);
  });
}

void Pod::end_sidecars() {
  for (Container& c : containers_) {
    if (!c.is_sidecar) continue;
    host_.loop.cancel(c.restart_timer);
    c.restart_timer = 0;
    end(c, "");
  }
}

void Pod::restart_later(Container& container) {
  if (Clock::now() - container.began > kForgiven) container.back_off = milliseconds(0);
  const milliseconds wait = container.back_off;
  container.back_off = std::min(std::max(2 * wait, host_.first_back_off), kMostBackOff);
  // The first one is at once.
  if (wait.count() != 0) {
    container.reason =
        container.starts > 0 && container.reason == "CreateContainerError" ? container.reason : "CrashLoopBackOff";
    container.message = "back-off " + std::to_string(wait.count() / 1000) +
                        "s restarting failed container; it ended with "
                        "exit code " +
                        std::to_string(container.exit_code);
  }
  container.state = Container::State::Waiting;
  container.restart_timer = host_.loop.after(wait, [this, &container] {
    container.restart_timer = 0;
    begin(container);
  });
}

void Pod::begin_probes(Container& container) {
  const kube::Container& spec = *container.spec;
  container.started = !spec.startup;
  container.ready = container.started && !spec.readiness;
  watch_container(container);
}

// Begins those probes that are due.
void Pod::watch_container(Container& container) {
  const kube::Container& spec = *container.spec;
  const std::optional<kube::Probe>* const probes[] = {&spec.startup, &spec.liveness, &spec.readiness};
  for (int which = kStartup; which <= kReadiness; ++which) {
    const std::optional<kube::Probe>& probe = *probes[which];
    // The others begin when the one for the start has gone well.
    if (!probe || container.is_init || container.started == (which == kStartup)) continue;
    container.probes[static_cast<size_t>(which)] = {};
    container.probes[static_cast<size_t>(which)].prober = std::make_unique<Prober>(
        host_.loop, *probe, target_of(container, *probe),
        [this, &container, which](bool good, const std::string& what) { probed(container, which, good, what); });
  }
}

ProbeTarget Pod::target_of(const Container& container, const kube::Probe& probe) const {
  ProbeTarget target;
  if (probe.kind == kube::Probe::Kind::Exec) {
    target.words = exec_words(container.launch, probe.command);
    target.environment = container.launch.environment;
    target.network = container.launch.is_wasm && network_ ? network_->descriptor() : -1;
    target.cgroups = cgroups_of(container);
    return target;
  }
  u16 port = probe.port.number;
  for (const kube::ContainerPort& p : container.spec->ports)
    if (!probe.port.name.empty() && p.name == probe.port.name) port = p.port;
  target.endpoint = {network_, port};
  return target;
}

// Linux containers are put there by their runtime.
std::vector<std::string> Pod::cgroups_of(const Container& container) {
  if (!container.launch.is_wasm || !container.request.cgroup) return {};
  return container.request.cgroup->entrances();
}

void Pod::end_probes(Container& container) {
  for (Container::Watch& watch : container.probes) {
    // One may be telling us right now.
    if (watch.prober) host_.loop.after({}, [old = std::shared_ptr<Prober>(std::move(watch.prober))] {});
    watch = {};
  }
}

void Pod::probed(Container& container, int which, bool good, const std::string& what) {
  Container::Watch& watch = container.probes[static_cast<size_t>(which)];
  if (container.state != Container::State::Running || container.is_ending || !watch.prober) return;
  watch.good = good ? watch.good + 1 : 0;
  watch.bad = good ? 0 : watch.bad + 1;
  const kube::Container& spec = *container.spec;
  const kube::Probe& probe = which == kStartup ? *spec.startup : which == kLiveness ? *spec.liveness : *spec.readiness;
  const bool was_ready = container.ready;
  if (which == kReadiness) {
    if (watch.good >= probe.successes) container.ready = true;
    if (watch.bad >= probe.failures) container.ready = false;
    if (was_ready && !container.ready)
      host_.say("pod " + metadata_.name + ", container " + spec.name + ": not ready: " + what);
  } else if (which == kStartup && watch.good >= probe.successes) {
    end_probes(container);
    container.started = true;
    container.ready = !spec.readiness;
    watch_container(container);
    if (container.is_sidecar) begin_next();
  } else if (watch.bad >= probe.failures) {
    end(container, std::string(which == kStartup ? "startup" : "liveness") + " probe failed: " + what, probe.grace);
  }
  if (was_ready != container.ready) changed_();
}

void Pod::end(Container& container, const std::string& why, std::optional<kube::Seconds> grace) {
  if (container.pid == 0 || container.is_ending) return;
  container.is_ending = true;
  container.ready = false;
  end_probes(container);
  if (!why.empty()) host_.say("pod " + metadata_.name + ", container " + container.spec->name + ": " + why);
  const milliseconds most = grace.value_or(spec_.grace);
  const auto deadline = Clock::now() + most;
  auto ask = [this, &container, deadline](bool good, const std::string& problem) {
    if (!good)
      host_.say("pod " + metadata_.name + ", container " + container.spec->name + ": preStop hook failed: " + problem);
    kill_container(container, SIGTERM);
    auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    if (container.spec->pre_stop) left = std::max(left, kLeastGrace);
    container.kill_timer = host_.loop.after(std::max(left, milliseconds(0)), [this, &container] {
      container.kill_timer = 0;
      kill_container(container, SIGKILL);
    });
  };
  if (container.spec->pre_stop && most.count() > 0) {
    begin_hook(container, *container.spec->pre_stop, most, std::move(ask));
  } else {
    ask(true, {});
  }
}

void Pod::kill_container(Container& container, int signal) {
  if (container.pid == 0) return;
  container.was_killed |= signal == SIGKILL;
  if (container.launch.is_wasm) {
    kill(container.pid, signal);
    return;
  }
  static_cast<void>(container::capture_process({container.launch.runtime, "--root", container.request.runtime_root,
                                                "kill", container.request.id, std::to_string(signal)}));
}

void Pod::stop(std::function<void()> stopped) {
  if (stopped_) {
    host_.loop.after({}, std::move(stopped));
    return;
  }
  when_stopped_ = std::move(stopped);
  stopping_ = true;
  for (Container& c : containers_) {
    host_.loop.cancel(c.restart_timer);
    c.restart_timer = 0;
    if (!c.is_sidecar) end(c, "");
  }
  check_stopped();
}

void Pod::check_stopped() {
  if (!stopping_ || stopped_) return;
  for (const Container& c : containers_)
    if (c.pid != 0 && !c.is_sidecar) return;
  end_sidecars();
  for (const Container& c : containers_)
    if (c.pid != 0) return;
  stopped_ = true;
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
  // From the loop, since whoever is told may remove this.
  host_.loop.after({}, [call = when_stopped_] { call(); });
}

Pod::Phase Pod::phase() const {
  bool all_ended = true, all_good = true, any_started = false;
  for (const Container& c : containers_) {
    if (c.is_sidecar) continue;
    if (c.is_init) {
      if (!c.succeeded()) any_started = false;
      continue;
    }
    any_started |= c.starts != 0 && c.reason != "CreateContainerError";
    all_ended &= c.state == Container::State::Ended;
    all_good &= c.succeeded();
  }
  if (failed_) return Phase::Failed;
  if (all_ended) return all_good ? Phase::Succeeded : Phase::Failed;
  return any_started ? Phase::Running : Phase::Pending;
}

bool Pod::is_ready() const {
  return !stopping_ && std::ranges::all_of(containers_, [](const Container& c) {
    return c.is_init ? c.succeeded() : c.state == Container::State::Running && c.ready;
  });
}

u32 Pod::restarts() const {
  u32 count = 0;
  for (const Container& c : containers_) count += c.restarts();
  return count;
}

std::optional<Endpoint> Pod::endpoint(const kube::PortRef& port) const {
  if (port.name.empty()) return Endpoint{network_, port.number};
  for (const kube::Container& c : spec_.containers) {
    for (const kube::ContainerPort& p : c.ports)
      if (p.name == port.name) return Endpoint{network_, p.port};
  }
  return std::nullopt;
}

// What `kubectl get pods` shows.
std::string Pod::status_word() const {
  if (stopping_) return "Terminating";
  size_t inits = 0, done = 0;
  for (const Container& c : containers_) {
    inits += c.is_init || c.is_sidecar;
    done += (c.is_init && c.succeeded()) || (c.is_sidecar && (c.started || mains_have_ended()));
  }
  for (const Container& c : containers_) {
    const std::string prefix = c.is_init || (c.is_sidecar && done != inits) ? "Init:" : "";
    if (c.state == Container::State::Waiting && c.starts != 0 && !c.reason.empty()) return prefix + c.reason;
    if (c.is_init && c.state == Container::State::Ended && c.exit_code != 0) return prefix + c.reason;
  }
  if (done != inits) return "Init:" + std::to_string(done) + "/" + std::to_string(inits);
  switch (phase()) {
    case Phase::Pending: return "ContainerCreating";
    case Phase::Running:
      for (const Container& c : containers_)
        if (!c.is_init && c.state == Container::State::Ended && c.exit_code != 0) return c.reason;
      return "Running";
    case Phase::Succeeded: return "Completed";
    case Phase::Failed:
      for (const Container& c : containers_)
        if (!c.is_sidecar && c.state == Container::State::Ended && c.exit_code != 0) return c.reason;
      return "Error";
  }
  return {};
}

json::Value Pod::describe() const {
  json::Value out;
  out.set("name", metadata_.name);
  out.set("namespace", metadata_.name_space);
  out.set("phase", to_string(phase()));
  out.set("status", status_word());
  out.set("ready", is_ready());
  out.set("since", std::chrono::duration_cast<std::chrono::seconds>(made_.time_since_epoch()).count());
  out.set("restarts", restarts());
  json::Value& containers = out.set("containers", json::Array());
  for (const Container& c : containers_) {
    json::Value& item = containers.append(json::Object());
    item.set("name", c.spec->name);
    item.set("image", c.spec->image);
    item.set("init", c.is_init || c.is_sidecar);
    item.set("state", c.state == Container::State::Waiting   ? "waiting"
                      : c.state == Container::State::Running ? "running"
                                                             : "terminated");
    item.set("reason", c.reason);
    item.set("message", c.message);
    item.set("ready", c.ready);
    item.set("restarts", c.restarts());
    if (c.state == Container::State::Ended) item.set("exitCode", c.exit_code);
    item.set("pid", static_cast<i64>(c.pid));
    item.set("log", c.log_path);
    item.set("previousLog", c.previous_log);
  }
  return out;
}

std::string_view to_string(Pod::Phase phase) {
  switch (phase) {
    case Pod::Phase::Pending: return "Pending";
    case Pod::Phase::Running: return "Running";
    case Pod::Phase::Succeeded: return "Succeeded";
    case Pod::Phase::Failed: return "Failed";
  }
  return {};
}

}  // namespace berth::play
