// Files of the host, read whole. Not for guests: nothing here is restricted to a grant.
#pragma once

#include <string>

namespace berth::cli {

// Appends the file's contents to `out`; 0 or the errno.
int read_file(const std::string& path, std::string& out);

}  // namespace berth::cli
