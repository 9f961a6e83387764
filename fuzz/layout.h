// What every generated module has in common, by index; and how its types are written. Constants and
// pure functions.
//
// Types are letters, those of spec/opcodes.def and more for references:
//   i i32   l i64   f f32   d f64   v v128   F funcref   E externref   N anyref
//   S (ref null $struct)   A (ref null $array of i8)   X exnref
#pragma once

#include <string>
#include <string_view>

#include "base/types.h"
#include "fuzz/writer.h"

namespace berth::fuzz {

// Types that cross the module's boundary; global number n has the nth of these.
inline constexpr std::string_view kNumberTypes = "ilfdv";
inline constexpr std::string_view kAllTypes = "ilfdvFENSA";
// Fields of the struct, as they unpack; the first is an i8.
inline constexpr std::string_view kStructFields = "ildvSN";

// Type indices.
inline constexpr u32 kStructType = 0;
inline constexpr u32 kSubStructType = 1;
inline constexpr u32 kByteArrayType = 2;
inline constexpr u32 kAnyArrayType = 3;
inline constexpr u32 kEmptyType = 4;  // [] -> []
inline constexpr u32 kTagType = 5;    // [i32] -> []
inline constexpr u32 kFirstFunctionType = 6;

// Tag 0 carries an i32, tag 1 nothing. Table 0 holds functions, 1 externs, 2 is 64-bit and holds anyrefs.
inline constexpr u32 kDataBytes = 32;  // length of both data segments

struct Signature {
  std::string params, results;
};

inline void write_type(Writer& out, char type) {
  switch (type) {
    case 'i': out.byte(0x7f); break;
    case 'l': out.byte(0x7e); break;
    case 'f': out.byte(0x7d); break;
    case 'd': out.byte(0x7c); break;
    case 'v': out.byte(0x7b); break;
    case 'F': out.byte(0x70); break;
    case 'E': out.byte(0x6f); break;
    case 'N': out.byte(0x6e); break;
    case 'X': out.byte(0x69); break;
    case 'S': out.bytes({0x63, kStructType}); break;
    default: out.bytes({0x63, kByteArrayType}); break;
  }
}

// The constant 0 or null of the type.
inline void write_zero(Writer& out, char type) {
  switch (type) {
    case 'i': out.bytes({0x41, 0}); break;
    case 'l': out.bytes({0x42, 0}); break;
    case 'f': out.bytes({0x43, 0, 0, 0, 0}); break;
    case 'd': out.bytes({0x44, 0, 0, 0, 0, 0, 0, 0, 0}); break;
    case 'v':
      out.bytes({0xfd, 0x0c});
      for (int i = 0; i < 16; ++i) out.byte(0);
      break;
    case 'F': out.bytes({0xd0, 0x70}); break;
    case 'E': out.bytes({0xd0, 0x6f}); break;
    case 'N': out.bytes({0xd0, 0x6e}); break;
    case 'X': out.bytes({0xd0, 0x69}); break;
    case 'S': out.bytes({0xd0, kStructType}); break;
    default: out.bytes({0xd0, kByteArrayType}); break;
  }
}

}  // namespace berth::fuzz
