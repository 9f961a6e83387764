#include "container/rewrite.h"

#include <sys/stat.h>

#include <algorithm>

#include "cli/units.h"
#include "container/text.h"

namespace berth::container {

namespace {

// Below /dev, which containers get as a file system of their own in memory: then nothing is left behind in an image,
// and images may be read-only.
constexpr std::string_view kBelowDev = "/dev/.berth/berth";
constexpr std::string_view kBelowRoot = "/.berth/berth";
// Where images bring theirs (docs/images.md).
constexpr std::string_view kImageLauncher = "/.berth/berth";

std::string code_folder_beside(const std::string& launcher) {
  return launcher.substr(0, launcher.rfind('/')) + "/code";
}

// What berth calls and older seccomp profiles do not know.
constexpr std::string_view kSystemCalls[] = {
    "eventfd2", "getrandom", "inotify_add_watch", "inotify_init1", "madvise",     "openat2",
    "ppoll",    "preadv2",   "pwritev2",          "sigaltstack",   "rt_sigaction"};

// Programs that engines put in front of a container's own command, and that run what follows "--".
constexpr std::string_view kInits[] = {"/run/podman-init", "/dev/init", "/sbin/docker-init", "/.podman-init"};

template <typename Range>
bool contains(const Range& range, std::string_view text) {
  return std::ranges::find(range, text) != std::ranges::end(range);
}

bool has_option(const json::Value& mount, std::string_view option) {
  return contains(texts(mount.find("options")), option);
}

// Whether a mount holds data. Others show the system, which no guest is given.
bool holds_data(const json::Value& mount, const std::string& destination) {
  constexpr std::string_view kSystemTypes[] = {"proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts", "devtmpfs"};
  if (contains(kSystemTypes, mount.text_at({"type"}))) return false;
  for (const std::string_view folder : {"/dev", "/proc", "/sys"})
    if (destination == folder || destination.starts_with(std::string(folder) + "/")) return false;
  return destination != "/";
}

bool is_directory(const std::string& path) {
  struct stat status{};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string directory_option(const std::string& path, bool writable) {
  return "--dir=" + path + "::" + path + (writable ? "" : ":ro");
}

// The grants of `berth run` that stand for the container's file systems.
void add_directories(const json::Value& config, const std::string& bundle, RootAccess root,
                     std::vector<std::string>& options) {
  if (root != RootAccess::None) options.push_back(directory_option("/", root == RootAccess::ReadWrite));
  // Within a root that is granted for writing, mounts are what the kernel says they are.
  if (root == RootAccess::ReadWrite) return;
  const json::Value* mounts = config.find("mounts");
  if (mounts == nullptr) return;
  for (const json::Value& mount : mounts->items()) {
    const std::string destination = absolute_path("/", mount.text_at({"destination"}));
    const bool writable = !has_option(mount, "ro");
    if (!holds_data(mount, destination) || (root == RootAccess::ReadOnly && !writable)) continue;
    // Only folders can be granted; and not under a name that the option would read as something else.
    if (mount.text_at({"type"}) != "tmpfs" && !is_directory(absolute_path(bundle, mount.text_at({"source"})))) continue;
    if (destination.find("::") != std::string::npos || destination.ends_with(":ro")) continue;
    options.push_back(directory_option(destination, writable));
  }
}

// What a component may reach by itself; a module only has the sockets that it is given. A native program could reach
// whatever the container can: so without a policy, that is what is granted.
Result<> add_network(const Settings& settings, const Grants& allowed, std::vector<std::string>& options) {
  auto refuse = [&](const char* what, const std::string& asked) {
    return fail(ErrorCode::BadArgument, "the workload asks for " + std::string(what) + " " + asked + ", which " +
                                            allowed.source + " does not grant; its key " + what +
                                            " lists what it does");
  };
  for (const std::string& address : settings.udp_bind) {
    if (!allowed.allows_udp_binding(address)) return refuse("udp-bind", address);
    options.push_back("--udp-bind=" + address);
  }
  if (settings.allow_net) {
    for (const std::string& destination : *settings.allow_net) {
      if (!allowed.allows_connecting(destination)) return refuse("allow-net", destination);
      options.push_back("--allow-net=" + destination);
    }
  } else if (!allowed.is_policy) {
    options.emplace_back("--allow-net=*");
  } else {
    for (const std::string& rule : allowed.allow_net) options.push_back("--allow-net=" + rule);
  }
  // Whoever may connect somewhere may send requests there.
  for (size_t i = 0, n = options.size(); i < n; ++i) {
    constexpr std::string_view kConnect = "--allow-net=";
    if (options[i].starts_with(kConnect)) options.push_back("--allow-http=" + options[i].substr(kConnect.size()));
  }
  return {};
}

// Where a component listens that answers requests and is no program: which of both it is `berth run` sees.
Result<> add_serving(const Settings& settings, const Grants& allowed, const std::vector<std::string>& environment,
                     std::vector<std::string>& options) {
  constexpr std::string_view kUsual = "8080";
  std::string address;
  if (settings.serve) {
    address = *settings.serve;
  } else {
    const char* const port = find_variable(environment, "PORT");
    const auto number = port != nullptr ? cli::parse_count(port) : std::nullopt;
    address = ":" + (number && *number > 0 && *number <= 65535 ? std::to_string(*number) : std::string(kUsual));
  }
  const std::string full = address.starts_with(':') ? "0.0.0.0" + address : address;
  if (!allowed.is_policy || allowed.allows_listening(full)) {
    options.push_back("--serve=" + address);
    return {};
  }
  if (!settings.serve) return {};
  return fail(ErrorCode::BadArgument, "the workload asks for serve " + address + ", which " + allowed.source +
                                          " does not grant; its key tcp-listen lists what it does");
}

RootAccess access_of_container(const json::Value& config) {
  const json::Value* root = config.find("root");
  const json::Value* read_only = root ? root->find("readonly") : nullptr;
  return read_only && read_only->boolean().value_or(false) ? RootAccess::ReadOnly : RootAccess::ReadWrite;
}

// What the container's own limit means for the guest; nothing when it has none.
std::optional<u64> memory_limit(const json::Value& config) {
  const json::Value* at = &config;
  for (const std::string_view name : {"linux", "resources", "memory", "limit"}) {
    at = at->find(name);
    if (at == nullptr) return std::nullopt;
  }
  const auto limit = at->integer();
  // Without a limit engines write -1, 0 or the largest number.
  if (!limit || *limit <= 0 || *limit >= (i64{1} << 60)) return std::nullopt;
  return guest_memory_for(static_cast<u64>(*limit));
}

void allow_system_calls(json::Value& config) {
  json::Value* linux_part = config.find("linux");
  json::Value* seccomp = linux_part ? linux_part->find("seccomp") : nullptr;
  if (seccomp == nullptr || seccomp->text_at({"defaultAction"}) == "SCMP_ACT_ALLOW") return;
  // What the profile says something about stays as it says.
  std::vector<std::string> missing(std::begin(kSystemCalls), std::end(kSystemCalls));
  if (const json::Value* rules = seccomp->find("syscalls")) {
    for (const json::Value& rule : rules->items())
      for (const std::string& name : texts(rule.find("names"))) std::erase(missing, name);
  }
  if (missing.empty()) return;
  json::Value rule;
  rule.set("names", array_of(missing));
  rule.set("action", "SCMP_ACT_ALLOW");
  if (seccomp->find("syscalls") == nullptr) seccomp->set("syscalls", json::Array());
  seccomp->find("syscalls")->append(std::move(rule));
}

void add_mount(json::Value& mounts, const std::string& source, const std::string& destination) {
  json::Value mount;
  mount.set("destination", destination);
  mount.set("type", "bind");
  mount.set("source", source);
  mount.set("options", array_of({"bind", "ro", "nosuid", "nodev"}));
  mounts.append(std::move(mount));
}

// Mounts the executable, and the folder with native code, where the container finds them; returns the executable's
// path.
std::string mount_berth(json::Value& config, const std::string& berth, const std::optional<ModuleCode>& code) {
  bool dev_is_own = false;
  if (config.find("mounts") == nullptr) config.set("mounts", json::Array());
  json::Value& mounts = *config.find("mounts");
  for (const json::Value& mount : mounts.items()) {
    if (absolute_path("/", mount.text_at({"destination"})) != "/dev") continue;
    dev_is_own = mount.text_at({"type"}) == "tmpfs";
  }
  const std::string destination(dev_is_own ? kBelowDev : kBelowRoot);
  add_mount(mounts, berth, destination);
  if (code) add_mount(mounts, code->folder, code_folder_beside(destination));
  return destination;
}

}  // namespace

u64 guest_memory_for(u64 limit) { return limit + std::max<u64>(limit / 16, 1 << 20); }

size_t command_position(const std::vector<std::string>& args) {
  return args.size() > 2 && args[1] == "--" && contains(kInits, args[0]) ? 2 : 0;
}

std::vector<std::string> without_image_launcher(std::vector<std::string> args) {
  const auto launcher = args.begin() + static_cast<std::ptrdiff_t>(command_position(args));
  if (args.end() - launcher < 4 || launcher[0] != kImageLauncher || launcher[1] != "run") return args;
  const auto dashes = std::find(launcher, args.end(), "--");
  if (args.end() - dashes >= 2) args.erase(launcher, dashes + 1);
  return args;
}

std::vector<std::string> wasm_command(const Launcher& launcher, const EntryPoint& entry, std::string_view cwd,
                                      const std::vector<std::string>& environment, std::vector<std::string> args) {
  std::vector<std::string> words = {launcher.berth, "run", "--inherit-env"};
  words.insert(words.end(), launcher.options.begin(), launcher.options.end());
  words.push_back("--argv0=" + args.front());
  // WASI 0.1 knows no working directory; Go's programs and others look here.
  if (!cwd.empty() && cwd != "/" && find_variable(environment, "PWD") == nullptr)
    words.push_back("--env=PWD=" + std::string(cwd));
  words.push_back(entry.path);
  words.insert(words.end(), std::make_move_iterator(args.begin() + 1), std::make_move_iterator(args.end()));
  return words;
}

Result<Rewritten> rewrite(json::Value config, const std::string& bundle, const EntryPoint& entry,
                          const Settings& settings, const Grants& allowed, const std::string& berth,
                          const std::optional<ModuleCode>& code) {
  Launcher launcher;
  std::vector<std::string>& options = launcher.options;
  const RootAccess most = std::min(access_of_container(config), allowed.root);
  if (settings.root && *settings.root > allowed.root) {
    return fail(ErrorCode::BadArgument, "the workload asks for root=" + std::string(to_string(*settings.root)) +
                                            ", and " + allowed.source + " allows " +
                                            std::string(to_string(allowed.root)));
  }
  add_directories(config, bundle, std::min(settings.root.value_or(most), most), options);

  std::optional<u64> memory = memory_limit(config);
  auto lower = [&](std::optional<u64> limit) {
    if (limit && (!memory || *limit < *memory)) memory = limit;
  };
  if (settings.max_memory == "none") {
    memory.reset();
  } else if (settings.max_memory) {
    memory = cli::parse_size(*settings.max_memory);
  }
  lower(allowed.max_memory);
  if (memory) options.push_back("--max-memory=" + std::to_string(*memory));
  if (settings.stack_size) options.push_back("--stack-size=" + *settings.stack_size);
  // For the container's own command only: a port is free once, a time is over once, and code is of one module.
  Launcher own = launcher;
  // No compiler is in a container; an artifact brings its code along, and the node's code is mounted.
  const bool has_code = code || entry.kind == ProgramKind::Artifact;
  if (settings.tier || !has_code) own.options.push_back("--tier=" + settings.tier.value_or("interp"));
  options.push_back("--tier=" + settings.tier.value_or("interp"));
  if (settings.timeout) own.options.push_back("--timeout=" + *settings.timeout);
  if (settings.drain) own.options.push_back("--drain");
  for (const std::string& address : settings.tcp_listen) {
    if (!allowed.allows_listening(address)) {
      return fail(ErrorCode::BadArgument, "the workload asks for tcp-listen " + address + ", which " + allowed.source +
                                              " does not grant; its key tcp-listen lists what it does");
    }
    own.options.push_back("--tcp-listen=" + address);
  }

  if (entry.kind == ProgramKind::Component) {
    TRY(add_network(settings, allowed, own.options));
    TRY(add_serving(settings, allowed, texts(config.find("process")->find("env")), own.options));
  }

  make_movable(config, bundle);
  if (is_later_than_1_0(config)) declare_1_0(config);
  allow_system_calls(config);
  own.berth = launcher.berth = mount_berth(config, berth, code);
  if (code) own.options.push_back("--code=" + code_folder_beside(own.berth) + "/" + code->file);

  json::Value& process = *config.find("process");
  std::vector<std::string> args = texts(process.find("args"));
  const auto own_command = args.begin() + static_cast<std::ptrdiff_t>(command_position(args));
  std::vector<std::string> words(args.begin(), own_command);
  std::ranges::move(
      wasm_command(own, entry, process.text_at({"cwd"}), texts(process.find("env")), {own_command, args.end()}),
      std::back_inserter(words));
  process.set("args", array_of(words));
  return Rewritten{std::move(config), std::move(launcher)};
}

void make_movable(json::Value& config, const std::string& bundle) {
  if (json::Value* root = config.find("root")) root->set("path", absolute_path(bundle, root->text_at({"path"})));
  json::Value* mounts = config.find("mounts");
  if (mounts == nullptr) return;
  for (json::Value& mount : mounts->edit_items()) {
    const std::string_view source = mount.text_at({"source"});
    // Other sources are names of devices or no paths at all.
    if (mount.text_at({"type"}) == "bind" || has_option(mount, "bind") || has_option(mount, "rbind"))
      mount.set("source", absolute_path(bundle, source));
  }
}

bool is_later_than_1_0(const json::Value& config) {
  const std::string_view version = config.text_at({"ociVersion"});
  return !version.empty() && version != "1.0" && !version.starts_with("1.0.");
}

void declare_1_0(json::Value& config) {
  config.set("ociVersion", "1.0.2");
  // Later versions say "as many as there may be" by a limit below zero, which older runtimes write into the cgroup.
  json::Value* on_linux = config.find("linux");
  json::Value* resources = on_linux ? on_linux->find("resources") : nullptr;
  const json::Value* pids = resources ? resources->find("pids") : nullptr;
  const json::Value* limit = pids ? pids->find("limit") : nullptr;
  if (limit && limit->integer().value_or(0) < 0) resources->erase("pids");
}

}  // namespace berth::container
