// Digests (FIPS 180-4) and little-endian fields, as launch measurements are made of. Pure functions and values of one
// thread.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include "attest/crypto.h"
#include "base/types.h"

namespace berth::measure {

using attest::bytes_of;
using attest::Sha256;
using attest::Sha384;
using attest::to_hex;

// Of the parts one after the other.
Sha256 sha256(std::initializer_list<std::span<const u8>> parts);
Sha384 sha384(std::initializer_list<std::span<const u8>> parts);

// The little-endian number of `size` (at most 8) bytes at `offset`, all of which are there.
u64 read_le(std::span<const u8> bytes, size_t offset, size_t size);
void append_le(std::vector<u8>& out, u64 value, size_t size);
void store_le(std::span<u8> bytes, size_t offset, u64 value, size_t size);

}  // namespace berth::measure
