// Values of WebAssembly as text: what --invoke takes and prints, and what scripts report. Pure functions.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "runtime/store.h"

namespace berth::cli {

// Reads an argument of --invoke: numbers as decimal or hexadecimal, floats with nan and inf, v128 as a number
// of 128 bits, references only as "null". The error is for people.
std::expected<runtime::Value, std::string> parse_value(std::string_view text, wasm::ValType type);

// As --invoke prints a result: "42", "-1.5", "NaN".
std::string format_value(const runtime::Value& value);

// The shortest decimal that reads back as the same number; "NaN", "inf".
std::string format_float(f32 value);
std::string format_float(f64 value);

// What a reference refers to: what the first word of the object says.
enum class RefKind : u8 { Null, I31, Func, Struct, Array, Host, Exception };
RefKind kind_of(abi::Ref ref);

}  // namespace berth::cli
