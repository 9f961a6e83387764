#include "attest/der.h"

namespace berth::attest {

std::optional<DerElement> DerReader::next() {
  if (rest_.size() < 2 || (rest_[0] & 0x1F) == 0x1F) return std::nullopt;
  size_t header = 2, length = rest_[1];
  if (length & 0x80) {
    const size_t digits = length & 0x7F;
    if (digits == 0 || digits > 4 || rest_.size() < 2 + digits || rest_[2] == 0) return std::nullopt;
    length = 0;
    for (size_t i = 0; i < digits; ++i) length = length << 8 | rest_[2 + i];
    if (length < 0x80) return std::nullopt;
    header += digits;
  }
  if (length > rest_.size() - header) return std::nullopt;
  const DerElement out = {rest_[0], rest_.subspan(header, length), rest_.first(header + length)};
  rest_ = rest_.subspan(header + length);
  return out;
}

std::optional<DerElement> DerReader::next(u8 tag) {
  const auto before = rest_;
  const auto out = next();
  if (out && out->tag == tag) return out;
  rest_ = before;
  return std::nullopt;
}

std::optional<u32> der_number(std::span<const u8> content) {
  if (content.empty() || content[0] & 0x80) return std::nullopt;
  u64 out = 0;
  for (const u8 byte : content) {
    out = out << 8 | byte;
    if (out > ~u32{0}) return std::nullopt;
  }
  return static_cast<u32>(out);
}

std::string der_oid(std::span<const u8> content) {
  std::string out;
  u64 value = 0;
  size_t digits = 0;
  for (const u8 byte : content) {
    if (++digits > 9) return {};
    value = value << 7 | (byte & 0x7F);
    if (byte & 0x80) continue;
    if (out.empty()) {
      const u64 first = value < 40 ? 0 : value < 80 ? 1 : 2;
      out = std::to_string(first) + "." + std::to_string(value - 40 * first);
    } else {
      out += "." + std::to_string(value);
    }
    value = digits = 0;
  }
  return digits == 0 ? out : std::string();
}

}  // namespace berth::attest
