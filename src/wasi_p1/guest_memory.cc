#include "wasi_p1/guest_memory.h"

#include <algorithm>

namespace berth::wasi_p1 {

Expected<Buffers> GuestMemory::buffers(Pointer<Iovec> list, u32 count) const {
  TRY(check(list, count));
  Buffers out;
  count = std::min(count, Buffers::kMaxCount);
  if (count > out.few_.size()) out.many_.resize(count);
  iovec* to = out.many_.empty() ? out.few_.data() : out.many_.data();
  u32 left = Buffers::kMaxBytes;
  for (u32 i = 0; i < count; ++i) {
    Iovec v = TRY(read(Pointer<Iovec>{list.address + i * static_cast<u32>(sizeof(Iovec))}));
    std::span<u8> bytes = TRY(range(v.buf, v.buf_len));
    u32 length = std::min(v.buf_len, left);
    left -= length;
    to[i] = {bytes.data(), length};
  }
  out.count_ = count;
  return out;
}

}  // namespace berth::wasi_p1
