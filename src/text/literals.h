// Numbers of the text format (specification 3.0: text format, values). Pure functions.
#pragma once

#include <optional>
#include <string_view>

#include "base/types.h"
#include "text/lexer.h"

namespace berth::text {

constexpr u32 hex_digit(char c) { return static_cast<u32>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10); }

// Nat, Int or Float for a word that is a number, Reserved for any other.
TokenKind number_kind(std::string_view text);

// The value of a Nat token; nothing when it does not fit 64 bits.
std::optional<u64> parse_nat(std::string_view text);
// The value, modulo 2^bits, of a Nat or Int token; nothing when it is neither a signed nor an unsigned
// number of `bits` bits.
std::optional<u64> parse_int(std::string_view text, u32 bits);
// Bits of the number nearest to a Nat, Int or Float token, ties to even. Nothing when it would round to
// infinity or a NaN's payload does not fit.
std::optional<u32> parse_f32(std::string_view text);
std::optional<u64> parse_f64(std::string_view text);

}  // namespace berth::text
