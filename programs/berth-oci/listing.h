// What berth-oci knows about runtimes, and how it lists containers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"

namespace berth::oci_runtime {

// Whether the runtime may refuse configurations of later versions of the specification than 1.0. Runs it to ask.
bool is_old(const std::string& runtime);

// `list` in one of the formats "json" and "table", or only ids.
std::string render_list(const std::vector<json::Value>& containers, std::string_view format, bool quiet);

}  // namespace berth::oci_runtime
