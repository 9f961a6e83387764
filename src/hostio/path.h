// Paths as guests give them: bytes, relative to a directory that was granted. Plain functions.
#pragma once

#include <cstring>
#include <string_view>

#include "hostio/error.h"

namespace berth::hostio {

// A path for the kernel: terminated, without an embedded NUL, no longer than the kernel takes. On
// the stack.
class CPath {
 public:
  // Fails with NoEntry when empty, Invalid for an embedded NUL, NameTooLong.
  static Io<CPath> make(std::string_view path);
  CPath(const CPath& other) : size_(other.size_) { std::memcpy(bytes_, other.bytes_, size_ + 1); }
  CPath& operator=(const CPath&) = delete;
  const char* c_str() const { return bytes_; }
  std::string_view view() const { return {bytes_, size_}; }

 private:
  CPath() = default;
  size_t size_ = 0;
  char bytes_[4096];
};

// A path taken apart at its last component.
struct SplitPath {
  std::string_view parent;      // to be resolved first; empty: the starting directory itself
  std::string_view name;        // never empty, never with a slash
  bool is_dots = false;         // the name is "." or "..": nothing can be made, removed or renamed there
  bool trailing_slash = false;  // the path says that it names a directory
};
// `path` is not empty and not of slashes only: those fail with Escape, as every absolute path does.
Io<SplitPath> split_path(std::string_view path);

}  // namespace berth::hostio
