// Checked access to a guest's memory. Whatever a guest passes as an address goes through here; a
// range that is not wholly inside fails with Fault. Addresses need no alignment.
//
// The memory may be shared with other threads of the guest, so each value is copied out once and
// only the copy is looked at.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "wasi_p1/failure.h"

namespace berth::wasi_p1 {

// An address in the guest's memory at which a T is expected.
template <typename T>
struct Pointer {
  u32 address;
};

// Buffers of the guest, ready for the system.
class Buffers {
 public:
  // The system takes no more at once; longer lists are cut, which reads and writes may do.
  static constexpr u32 kMaxCount = 1024;
  static constexpr u32 kMaxBytes = 0x7ffff000;

  std::span<const iovec> span() const { return {many_.empty() ? few_.data() : many_.data(), count_}; }

 private:
  friend class GuestMemory;
  u32 count_ = 0;
  std::array<iovec, 8> few_;
  std::vector<iovec> many_;
};

class GuestMemory {
 public:
  explicit GuestMemory(std::span<u8> bytes) : bytes_(bytes) {}

  Expected<std::span<u8>> range(u32 address, u64 length) const {
    if (address > bytes_.size() || length > bytes_.size() - address) return std::unexpected(Errno::Fault);
    return bytes_.subspan(address, length);
  }
  Expected<std::string_view> string(u32 address, u32 length) const {
    std::span<u8> s = TRY(range(address, length));
    return std::string_view(reinterpret_cast<const char*>(s.data()), s.size());
  }

  template <typename T>
  Expected<T> read(Pointer<T> p) const {
    static_assert(std::is_trivially_copyable_v<T>);
    std::span<u8> s = TRY(range(p.address, sizeof(T)));
    T value;
    std::memcpy(&value, s.data(), sizeof value);
    return value;
  }
  template <typename T>
  Expected<> write(Pointer<T> p, const T& value) const {
    static_assert(std::is_trivially_copyable_v<T>);
    std::span<u8> s = TRY(range(p.address, sizeof(T)));
    std::memcpy(s.data(), &value, sizeof value);
    return {};
  }
  // Whether a later write will succeed: asked before anything is done that cannot be undone.
  template <typename T>
  Expected<> check(Pointer<T> p, u64 count = 1) const {
    TRY(range(p.address, count * sizeof(T)));
    return {};
  }

  // A list of iovec (or ciovec) structures and the buffers that they name.
  Expected<Buffers> buffers(Pointer<Iovec> list, u32 count) const;

 private:
  std::span<u8> bytes_;
};

}  // namespace berth::wasi_p1
