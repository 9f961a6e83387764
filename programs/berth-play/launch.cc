#include "berth-play/launch.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "berth-play/state.h"
#include "container/code.h"
#include "container/entry_point.h"
#include "container/node.h"
#include "container/rewrite.h"
#include "container/settings.h"
#include "container/text.h"
#include "container/tools.h"
#include "os/file.h"

namespace berth::play {

namespace {

namespace fs = std::filesystem;
using container::array_of;

std::vector<std::string> environment_texts(const Variables& variables) {
  std::vector<std::string> out;
  for (const auto& [name, value] : variables) out.push_back(name + "=" + value);
  return out;
}

// As Kubernetes has it: `command` replaces the entry point and the image's arguments, `args` only these.
std::vector<std::string> command_of(const kube::Container& container, const Image& image, const Variables& variables) {
  std::vector<std::string> words = container.command.empty() ? image.entrypoint : container.command;
  std::vector<std::string> args = container.args;
  if (container.args.empty() && container.command.empty()) args = image.command;
  words.insert(words.end(), args.begin(), args.end());
  if (!container.command.empty() || !container.args.empty()) {
    for (std::string& word : words) word = kube::expand(word, variables);
  }
  return container::without_image_launcher(std::move(words));
}

// A copy that the container may write to. Fails with System.
Result<> copy_files(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
  if (error) return fail(ErrorCode::System, "cannot copy the image's files to " + to + ": " + error.message());
  return {};
}

// The image's files as the container sees and may change them: an overlay, or else a copy.
Result<bool> make_root(const std::string& lower, const LaunchRequest& request, const std::string& root) {
  const std::string upper = request.folder + "/upper", work = request.folder + "/work";
  TRY(make_folders(root));
  TRY(make_folders(upper));
  TRY(make_folders(work));
  const std::string options = "lowerdir=" + lower + ",upperdir=" + upper + ",workdir=" + work;
  const bool fits = options.size() < 4000 && lower.find_first_of(":,\\") == std::string::npos;
  if (fits && mount("overlay", root.c_str(), "overlay", 0, options.c_str()) == 0) return true;
  TRY(copy_files(lower, root));
  return false;
}

std::string path_of_open(int file) {
  char path[PATH_MAX];
  const ssize_t n = readlink(("/proc/self/fd/" + std::to_string(file)).c_str(), path, sizeof path);
  return {path, n > 0 ? static_cast<size_t>(n) : 0};
}

// A folder or file at a place in the container's files, to be seen or mounted over; links in an image that lead
// elsewhere are left alone.
void make_place(const std::string& root, const std::string& path, bool is_folder) {
  std::string at = root;
  const auto parts = container::split(container::absolute_path("/", path), '/');
  for (size_t i = 0; i < parts.size(); ++i) {
    at += "/" + parts[i];
    struct stat status{};
    if (lstat(at.c_str(), &status) == 0) {
      if (S_ISLNK(status.st_mode)) return;
      continue;
    }
    if (i + 1 == parts.size() && !is_folder) {
      close(open(at.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644));
    } else if (mkdir(at.c_str(), 0755) != 0) {
      return;
    }
  }
}

bool is_folder(const std::string& path) {
  struct stat status{};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string grant(const std::string& from, const std::string& to, bool read_only) {
  return "--dir=" + from + "::" + to + (read_only ? ":ro" : "");
}

// A compiler among the guest's processes would take from its limits, so a guest with limits gets code that is made
// outside of them, as in a container; any other one looks after that itself.
Result<> add_code(const LaunchRequest& request, const container::EntryPoint& entry, const container::Settings& settings,
                  const std::string& berth, Launch& out) {
  std::string tier = settings.tier.value_or("");
  const bool needs_code = request.cgroup && tier != "interp" && entry.kind != container::ProgramKind::Artifact;
  if (needs_code) {
    std::optional<container::ModuleCode> code;
    const container::Node node = TRY(container::read_node());
    if (entry.kind == container::ProgramKind::Module && !node.code.empty()) {
      const container::CodeFolder folder(node.code, berth);
      // Without native code the guest runs all the same.
      if (auto found = folder.find(entry.file.get())) code = std::move(*found);
      if (code && !code->is_there) static_cast<void>(folder.compile_later(*code, entry.file.get()));
    }
    if (code) {
      out.words.push_back("--code=" + code->folder + "/" + code->file);
    } else {
      tier = "interp";
    }
  }
  if (!tier.empty()) out.words.push_back("--tier=" + tier);
  return {};
}

Result<> prepare_wasm(const LaunchRequest& request, const container::EntryPoint& entry,
                      const container::Settings& settings, const std::vector<std::string>& command,
                      const std::string& cwd, Launch& out) {
  const std::string berth = find_program("berth");
  if (berth.empty()) return fail(ErrorCode::NotSupported, "there is no berth beside this program or in $PATH");
  out.is_wasm = true;
  out.words = {berth, "run", "--inherit-env", "--argv0=" + command[0]};
  std::vector<std::string> common;
  const bool read_only = request.container->read_only_root || settings.root == container::RootAccess::ReadOnly;
  out.files = request.image->folder;
  if (!read_only && settings.root != container::RootAccess::None) {
    out.files = request.folder + "/root";
    TRY(copy_files(request.image->folder, out.files));
    for (const Mounted& mounted : request.mounts) {
      make_place(out.files, mounted.path, is_folder(mounted.source));
      // A single file cannot be a grant; as with subPath in Kubernetes, later changes are not seen.
      if (is_folder(mounted.source)) continue;
      std::error_code error;
      fs::copy_file(mounted.source, out.files + mounted.path, fs::copy_options::overwrite_existing, error);
      if (error) return fail(ErrorCode::System, "cannot mount " + mounted.path + ": " + error.message());
    }
  }
  if (settings.root != container::RootAccess::None) common.push_back(grant(out.files, "/", read_only));
  for (const Mounted& mounted : request.mounts)
    if (is_folder(mounted.source)) common.push_back(grant(mounted.source, mounted.path, mounted.read_only));
  if (settings.max_memory && *settings.max_memory != "none") {
    common.push_back("--max-memory=" + *settings.max_memory);
  } else if (request.container->memory_limit && !settings.max_memory) {
    u64 most = *request.container->memory_limit;
    // Who uses it all is the kernel's to end, as out of memory; where nobody keeps the limit, growth is refused.
    if (request.cgroup) most = container::guest_memory_for(most);
    common.push_back("--max-memory=" + std::to_string(most));
  }
  if (settings.stack_size) common.push_back("--stack-size=" + *settings.stack_size);
  out.words.insert(out.words.end(), common.begin(), common.end());
  // A native program in this pod could reach whatever its network reaches, which is what a component gets.
  if (entry.kind == container::ProgramKind::Component) {
    for (const std::string& destination : settings.allow_net.value_or(std::vector<std::string>{"*"}))
      out.words.push_back("--allow-net=" + destination);
    for (const std::string& address : settings.udp_bind) out.words.push_back("--udp-bind=" + address);
  }
  TRY(add_code(request, entry, settings, berth, out));
  if (settings.timeout) out.words.push_back("--timeout=" + *settings.timeout);
  if (settings.drain) out.words.emplace_back("--drain");
  for (const std::string& address : settings.tcp_listen) out.words.push_back("--tcp-listen=" + address);
  if (cwd != "/") out.words.push_back("--env=PWD=" + cwd);
  out.words.push_back(path_of_open(entry.file.get()));
  out.words.insert(out.words.end(), command.begin() + 1, command.end());
  out.exec_words = {berth, "run", "--inherit-env", "--tier=interp"};
  out.exec_words.insert(out.exec_words.end(), common.begin(), common.end());
  return {};
}

json::Value mount_value(const char* destination, const char* type, const char* source,
                        const std::vector<std::string>& options) {
  json::Value out;
  out.set("destination", destination);
  out.set("type", type);
  out.set("source", source);
  out.set("options", array_of(options));
  return out;
}

json::Value bind_value(const std::string& source, const std::string& destination, bool read_only) {
  json::Value out;
  out.set("destination", destination);
  out.set("type", "bind");
  out.set("source", source);
  out.set("options", array_of({"rbind", read_only ? "ro" : "rw"}));
  return out;
}

// "1000", "1000:100" of an image; names are looked up in its files.
std::pair<i64, i64> user_of(const Image& image) {
  auto number_in = [&](const char* file, const std::string& name, size_t column) -> i64 {
    if (!name.empty() && name.find_first_not_of("0123456789") == std::string::npos)
      return std::stoll(name.substr(0, 9));
    const auto bytes = os::read_file(image.folder + file, 1 << 20);
    if (!bytes) return 0;
    const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    for (const std::string& line : container::split(text, '\n')) {
      if (!line.starts_with(name + ":")) continue;
      const auto fields = container::split(line, ':');
      if (fields.size() > column) return std::atoll(fields[column].c_str());
    }
    return 0;
  };
  const size_t colon = image.user.find(':');
  const std::string user = image.user.substr(0, colon);
  const i64 uid = user.empty() ? 0 : number_in("/etc/passwd", user, 2);
  if (colon == std::string::npos) return {uid, 0};
  return {uid, number_in("/etc/group", image.user.substr(colon + 1), 2)};
}

json::Value linux_config(const LaunchRequest& request, const std::vector<std::string>& command, const std::string& cwd,
                         const std::string& root, const std::vector<std::string>& environment) {
  // What container engines leave to programs of user 0.
  static const std::vector<std::string> kCapabilities = {
      "CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER",           "CAP_SETGID",
      "CAP_SETUID", "CAP_SETPCAP",      "CAP_KILL",   "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT"};
  const kube::Container& container = *request.container;
  json::Value config;
  config.set("ociVersion", "1.0.2");
  json::Value& process = config.object_at("process");
  process.set("terminal", false);
  const auto [uid, gid] = user_of(*request.image);
  process.object_at("user").set("uid", container.user.value_or(uid));
  process.object_at("user").set("gid", container.group.value_or(gid));
  process.set("args", array_of(command));
  process.set("env", array_of(environment));
  process.set("cwd", cwd);
  for (const char* kind : {"bounding", "effective", "permitted"})
    process.object_at("capabilities").set(kind, array_of(kCapabilities));
  process.set("noNewPrivileges", true);
  config.object_at("root").set("path", root);
  config.object_at("root").set("readonly", container.read_only_root);
  config.set("hostname", request.hostname);
  json::Value& mounts = config.set("mounts", json::Array());
  mounts.append(mount_value("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  mounts.append(mount_value("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  mounts.append(
      mount_value("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}));
  mounts.append(mount_value("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  mounts.append(mount_value("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  mounts.append(bind_value(request.hosts_file, "/etc/hosts", false));
  for (const Mounted& mounted : request.mounts)
    mounts.append(bind_value(mounted.source, mounted.path, mounted.read_only));
  json::Value& on_linux = config.object_at("linux");
  json::Value& namespaces = on_linux.set("namespaces", json::Array());
  for (const char* kind : {"pid", "ipc", "uts", "mount"}) namespaces.append(json::Object()).set("type", kind);
  if (!request.network.empty()) {
    json::Value& network = namespaces.append(json::Object());
    network.set("type", "network");
    network.set("path", request.network);
  }
  on_linux.set("cgroupsPath", request.cgroup ? request.cgroup->path_for_runtime() : "/berth-play/" + request.id);
  json::Value& resources = on_linux.object_at("resources");
  json::Value device;
  device.set("allow", false);
  device.set("access", "rwm");
  resources.set("devices", json::Array()).append(std::move(device));
  for (const auto& [name, list] :
       {std::pair{"maskedPaths",
                  std::vector<std::string>{"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                                           "/proc/timer_list", "/proc/sched_debug", "/proc/scsi"}},
        std::pair{"readonlyPaths",
                  std::vector<std::string>{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}}})
    on_linux.set(name, array_of(list));
  return config;
}

Result<> prepare_linux(const LaunchRequest& request, const std::vector<std::string>& command, const std::string& cwd,
                       Launch& out) {
  const container::Node node = TRY(container::read_node());
  if (node.runtime.empty()) {
    return fail(ErrorCode::NotSupported, command[0] +
                                             " is a Linux program, and neither crun nor runc is installed; "
                                             "WebAssembly runs without");
  }
  if (!container::is_root())
    return fail(ErrorCode::NotSupported,
                command[0] + " is a Linux program, and containers of Linux programs need root here");
  out.runtime = node.runtime;
  out.files = request.folder + "/root";
  out.is_mounted = TRY(make_root(request.image->folder, request, out.files));
  // Paths of the image's that are to be mounted over.
  for (const Mounted& mounted : request.mounts) make_place(out.files, mounted.path, is_folder(mounted.source));
  std::vector<std::string> environment = environment_texts(out.environment);
  const json::Value config = linux_config(request, command, cwd, out.files, environment);
  const std::string text = json::to_text(config);
  TRY(os::replace_file(request.folder + "/config.json", {reinterpret_cast<const u8*>(text.data()), text.size()}, 0600));
  TRY(make_folders(request.runtime_root, 0700));
  out.words = {node.runtime, "--root", request.runtime_root, "run", "--bundle", request.folder, request.id};
  out.exec_words = {node.runtime, "--root", request.runtime_root, "exec", "--cwd", cwd};
  for (const std::string& variable : environment) out.exec_words.insert(out.exec_words.end(), {"--env", variable});
  out.exec_words.push_back(request.id);
  return {};
}

}  // namespace

Result<Launch> prepare(const LaunchRequest& request) {
  const kube::Container& container = *request.container;
  Launch out;
  // The image's variables first; the container's count.
  for (const std::string& text : request.image->environment) {
    const size_t equals = text.find('=');
    if (equals != std::string::npos) out.environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  for (const auto& variable : request.variables) {
    std::erase_if(out.environment, [&](const auto& v) { return v.first == variable.first; });
    out.environment.push_back(variable);
  }
  auto has = [&](const char* name) {
    return std::ranges::find(out.environment, name, &std::pair<std::string, std::string>::first) !=
           out.environment.end();
  };
  if (!has("PATH"))
    out.environment.emplace_back("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  if (!has("HOSTNAME")) out.environment.emplace_back("HOSTNAME", request.hostname);

  const std::vector<std::string> command = command_of(container, *request.image, request.variables);
  if (command.empty()) return fail(ErrorCode::BadArgument, "the image starts nothing, and no command is given");
  std::string cwd = container.working_folder.empty() ? request.image->working_folder : container.working_folder;
  if (cwd.empty()) cwd = "/";
  TRY(make_folders(request.folder, 0700));
  // A configuration for those who look into it: where the files are, what is asked for.
  json::Value config;
  config.object_at("root").set("path", request.image->folder);
  config.object_at("process").set("env", array_of(environment_texts(out.environment)));
  for (const auto& [name, value] : request.annotations) config.object_at("annotations").set(name, value);
  json::Value& mounts = config.set("mounts", json::Array());
  for (const Mounted& mounted : request.mounts)
    mounts.append(bind_value(mounted.source, mounted.path, mounted.read_only));
  const auto files = TRY(container::ContainerFiles::planned(config, "/"));
  const container::EntryPoint entry =
      container::find_entry_point(files, command[0], cwd, environment_texts(out.environment));
  if (entry.kind == container::ProgramKind::Missing)
    return fail(ErrorCode::BadArgument, "the image " + container.image + " has no " + command[0]);
  if (!container::is_wasm(entry.kind)) {
    TRY(prepare_linux(request, command, cwd, out));
  } else {
    const container::Settings settings = TRY(container::read_settings(config));
    TRY(prepare_wasm(request, entry, settings, command, cwd, out));
  }
  return out;
}

std::vector<std::string> exec_words(const Launch& launch, const std::vector<std::string>& command) {
  std::vector<std::string> words = launch.exec_words;
  if (!launch.is_wasm) {
    words.insert(words.end(), command.begin(), command.end());
    return words;
  }
  json::Value config;
  config.object_at("root").set("path", launch.files);
  const auto files = container::ContainerFiles::planned(config, "/");
  if (!files) return {};
  const auto environment = environment_texts(launch.environment);
  const container::EntryPoint entry = container::find_entry_point(*files, command[0], "/", environment);
  if (!container::is_wasm(entry.kind)) return {};
  words.push_back("--argv0=" + command[0]);
  words.push_back(path_of_open(entry.file.get()));
  words.insert(words.end(), command.begin() + 1, command.end());
  return words;
}

void clean_up(const Launch& launch, const LaunchRequest& request) {
  if (launch.is_mounted) umount2(launch.files.c_str(), MNT_DETACH);
  std::error_code ignored;
  fs::remove_all(request.folder, ignored);
}

}  // namespace berth::play
