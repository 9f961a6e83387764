#include "container/node.h"

#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#include <linux/magic.h>
#include <toml++/toml.h>

#include "container/text.h"
#include "os/file.h"

namespace berth::container {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string own_path() {
  char self[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  return {self, n > 0 ? static_cast<size_t>(n) : 0};
}

// Version 1 with version 2 mounted into it, and controllers on that side.
bool has_hybrid_cgroups() {
  struct statfs status{};
  if (statfs("/sys/fs/cgroup", &status) != 0 || status.f_type == CGROUP2_SUPER_MAGIC) return false;
  const auto controllers = os::read_file("/sys/fs/cgroup/unified/cgroup.controllers");
  return controllers && controllers->size() > 1;
}

std::string default_code_folder() {
  if (is_root()) return "/var/lib/berth/code";
  if (const std::string data = variable("XDG_DATA_HOME"); data.starts_with('/')) return data + "/berth/code";
  const std::string home = variable("HOME");
  return home.starts_with('/') ? home + "/.local/share/berth/code" : "";
}

Result<> read_file(const std::string& path, Node& node) {
  const std::vector<u8> bytes = TRY(os::read_file(path, 1 << 20));
  const toml::parse_result parsed =
      toml::parse(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), path);
  auto wrong = [&](u32 line, std::string_view what) {
    return fail(ErrorCode::BadArgument, path + ", line " + std::to_string(line) + ": " + std::string(what));
  };
  if (!parsed) return wrong(parsed.error().source().begin.line, parsed.error().description());
  for (const auto& [key, value] : parsed.table()) {
    const auto text = value.value<std::string>();
    std::string* to = key == "runtime"          ? &node.runtime
                      : key == "berth"          ? &node.berth
                      : key == "policy"         ? &node.policy
                      : key == "code"           ? &node.code
                      : key == "keep-broker"    ? &node.keep_broker
                      : key == "keep-broker-ca" ? &node.keep_broker_ca
                      : key == "keep-image"     ? &node.keep_image
                                                : nullptr;
    if (!to)
      return wrong(value.source().begin.line,
                   std::string(key.str()) +
                       " is none of runtime, berth, policy, code, keep-broker, keep-broker-ca and keep-image");
    if (key == "keep-broker" && text && (text->starts_with("https://") || text->starts_with("http://"))) {
      *to = *text;
      continue;
    }
    if (!text || (!text->starts_with('/') && (key != "code" || !text->empty())))
      return wrong(value.source().begin.line, std::string(key.str()) + " takes an absolute path");
    *to = *text;
  }
  return {};
}

}  // namespace

bool is_root() {
  if (geteuid() != 0) return false;
  const auto map = os::read_file("/proc/self/uid_map");
  return !map || std::string_view(reinterpret_cast<const char*>(map->data()), map->size()).find("4294967295") !=
                     std::string_view::npos;
}

std::string find_program(const std::string& name) {
  const std::string self = own_path();
  const std::string folders = variable("PATH") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& folder : split(folders, ':')) {
    const std::string path = folder + "/" + name;
    struct stat status{};
    if (!path.starts_with('/') || stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) ||
        access(path.c_str(), X_OK) != 0)
      continue;
    char resolved[PATH_MAX];
    if (realpath(path.c_str(), resolved) && resolved == self) continue;
    return path;
  }
  return {};
}

std::string find_runtime() {
  const bool crun_last = has_hybrid_cgroups();
  for (const char* name : {"crun", "runc", "youki"}) {
    if (crun_last && name == std::string_view("crun")) continue;
    if (std::string path = find_program(name); !path.empty()) return path;
  }
  return crun_last ? find_program("crun") : "";
}

Result<Node> read_node() {
  Node node;
  node.code = default_code_folder();
  const std::string named = variable("BERTH_OCI_CONFIG");
  if (!named.empty() || access(kNodeFile, F_OK) == 0) TRY(read_file(named.empty() ? kNodeFile : named, node));
  if (std::string runtime = variable("BERTH_OCI_RUNTIME"); !runtime.empty()) node.runtime = std::move(runtime);
  if (std::string policy = variable("BERTH_OCI_POLICY"); !policy.empty()) node.policy = std::move(policy);
  if (const char* code = std::getenv("BERTH_OCI_CODE")) node.code = code;
  if (node.policy.empty()) node.policy = "/etc/berth/policy.toml";
  if (node.runtime.empty()) node.runtime = find_runtime();
  const std::string self = own_path();
  const auto beside = [&](const char* name) {
    std::string path = self.substr(0, self.rfind('/') + 1) + name;
    return access(path.c_str(), X_OK) == 0 ? path : find_program(name);
  };
  if (node.berth.empty()) node.berth = beside("berth");
  // Components may be asked to serve, and may send requests.
  if (node.berth_serve = beside("berth-serve"); node.berth_serve.empty()) node.berth_serve = node.berth;
  node.berth_keep = beside("berth-keep");
  for (const char* folder : {"/usr/local/lib/berth/keep", "/usr/lib/berth/keep"})
    if (node.keep_image.empty() && access((std::string(folder) + "/initrd").c_str(), R_OK) == 0)
      node.keep_image = folder;
  return node;
}

}  // namespace berth::container
