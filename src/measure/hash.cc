#include "measure/hash.h"

#include "base/result.h"

namespace berth::measure {
namespace {

std::vector<u8> joined(std::initializer_list<std::span<const u8>> parts) {
  std::vector<u8> all;
  for (const auto part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

Sha256 sha256(std::initializer_list<std::span<const u8>> parts) {
  return attest::sha256(parts.size() == 1 ? *parts.begin() : joined(parts));
}

Sha384 sha384(std::initializer_list<std::span<const u8>> parts) {
  return attest::sha384(parts.size() == 1 ? *parts.begin() : joined(parts));
}

u64 read_le(std::span<const u8> bytes, size_t offset, size_t size) {
  CHECK(size <= 8 && offset <= bytes.size() && size <= bytes.size() - offset);
  u64 value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | bytes[offset + i];
  return value;
}

void append_le(std::vector<u8>& out, u64 value, size_t size) {
  for (size_t i = 0; i < size; ++i) out.push_back(static_cast<u8>(value >> (8 * i)));
}

void store_le(std::span<u8> bytes, size_t offset, u64 value, size_t size) {
  CHECK(size <= 8 && offset <= bytes.size() && size <= bytes.size() - offset);
  for (size_t i = 0; i < size; ++i) bytes[offset + i] = static_cast<u8>(value >> (8 * i));
}

}  // namespace berth::measure
