// Strings and their encodings (Canonical ABI: loading and storing strings). What is stored comes from a
// source that was checked, so that no realloc is called for a string that is none.

#include <algorithm>
#include <cstring>

#include "component/canonical.h"
#include "text/utf8.h"

namespace berth::component {
namespace {

using Form = StringSource::Form;

constexpr u64 kMaxStringBytes = (u64{1} << 28) - 1;

u32 unit_at(const u8* data, u64 i) {
  u16 u;
  std::memcpy(&u, data + 2 * i, 2);
  return u;
}
void put_unit(u8* data, u64 i, u32 unit) {
  const auto u = static_cast<u16>(unit);
  std::memcpy(data + 2 * i, &u, 2);
}

// The code point at `at` of a source that was checked; moves on.
u32 next(const StringSource& s, u64& at) {
  switch (s.form) {
    case Form::Latin1: return s.data[at++];
    case Form::Utf16: {
      const u32 high = unit_at(s.data, at++);
      if (high < 0xD800 || high > 0xDFFF) return high;
      return 0x10000 + ((high - 0xD800) << 10) + (unit_at(s.data, at++) - 0xDC00);
    }
    case Form::Utf8: break;
  }
  const u32 b = s.data[at++];
  if (b < 0x80) return b;
  const auto tail = [&] { return u32{s.data[at++]} & 63; };
  if (b < 0xE0) return (b & 31) << 6 | tail();
  if (b < 0xF0) {
    const u32 first = tail();
    return (b & 15) << 12 | first << 6 | tail();
  }
  const u32 first = tail(), second = tail();
  return (b & 7) << 18 | first << 12 | second << 6 | tail();
}

// Leading bytes of `data` that are ASCII.
u64 ascii_prefix(const u8* data, u64 size) {
  u64 i = 0;
  // Long runs by vectors: the loop inside becomes a few of them.
  constexpr u64 kBlock = 64;
  for (; i + kBlock <= size; i += kBlock) {
    u8 high = 0;
    for (u64 k = 0; k < kBlock; ++k) high |= data[i + k];
    if (high & 0x80) break;
  }
  for (; i + 8 <= size; i += 8) {
    u64 eight;
    std::memcpy(&eight, data + i, 8);
    if (eight & 0x8080808080808080) break;
  }
  while (i < size && data[i] < 0x80) ++i;
  return i;
}

// Why the bytes are not UTF-8; null when they are.
const char* utf8_error(const u8* data, u64 size) {
  for (u64 at = 0;;) {
    at += ascii_prefix(data + at, size - at);
    if (at == size) return nullptr;
    const std::string_view rest(reinterpret_cast<const char*>(data + at), std::min<u64>(size - at, 4));
    const u32 n = text::utf8_sequence(rest);
    if (n != 0) {
      at += n;
      continue;
    }
    // Could more bytes have made it one?
    std::string padded(rest);
    for (const char filler : {'\x80', '\xBF', '\xA0', '\x90'}) {
      padded.resize(rest.size());
      while (padded.size() < 4) padded += filler;
      if (rest.size() < 4 && text::utf8_sequence(padded) > rest.size()) return "incomplete utf-8 byte sequence";
    }
    return "invalid utf-8 sequence";
  }
}

const char* utf16_error(const u8* data, u64 units) {
  for (u64 i = 0; i < units; ++i) {
    const u32 u = unit_at(data, i);
    if (u < 0xD800 || u > 0xDFFF) continue;
    if (u > 0xDBFF || i + 1 == units) return "unpaired surrogate found";
    const u32 low = unit_at(data, ++i);
    if (low < 0xDC00 || low > 0xDFFF) return "unpaired surrogate found";
  }
  return nullptr;
}

u32 put_utf8(u8* out, u32 c) {
  if (c < 0x80) return out[0] = static_cast<u8>(c), 1;
  if (c < 0x800) {
    out[0] = static_cast<u8>(0xC0 | c >> 6), out[1] = static_cast<u8>(0x80 | (c & 63));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = static_cast<u8>(0xE0 | c >> 12), out[1] = static_cast<u8>(0x80 | (c >> 6 & 63));
    out[2] = static_cast<u8>(0x80 | (c & 63));
    return 3;
  }
  out[0] = static_cast<u8>(0xF0 | c >> 18), out[1] = static_cast<u8>(0x80 | (c >> 12 & 63));
  out[2] = static_cast<u8>(0x80 | (c >> 6 & 63)), out[3] = static_cast<u8>(0x80 | (c & 63));
  return 4;
}

// Writes from unit `units` of UTF-16 at `out` on; how many units there are then.
u64 put_utf16(const StringSource& s, u64 at, u8* out, u64 units) {
  while (at < s.units) {
    const u32 c = next(s, at);
    if (c < 0x10000) {
      put_unit(out, units++, c);
    } else {
      put_unit(out, units++, 0xD800 + ((c - 0x10000) >> 10));
      put_unit(out, units++, 0xDC00 + ((c - 0x10000) & 0x3FF));
    }
  }
  return units;
}

}  // namespace

bool Transfer::load_string(const Side& from, u64 address, u64 tagged, StringSource* out) {
  const u64 tag = from.options->pointer == cm::PointerSize::P32 ? u64{1} << 31 : u64{1} << 63;
  u32 align = 1;
  out->units = tagged;
  switch (from.options->encoding) {
    case cm::StringEncoding::Utf8: out->form = Form::Utf8; break;
    case cm::StringEncoding::Utf16: out->form = Form::Utf16, align = 2; break;
    case cm::StringEncoding::Latin1OrUtf16:
      align = 2;
      out->may_be_latin1 = true;
      out->form = tagged & tag ? Form::Utf16 : Form::Latin1;
      out->units = tagged & ~tag;
  }
  const u64 bytes = out->form == Form::Utf16 && out->units <= kMaxStringBytes ? out->units * 2 : out->units;
  if (bytes > kMaxStringBytes)
    return fail("string content out-of-bounds: string pointer/length out of bounds of memory");
  if (address % align != 0) return fail("unaligned pointer: string pointer not aligned to 2");
  if (address > from.bytes() || bytes > from.bytes() - address)
    return fail("string content out-of-bounds: string pointer/length out of bounds of memory");
  out->data = from.base() + address;
  const char* wrong = nullptr;
  if (out->form == Form::Utf8) wrong = utf8_error(out->data, out->units);
  if (out->form == Form::Utf16) wrong = utf16_error(out->data, out->units);
  return wrong == nullptr || fail(wrong);
}

bool Transfer::append_string(const StringSource& source, std::string& out) {
  if (source.form == Form::Utf8) {
    out.append(reinterpret_cast<const char*>(source.data), source.units);
    return true;
  }
  for (u64 at = 0; at < source.units;) text::append_utf8(out, next(source, at));
  return true;
}

bool Transfer::store_string(const StringSource& source, const Side& to, u64* address, u64* tagged) {
  const u64 limit = source.form == Form::Utf16 ? kMaxStringBytes / 2 : kMaxStringBytes;
  if (source.units > limit) return fail("string is too long");
  switch (to.options->encoding) {
    case cm::StringEncoding::Utf8: return store_utf8(source, to, address, tagged);
    case cm::StringEncoding::Utf16: return store_utf16(source, to, address, tagged);
    default: return store_latin1_or_utf16(source, to, address, tagged);
  }
}

bool Transfer::store_utf8(const StringSource& source, const Side& to, u64* address, u64* units) {
  if (!allocate(to, 1, source.units, address, "string")) return false;
  if (source.form == Form::Utf8) {
    if (source.units != 0) std::memcpy(to.base() + *address, source.data, source.units);
    *units = source.units;
    return true;
  }
  u64 at = 0;
  for (u8* out = to.base() + *address; at < source.units;) {
    const u32 c = source.form == Form::Latin1 ? source.data[at] : unit_at(source.data, at);
    if (c >= 0x80) break;
    out[at++] = static_cast<u8>(c);
  }
  *units = at;
  if (at == source.units) return true;
  const u64 worst = source.units * (source.form == Form::Latin1 ? 2 : 3);
  if (!reallocate(to, *address, source.units, 1, worst, address, "string")) return false;
  u8* out = to.base() + *address;
  while (at < source.units) *units += put_utf8(out + *units, next(source, at));
  return *units == worst || reallocate(to, *address, worst, 1, *units, address, "string");
}

bool Transfer::store_utf16(const StringSource& source, const Side& to, u64* address, u64* units) {
  const u64 worst = source.units * 2;
  if (!allocate(to, 2, worst, address, "string")) return false;
  if (source.form == Form::Utf16) {
    if (worst != 0) std::memcpy(to.base() + *address, source.data, worst);
    *units = source.units;
    return true;
  }
  *units = put_utf16(source, 0, to.base() + *address, 0);
  return *units * 2 == worst || reallocate(to, *address, worst, 2, *units * 2, address, "string");
}

bool Transfer::store_latin1_or_utf16(const StringSource& source, const Side& to, u64* address, u64* units) {
  const u64 tag = to.options->pointer == cm::PointerSize::P32 ? u64{1} << 31 : u64{1} << 63;
  if (source.form == Form::Latin1) {
    if (!allocate(to, 2, source.units, address, "string")) return false;
    if (source.units != 0) std::memcpy(to.base() + *address, source.data, source.units);
    *units = source.units;
    return true;
  }
  if (source.form == Form::Utf16 && source.may_be_latin1) {
    const u64 bytes = source.units * 2;
    if (!allocate(to, 2, bytes, address, "string")) return false;
    u8* out = to.base() + *address;
    if (bytes != 0) std::memcpy(out, source.data, bytes);
    bool is_latin1 = true;
    for (u64 i = 0; i < source.units && is_latin1; ++i) is_latin1 = unit_at(out, i) < 0x100;
    *units = source.units | (is_latin1 ? 0 : tag);
    if (!is_latin1) return true;
    for (u64 i = 0; i < source.units; ++i) out[i] = out[2 * i];
    return reallocate(to, *address, bytes, 1, source.units, address, "string");
  }
  if (!allocate(to, 2, source.units, address, "string")) return false;
  u64 written = 0;
  for (u64 at = 0; at < source.units;) {
    const u64 before = at;
    const u32 c = next(source, at);
    if (c < 0x100) {
      to.base()[*address + written++] = static_cast<u8>(c);
      continue;
    }
    const u64 worst = source.units * 2;
    if (!reallocate(to, *address, source.units, 2, worst, address, "string")) return false;
    u8* out = to.base() + *address;
    for (u64 i = written; i-- > 0;) put_unit(out, i, out[i]);
    const u64 total = put_utf16(source, before, out, written);
    *units = total | tag;
    return total * 2 == worst || reallocate(to, *address, worst, 2, total * 2, address, "string");
  }
  *units = written;
  return written == source.units || reallocate(to, *address, source.units, 2, written, address, "string");
}

}  // namespace berth::component
