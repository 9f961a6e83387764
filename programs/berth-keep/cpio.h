// An initial file system as the kernel takes it (Documentation/driver-api/early-userspace/buffer-format: "newc"). The
// same entries in the same order give the same bytes: no times, owners and numbers of this machine. Values.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/types.h"

namespace berth::keep {

class Cpio {
 public:
  // Names have no slash at their start; folders come before what is in them.
  void add_folder(const std::string& name, u32 mode = 0755);
  void add_file(const std::string& name, std::span<const u8> contents, u32 mode = 0644);
  void add_character_device(const std::string& name, u32 major, u32 minor, u32 mode = 0600);
  // The whole archive, to a multiple of 512 bytes. Once.
  std::vector<u8> finish();

 private:
  void add(const std::string& name, u32 mode, std::span<const u8> contents, u32 major = 0, u32 minor = 0);

  std::vector<u8> out_;
  u32 next_ = 1;
};

}  // namespace berth::keep
