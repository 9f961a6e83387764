// What a container of a pod becomes on this machine: a command, run in the pod's network. WebAssembly is `berth run`
// with the container's files as grants; a Linux program is a container of crun or runc. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "berth-play/cgroup.h"
#include "berth-play/images.h"
#include "kube/objects.h"

namespace berth::play {

using Variables = std::vector<std::pair<std::string, std::string>>;

// A volume of a pod, as it is mounted: a folder, or with a subPath perhaps a file, of this machine.
struct Mounted {
  std::string source, path;
  bool read_only = false;
};

struct LaunchRequest {
  const kube::Container* container = nullptr;
  const Image* image = nullptr;
  std::string id;            // of the container, for crun and runc
  std::string folder;        // of this start alone; is made, and removed by whoever asked
  std::string runtime_root;  // where crun or runc keep state
  std::string hostname;
  std::string hosts_file;    // its /etc/hosts
  kube::Labels annotations;  // of the pod
  Variables variables;       // of the container, complete
  std::vector<Mounted> mounts;
  std::string network;             // path of the network namespace; empty: this machine's
  std::shared_ptr<Cgroup> cgroup;  // with the container's limits; null: where it has none, or they cannot be kept
};

struct Launch {
  std::vector<std::string> words;
  Variables environment;
  bool is_wasm = false;
  std::string runtime;  // crun or runc, for Linux
  // What running something else in the container takes, before that: for WebAssembly the module, for Linux a command.
  std::vector<std::string> exec_words;
  std::string files;        // where the container's files are on this machine
  bool is_mounted = false;  // `files` is a mount
};

// Prepares the files in `folder`, and says what to run. Fails with System, BadArgument or NotSupported, saying why the
// container cannot be started.
Result<Launch> prepare(const LaunchRequest& request);

// The words that run a command in the container: a module, or a Linux program; none when it has no such thing.
std::vector<std::string> exec_words(const Launch& launch, const std::vector<std::string>& command);

// Takes away what `prepare` has made.
void clean_up(const Launch& launch, const LaunchRequest& request);

}  // namespace berth::play
