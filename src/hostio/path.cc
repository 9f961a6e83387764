#include "hostio/path.h"

namespace berth::hostio {

Io<CPath> CPath::make(std::string_view path) {
  if (path.empty()) return io_fail(Errno::NoEntry);
  CPath p;
  if (path.size() >= sizeof p.bytes_) return io_fail(Errno::NameTooLong);
  if (std::memchr(path.data(), 0, path.size()) != nullptr) return io_fail(Errno::Invalid);
  std::memcpy(p.bytes_, path.data(), path.size());
  p.bytes_[path.size()] = 0;
  p.size_ = path.size();
  return p;
}

Io<SplitPath> split_path(std::string_view path) {
  if (path.empty()) return io_fail(Errno::NoEntry);
  if (path.front() == '/') return io_fail(Errno::Escape);
  SplitPath s;
  size_t end = path.find_last_not_of('/') + 1;  // not zero: the first byte is no slash
  s.trailing_slash = end < path.size();
  size_t slash = path.rfind('/', end - 1);
  if (slash == std::string_view::npos) {
    s.name = path.substr(0, end);
  } else {
    s.parent = path.substr(0, slash);
    s.name = path.substr(slash + 1, end - slash - 1);
  }
  s.is_dots = s.name == "." || s.name == "..";
  return s;
}

}  // namespace berth::hostio
