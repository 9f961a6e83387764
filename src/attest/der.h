// Reads DER (X.690) element by element, within bounds. Values; nothing is copied.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/types.h"

namespace berth::attest {

struct DerElement {
  u8 tag = 0;
  std::span<const u8> content, whole;
};

// Takes elements from the front of bytes.
class DerReader {
 public:
  explicit DerReader(std::span<const u8> bytes) : rest_(bytes) {}
  bool at_end() const { return rest_.empty(); }
  // The next element; nothing at the end, or when it is malformed or longer than what is left.
  std::optional<DerElement> next();
  // The next element when it has that tag, which is then taken; nothing else is taken.
  std::optional<DerElement> next(u8 tag);

 private:
  std::span<const u8> rest_;
};

inline constexpr u8 kDerInteger = 0x02, kDerOctets = 0x04, kDerOid = 0x06, kDerUtf8 = 0x0C, kDerSequence = 0x30;

// The content of an INTEGER as an unsigned number; nothing when it is negative or does not fit.
std::optional<u32> der_number(std::span<const u8> content);
// "1.2.840.113741.1.13.1"; empty when it is malformed.
std::string der_oid(std::span<const u8> content);

}  // namespace berth::attest
