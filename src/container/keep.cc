#include "container/keep.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "cli/units.h"
#include "container/rewrite.h"
#include "container/text.h"

namespace berth::container {
namespace {

constexpr std::string_view kKinds[] = {"snp", "tdx", "vm"};
// What QEMU takes beside the machine's own memory.
constexpr u64 kOverhead = u64{160} << 20, kLeast = u64{192} << 20;

std::unexpected<Error> bad(std::string what) { return fail(ErrorCode::BadArgument, std::move(what)); }

// The container's own limit; nothing when it has none.
std::optional<u64> memory_limit(const json::Value& config) {
  const json::Value* at = &config;
  for (const std::string_view name : {"linux", "resources", "memory", "limit"})
    if (at) at = at->find(name);
  const auto limit = at ? at->integer() : std::nullopt;
  return limit && *limit > 0 && *limit < (i64{1} << 50) ? std::optional(static_cast<u64>(*limit)) : std::nullopt;
}

// The node's programs, libraries and firmware, which start the machine: none of them is trusted by what runs in it.
void add_node_folder(json::Value& mounts, const std::string& path) {
  if (access(path.c_str(), F_OK) != 0) return;
  for (const json::Value& mount : mounts.items()) {
    const std::string there(mount.text_at({"destination"}));
    if (there == path || (there != "/" && path.starts_with(there + "/") && mount.text_at({"source"}) == there)) return;
  }
  json::Value mount;
  mount.set("destination", path);
  mount.set("type", "bind");
  mount.set("source", path);
  mount.set("options", array_of({"rbind", "ro", "nosuid", "nodev"}));
  mounts.append(std::move(mount));
}

void add_device(json::Value& config, const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0 || !S_ISCHR(status.st_mode)) return;
  const auto number_major = static_cast<i64>(major(status.st_rdev)),
             number_minor = static_cast<i64>(minor(status.st_rdev));
  json::Value& part = config.object_at("linux");
  json::Value device;
  device.set("path", path);
  device.set("type", "c");
  device.set("major", number_major);
  device.set("minor", number_minor);
  // The container's user is not in the node's groups.
  device.set("fileMode", 0666);
  device.set("uid", 0);
  device.set("gid", 0);
  if (!part.find("devices")) part.set("devices", json::Array());
  part.find("devices")->append(std::move(device));
  json::Value rule;
  rule.set("allow", true);
  rule.set("type", "c");
  rule.set("major", number_major);
  rule.set("minor", number_minor);
  rule.set("access", "rw");
  json::Value& resources = part.object_at("resources");
  if (!resources.find("devices")) resources.set("devices", json::Array());
  resources.find("devices")->append(std::move(rule));
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

std::optional<std::string> keep_of_program(std::string_view argv0) {
  const std::string_view name = argv0.substr(argv0.rfind('/') + 1);
  constexpr std::string_view kPrefix = "berth-oci-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const std::string_view kind = name.substr(kPrefix.size());
  return std::ranges::find(kKinds, kind) == std::end(kKinds) ? std::nullopt : std::optional(std::string(kind));
}

Result<std::optional<std::string>> keep_for(const std::optional<std::string>& program, const Settings& settings) {
  if (program && settings.keep && *settings.keep != *program)
    return bad("the workload asks for a keep of kind " + *settings.keep + ", and its runtime class is for " + *program);
  return program ? program : settings.keep;
}

Result<json::Value> rewrite_for_keep(json::Value config, const std::string& bundle, const EntryPoint& entry,
                                     const Settings& settings, const Node& node, const std::string& kind) {
  if (node.berth_keep.empty())
    return bad("a keep is asked for, and there is no berth-keep: install it beside berth-oci");
  const std::string broker = settings.broker.value_or(node.keep_broker);
  if (broker.empty())
    return bad(
        std::string("a keep is asked for, and no broker: name one by the annotation run.berth.broker, or for all "
                    "of this node by keep-broker in ") +
        kNodeFile);
  if (!settings.keep_config)
    return bad(
        "a keep is asked for, and not what runs in it: name the broker's resource by the annotation "
        "run.berth.keep-config");
  if (node.keep_image.empty())
    return bad(std::string("a keep is asked for, and there is no image of one: `berth keep image -o "
                           "/usr/local/lib/berth/keep` makes one; keep-image in ") +
               kNodeFile + " names another place");
  json::Value& process = *config.find("process");
  const std::vector<std::string> args = texts(process.find("args"));
  if (args.size() - command_position(args) > 1)
    return bad("a keep takes its arguments from the broker's " + *settings.keep_config + ", and none from here");

  u64 memory = u64{512} << 20;
  if (const auto limit = memory_limit(config)) {
    if (*limit < kLeast + kOverhead)
      return bad("the container's memory limit leaves a keep too little: it has to be at least " +
                 cli::format_size(kLeast + kOverhead));
    memory = *limit - kOverhead;
  }
  std::vector<std::string> words(args.begin(), args.begin() + static_cast<std::ptrdiff_t>(command_position(args)));
  for (const std::string& word :
       {node.berth_keep, std::string("keep"), std::string("run"), std::string("--backend"), kind,
        std::string("--broker"), broker, std::string("--config"), *settings.keep_config, std::string("--image"),
        node.keep_image, std::string("--memory"), std::to_string(memory >> 20) + "MiB"})
    words.push_back(word);
  if (!node.keep_broker_ca.empty()) words.insert(words.end(), {"--broker-ca", node.keep_broker_ca});
  for (const std::string& address : settings.tcp_listen) {
    const std::string port = address.substr(address.rfind(':') + 1);
    words.insert(words.end(), {"--publish", "0.0.0.0:" + port + ":" + port});
  }
  words.push_back(entry.path);
  process.set("args", array_of(words));

  make_movable(config, bundle);
  if (is_later_than_1_0(config)) declare_1_0(config);
  if (!config.find("mounts")) config.set("mounts", json::Array());
  json::Value& mounts = *config.find("mounts");
  // Where its sockets to the machine are.
  if (!std::ranges::any_of(mounts.items(),
                           [](const json::Value& mount) { return mount.text_at({"destination"}) == "/tmp"; })) {
    json::Value temporary;
    temporary.set("destination", "/tmp");
    temporary.set("type", "tmpfs");
    temporary.set("source", "tmpfs");
    temporary.set("options", array_of({"nosuid", "nodev", "mode=1777"}));
    mounts.append(std::move(temporary));
  }
  for (const char* folder : {"/usr", "/lib", "/lib64"}) add_node_folder(mounts, folder);
  add_node_folder(mounts, folder_of(node.berth_keep));
  add_node_folder(mounts, node.keep_image);
  if (!node.keep_broker_ca.empty()) add_node_folder(mounts, node.keep_broker_ca);
  if (access("/etc/resolv.conf", F_OK) == 0 && !std::ranges::any_of(mounts.items(), [](const json::Value& mount) {
        return mount.text_at({"destination"}) == "/etc/resolv.conf";
      }))
    add_node_folder(mounts, "/etc/resolv.conf");
  // A plain machine, for development, is emulated; confidential ones need the node's.
  if (kind != "vm")
    for (const char* device : {"/dev/kvm", "/dev/sev", "/dev/vhost-vsock"}) add_device(config, device);
  return config;
}

}  // namespace berth::container
