#include "hostio/grants.h"

#include <sys/resource.h>

#include <algorithm>

namespace berth::hostio {

Result<DirectoryGrant> parse_directory_grant(std::string_view text) {
  DirectoryGrant g;
  std::string_view rest = text;
  if (rest.ends_with(":ro")) {
    g.read_only = true;
    rest.remove_suffix(3);
  }
  size_t separator = rest.find("::");
  g.host_path = rest.substr(0, separator);
  g.guest_path = separator == std::string_view::npos ? rest : rest.substr(separator + 2);
  if (g.host_path.empty() || g.guest_path.empty()) {
    return fail(ErrorCode::BadArgument, "\"" + std::string(text) + "\" names no directory; write HOST[::GUEST][:ro]");
  }
  return g;
}

size_t descriptor_limit(u32 configured) {
  // Descriptors that the host keeps for itself: for waiting, resolving paths, reading directories, its cache.
  constexpr u64 kReservedDescriptors = 32;
  if (configured != 0) return configured;
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  u64 most = std::min<u64>(limit.rlim_cur, u64{1} << 20);
  return most > 2 * kReservedDescriptors ? most - kReservedDescriptors : most;
}

}  // namespace berth::hostio
