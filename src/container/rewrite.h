// A container's configuration (config.json of the OCI runtime specification) made into one that an ordinary runtime
// can run: WebAssembly becomes `berth run …`, and the static berth is mounted to where it is out of the way. All else
// stays as it is. Pure but for looking at the sources of mounts; any thread.
#pragma once

#include <string>
#include <vector>

#include "container/code.h"
#include "container/entry_point.h"
#include "container/policy.h"
#include "container/settings.h"
#include "json/json.h"

namespace berth::container {

// How WebAssembly is run within one container.
struct Launcher {
  std::string berth;                 // where the container sees it
  std::vector<std::string> options;  // of `berth run`, for any module
};

struct Rewritten {
  json::Value config;
  Launcher launcher;
};

// The most memory for a guest within a limit that the kernel keeps: a little more, so that who asks for what it can
// never have is refused, but who uses all that there is is ended as out of memory, as a native program is. Bytes.
u64 guest_memory_for(u64 limit);

// What follows "--" when a container is given a small init process of the engine's (podman run --init), else 0: the
// place in a container's arguments where its own command is.
size_t command_position(const std::vector<std::string>& args);

// The arguments without the Berth that an image of `berth image build` brings for machines that have none: its entry
// point is "/.berth/berth run OPTION… -- MODULE", and the node decides itself how a module is run. Others stay as they
// are.
std::vector<std::string> without_image_launcher(std::vector<std::string> args);

// The words that run `entry` in place of `args`, whose first one is the name that was given for it.
std::vector<std::string> wasm_command(const Launcher& launcher, const EntryPoint& entry, std::string_view cwd,
                                      const std::vector<std::string>& environment, std::vector<std::string> args);

// Rewrites the configuration of a container whose command is `entry`. `berth` is the executable on the host; paths in
// the configuration are relative to `bundle`; `code`, if any, is where the entry's native code is or will be. Fails
// with Usage when settings or policy do not allow it; the text says what, and what to do.
Result<Rewritten> rewrite(json::Value config, const std::string& bundle, const EntryPoint& entry,
                          const Settings& settings, const Grants& allowed, const std::string& berth,
                          const std::optional<ModuleCode>& code = {});

// Makes paths in a configuration absolute, so that it may be moved away from its bundle.
void make_movable(json::Value& config, const std::string& bundle);

// Runtimes of version 1.0 of the specification refuse later ones, which differ in what is optional. Whether the
// configuration is later than that.
bool is_later_than_1_0(const json::Value& config);
// Makes one of 1.0 of it, without the number of processes where that is not limited (below zero).
void declare_1_0(json::Value& config);

}  // namespace berth::container
