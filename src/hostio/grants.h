// What a workload is granted, as a user writes it. Plain values.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace berth::hostio {

struct DirectoryGrant {
  std::string host_path;
  std::string guest_path;
  bool read_only = false;
  bool devices = false;  // see Grant
};
// Reads "HOST[::GUEST][:ro]"; GUEST defaults to HOST. Fails with Usage for an empty part.
Result<DirectoryGrant> parse_directory_grant(std::string_view text);

struct StandardStream {
  // Inherit: the process's own, which must stay open while the guest lives. If it is not open,
  // the guest's is not either. Null: always at its end, and swallows what is written.
  enum Kind : u8 { Inherit, Null } kind = Inherit;
  int fd = -1;  // when Inherit: another descriptor than the stream's usual one; must be open
};

// How many descriptors a guest may have: `configured`, or with 0 as many as the process may open, less a few for the
// host itself.
size_t descriptor_limit(u32 configured);

}  // namespace berth::hostio
