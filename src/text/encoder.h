// Writes the primitive values of the binary format (specification: binary format, values). No state.
#pragma once

#include <string_view>
#include <vector>

#include "base/types.h"
#include "wasm/opcodes.h"

namespace berth::text {

using Bytes = std::vector<u8>;

inline void put_u64(Bytes& out, u64 v) {
  while (v >= 0x80) {
    out.push_back(static_cast<u8>(v | 0x80));
    v >>= 7;
  }
  out.push_back(static_cast<u8>(v));
}
inline void put_u32(Bytes& out, u32 v) { put_u64(out, v); }

inline void put_s64(Bytes& out, i64 v) {
  while (v < -64 || v > 63) {
    out.push_back(static_cast<u8>((v & 0x7F) | 0x80));
    v >>= 7;
  }
  out.push_back(static_cast<u8>(v & 0x7F));
}

// The `size` low bytes of `v`, lowest first.
inline void put_fixed(Bytes& out, u64 v, u32 size) {
  for (u32 i = 0; i < size; ++i) out.push_back(static_cast<u8>(v >> (8 * i)));
}

inline void put_bytes(Bytes& out, const Bytes& more) { out.insert(out.end(), more.begin(), more.end()); }

// A length and that many bytes.
inline void put_name(Bytes& out, std::string_view s) {
  put_u64(out, s.size());
  const auto* bytes = reinterpret_cast<const u8*>(s.data());
  out.insert(out.end(), bytes, bytes + s.size());
}

inline void put_op(Bytes& out, wasm::Op op) {
  const wasm::OpInfo& i = wasm::info(op);
  if (i.prefix == 0) {
    out.push_back(static_cast<u8>(i.code));
  } else {
    out.push_back(i.prefix);
    put_u32(out, i.code);
  }
}

}  // namespace berth::text
