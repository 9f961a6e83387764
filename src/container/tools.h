// Programs for looking around that berth has built in (`berth tool`), for containers that have none of their own.
#pragma once

#include <string_view>

namespace berth::container {

// Whether a command names one of them: "ls", or "/bin/ls" and other folders that programs are in.
bool is_tool(std::string_view command);

}  // namespace berth::container
