// Digests (FIPS 180-4) and little-endian fields, as launch measurements are made of. Pure functions and values of one
// thread.
#pragma once

#include <array>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace berth::measure {

using Sha256 = std::array<u8, 32>;
using Sha384 = std::array<u8, 48>;

// Of the parts one after the other.
Sha256 sha256(std::initializer_list<std::span<const u8>> parts);
Sha384 sha384(std::initializer_list<std::span<const u8>> parts);

// SHA-384 of bytes as they come.
class Sha384Stream {
 public:
  Sha384Stream();
  ~Sha384Stream();
  Sha384Stream(const Sha384Stream&) = delete;
  Sha384Stream& operator=(const Sha384Stream&) = delete;
  void update(std::span<const u8> bytes);
  // Once, after the last bytes.
  Sha384 finish();

 private:
  void* context_;
};

// Lower-case hexadecimal digits.
std::string to_hex(std::span<const u8> bytes);

// The little-endian number of `size` (at most 8) bytes at `offset`, all of which are there.
u64 read_le(std::span<const u8> bytes, size_t offset, size_t size);
void append_le(std::vector<u8>& out, u64 value, size_t size);
void store_le(std::span<u8> bytes, size_t offset, u64 value, size_t size);

inline std::span<const u8> bytes_of(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

}  // namespace berth::measure
