// A container whose WebAssembly runs in a keep: a confidential machine of its own, started within the container's
// namespaces and cgroup by `berth keep run` in place of its command. What runs, its arguments and its secrets come from
// a broker once the keep has proved itself; of the image the keep gets the file that the command names, and opens it
// when it is what the broker's configuration says. Pure but for looking at this node's devices; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "container/entry_point.h"
#include "container/node.h"
#include "container/settings.h"
#include "json/json.h"

namespace berth::container {

// The kind of machine that this runtime's name asks for: "berth-oci-snp" is what RuntimeClass berth-snp runs. Nothing
// for "berth-oci".
std::optional<std::string> keep_of_program(std::string_view argv0);

// Which kind a container gets, by the runtime's name or its annotation; nothing: it gets none. Fails with Usage when
// both are there and differ, and for what no container is given.
Result<std::optional<std::string>> keep_for(const std::optional<std::string>& program, const Settings& settings);

// The configuration of a container that starts that keep. Fails with Usage when something is missing; the text says
// what, and where it goes.
Result<json::Value> rewrite_for_keep(json::Value config, const std::string& bundle, const EntryPoint& entry,
                                     const Settings& settings, const Node& node, const std::string& kind);

}  // namespace berth::container
