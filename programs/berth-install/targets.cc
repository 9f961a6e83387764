#include "berth-install/targets.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#include <toml++/toml.h>

#include "json/json.h"

namespace berth::install {

namespace {

constexpr std::string_view kBegin = "# begin: berth install\n", kEnd = "# end: berth install\n";
constexpr const char* kProgramFolders[] = {"/usr/bin/", "/usr/local/bin/", "/usr/sbin/", "/usr/local/sbin/",
                                           "/bin/",     "/sbin/",          "/opt/bin/"};
// What each version of containerd's file calls the plugin for Kubernetes.
constexpr std::string_view kCri2 = "io.containerd.grpc.v1.cri", kCri3 = "io.containerd.cri.v1.runtime";

std::unexpected<Error> refuse(std::string why) { return fail(ErrorCode::NotSupported, std::move(why)); }

Result<> need_program(const Machine& machine, const std::string& name, const Request& request) {
  if (request.even_if_absent || request.for_user) return {};
  for (const char* folder : kProgramFolders)
    if (machine.has(folder + name)) return {};
  return refuse(name + " is not installed there; --force writes its settings all the same");
}

// A string for TOML; paths of ours need no escapes, others are refused before.
std::string quoted(const std::string& text) { return "\"" + text + "\""; }

u32 mode_of(const Machine& machine, const std::string& path) {
  struct stat status{};
  return stat(machine.at(path).c_str(), &status) == 0 ? status.st_mode & 07777 : 0644;
}

Result<Plan> one_file(const Machine& machine, const std::string& target, const std::string& path, std::string after) {
  Change change{path, std::move(after)};
  change.before = TRY(machine.read(path));
  change.mode = mode_of(machine, path);
  Plan plan{target, {}, {}, {}};
  if (change.before != change.after) plan.changes.push_back(std::move(change));
  return plan;
}

Result<Plan> plan_podman(const Machine& machine, const Request& request) {
  TRY(need_program(machine, "podman", request));
  std::string folder = "/etc/containers";
  if (request.for_user) {
    const char* config = std::getenv("XDG_CONFIG_HOME");
    const char* home = std::getenv("HOME");
    if (!(config && *config == '/') && !(home && *home == '/'))
      return refuse("there is no home folder: $HOME is not set");
    folder = (config && *config == '/' ? std::string(config) : std::string(home) + "/.config") + "/containers";
  }
  const std::string path = request.config.empty() ? folder + "/containers.conf.d/berth.conf" : request.config;
  Plan plan = TRY(one_file(machine, "podman", path,
                           "# Written by `berth install podman`; `berth uninstall podman` takes it back.\n"
                           "[engine.runtimes]\nberth = [" +
                               quoted(request.runtime) + "]\n"));
  plan.notes.emplace_back("podman run --runtime berth IMAGE");
  return plan;
}

Result<Plan> plan_docker(const Machine& machine, const Request& request) {
  TRY(need_program(machine, "dockerd", request));
  const std::string path = request.config.empty() ? "/etc/docker/daemon.json" : request.config;
  const auto before = TRY(machine.read(path));
  json::Value config = json::Object();
  if (before && before->find_first_not_of(" \t\r\n") != std::string::npos) {
    auto parsed = json::parse(*before);
    if (!parsed || !parsed->is(json::Kind::Object))
      return refuse(machine.at(path) + " is no JSON object, which dockerd would not start with either" +
                    (parsed ? "" : ": " + parsed.error().to_string()));
    config = std::move(*parsed);
  }
  if (const json::Value* runtimes = config.find("runtimes")) {
    if (!runtimes->is(json::Kind::Object)) return refuse(machine.at(path) + ": runtimes is no object");
    if (const json::Value* berth = runtimes->find("berth"); berth && berth->text_at({"path"}) != request.runtime)
      return refuse(machine.at(path) + " has another runtime called berth: " + json::to_text(*berth));
  }
  json::Value& berth = config.object_at("runtimes").object_at("berth");
  const bool is_there = berth.text_at({"path"}) == request.runtime;
  berth.set("path", request.runtime);
  Plan plan = TRY(one_file(machine, "docker", path, is_there && before ? *before : json::to_text(config, 2) + "\n"));
  plan.notes.emplace_back("docker run --runtime berth IMAGE");
  return plan;
}

Result<Plan> plan_crio(const Machine& machine, const Request& request) {
  TRY(need_program(machine, "crio", request));
  const std::string path = request.config.empty() ? "/etc/crio/crio.conf.d/99-berth.conf" : request.config;
  Plan plan = TRY(one_file(machine, "crio", path,
                           "# Written by `berth install crio`; `berth uninstall crio` takes it back.\n"
                           "[crio.runtime.runtimes.berth]\n"
                           "runtime_path = " +
                               quoted(request.runtime) +
                               "\n"
                               "runtime_type = \"oci\"\n"
                               "runtime_root = \"/run/berth\"\n"));
  plan.notes.emplace_back("runtimeClassName: berth, with a RuntimeClass: berth install kubernetes");
  return plan;
}

Result<toml::table> parse_toml(const std::string& path, const std::string& text) {
  toml::parse_result parsed = toml::parse(text, path);
  if (!parsed) {
    return refuse(path + ", line " + std::to_string(parsed.error().source().begin.line) + ": " +
                  std::string(parsed.error().description()));
  }
  return std::move(parsed).table();
}

// Whether runc's containers get their cgroups from systemd, as ours must then.
bool uses_systemd(const toml::table& config, std::string_view plugin) {
  const auto value =
      config["plugins"][plugin]["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"].value<bool>();
  return value.value_or(false);
}

Result<Plan> plan_containerd(const Machine& machine, const Request& request) {
  TRY(need_program(machine, "containerd", request));
  const std::string path = request.config.empty() ? "/etc/containerd/config.toml" : request.config;
  const auto before = TRY(machine.read(path));
  const std::string name = machine.at(path);
  std::string after = before.value_or("version = 2\n");
  const toml::table config = TRY(parse_toml(name, after));
  const i64 version = config["version"].value<i64>().value_or(1);
  if (version != 2 && version != 3) {
    return refuse(name + " has version " + std::to_string(version) +
                  " of the format, which Berth does not write; `containerd config migrate` makes a later one of it");
  }
  const std::string_view plugin = version == 3 ? kCri3 : kCri2;
  if (const toml::array* disabled = config["disabled_plugins"].as_array()) {
    for (const toml::node& item : *disabled) {
      const auto text = item.value<std::string_view>();
      if (text == "cri" || text == kCri2 || text == kCri3)
        return refuse(name + " switches off what Kubernetes talks to: disabled_plugins has " + std::string(*text) +
                      "; take it out first, or use `ctr run --runc-binary`, which needs no settings");
    }
  }
  if (const auto there = config["plugins"][plugin]["containerd"]["runtimes"]["berth"]) {
    if (there["options"]["BinaryName"].value<std::string_view>() == request.runtime)
      return Plan{"containerd", {}, {}, {}};
    return refuse(name + ", line " + std::to_string(there.node()->source().begin.line) +
                  ": there is another runtime called berth");
  }
  const std::string table = "plugins.\"" + std::string(plugin) + "\".containerd.runtimes.berth";
  if (!after.empty() && !after.ends_with('\n')) after += '\n';
  after += std::string(kBegin) + "[" + table + "]\n" +
           "  runtime_type = \"io.containerd.runc.v2\"\n"
           "  pod_annotations = [\"run.berth.*\"]\n"
           "  container_annotations = [\"run.berth.*\"]\n"
           "  [" +
           table +
           ".options]\n"
           "    BinaryName = " +
           quoted(request.runtime) + "\n" + (uses_systemd(config, plugin) ? "    SystemdCgroup = true\n" : "") +
           std::string(kEnd);
  // Where the file is written in a way that what is appended does not fit, as with tables in one line.
  auto changed = parse_toml(name, after);
  if (!changed) {
    return refuse(name + " is written so that nothing can be appended to it (" + changed.error().detail() +
                  "); `containerd config dump` gives it a form that fits");
  }
  toml::node_view<toml::node> runtimes = (*changed)["plugins"][plugin]["containerd"]["runtimes"];
  runtimes.as_table()->erase("berth");
  Plan plan = TRY(one_file(machine, "containerd", path, std::move(after)));
  plan.notes.emplace_back("runtimeClassName: berth, with a RuntimeClass: berth install kubernetes");
  return plan;
}

std::optional<std::string> without_block(const std::string& contents) {
  const size_t begin = contents.find(kBegin), end = contents.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    // Taken out by hand already.
    if (begin == end && contents.find(".runtimes.berth") == std::string::npos) return contents;
    return std::nullopt;
  }
  return contents.substr(0, begin) + contents.substr(end + kEnd.size());
}

std::optional<std::string> without_docker_runtime(const std::string& contents) {
  auto config = json::parse(contents);
  if (!config || !config->is(json::Kind::Object)) return std::nullopt;
  json::Value* runtimes = config->find("runtimes");
  if (!runtimes || !runtimes->find("berth")) return contents;
  runtimes->erase("berth");
  if (runtimes->members().empty()) config->erase("runtimes");
  return json::to_text(*config, 2) + "\n";
}

}  // namespace

Result<Plan> plan_for(const Machine& machine, const std::string& target, const Request& request) {
  if (request.runtime.find_first_of("\"\\\n") != std::string::npos)
    return refuse(request.runtime + " has characters in its path that settings cannot hold");
  if (request.for_user && target != "podman")
    return refuse("the settings of " + target + " are the machine's, which root may change: sudo berth install " +
                  target);
  if (target == "podman") return plan_podman(machine, request);
  if (target == "docker") return plan_docker(machine, request);
  if (target == "containerd") return plan_containerd(machine, request);
  if (target == "crio") return plan_crio(machine, request);
  return fail(ErrorCode::BadArgument, "there is no target " + target);
}

TakeOut take_out_of(const std::string& target) {
  if (target == "docker") return without_docker_runtime;
  if (target == "containerd") return without_block;
  return {};
}

std::string unit_of(const std::string& target) { return target == "podman" ? "" : target; }

}  // namespace berth::install
