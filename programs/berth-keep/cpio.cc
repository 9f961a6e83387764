#include "berth-keep/cpio.h"

#include <sys/stat.h>

#include <cstdio>

#include "base/result.h"

namespace berth::keep {

void Cpio::add(const std::string& name, u32 mode, std::span<const u8> contents, u32 major, u32 minor) {
  CHECK(contents.size() <= 0xffffffff);
  const bool folder = S_ISDIR(mode), last = mode == 0;
  // inode, mode, owner, group, links, time, size, device (two), device named (two), size of the name, checksum
  const u32 fields[] = {last ? 0 : next_++,
                        mode,
                        0,
                        0,
                        folder ? 2u : 1u,
                        0,
                        static_cast<u32>(contents.size()),
                        0,
                        0,
                        major,
                        minor,
                        static_cast<u32>(name.size() + 1),
                        0};
  std::string header = "070701";
  for (const u32 field : fields) {
    char digits[9];
    std::snprintf(digits, sizeof digits, "%08X", field);
    header += digits;
  }
  const auto pad = [&] { out_.resize((out_.size() + 3) / 4 * 4); };
  out_.insert(out_.end(), header.begin(), header.end());
  out_.insert(out_.end(), name.c_str(), name.c_str() + name.size() + 1);
  pad();
  out_.insert(out_.end(), contents.begin(), contents.end());
  pad();
}

void Cpio::add_folder(const std::string& name, u32 mode) { add(name, S_IFDIR | mode, {}); }
void Cpio::add_file(const std::string& name, std::span<const u8> contents, u32 mode) {
  add(name, S_IFREG | mode, contents);
}
void Cpio::add_character_device(const std::string& name, u32 major, u32 minor, u32 mode) {
  add(name, S_IFCHR | mode, {}, major, minor);
}

std::vector<u8> Cpio::finish() {
  add("TRAILER!!!", 0, {});
  out_.resize((out_.size() + 511) / 512 * 512);
  return std::move(out_);
}

}  // namespace berth::keep
