// Bytes as text and back: hexadecimal, base64 (RFC 4648), times (RFC 3339). Pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace berth::attest {

using Blob = std::vector<u8>;

std::string to_hex(std::span<const u8> bytes);
// Digits of either case, nothing else; nothing when it is no such text.
std::optional<Blob> from_hex(std::string_view text);

std::string to_base64(std::span<const u8> bytes);
// White space is skipped, padding is required. Nothing for any other byte, or bits that are lost.
std::optional<Blob> from_base64(std::string_view text);
// Without padding.
std::string to_base64url(std::span<const u8> bytes);
std::optional<Blob> from_base64url(std::string_view text);

inline std::span<const u8> bytes_of(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}
inline std::string_view text_of(std::span<const u8> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Seconds since 1970-01-01 00:00:00 UTC, without leap seconds.
using Time = i64;

// "2025-06-19T10:56:11Z", also with a fraction, which is dropped, or an offset instead of Z. Nothing for anything else.
std::optional<Time> parse_time(std::string_view text);
// "2025-06-19T10:56:11Z"
std::string format_time(Time time);

}  // namespace berth::attest
