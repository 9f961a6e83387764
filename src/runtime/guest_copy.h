// Bulk access to guest memory. Other threads may write to a shared memory meanwhile, which
// WebAssembly allows and gives tearing results; the thread sanitizer is told so.
#pragma once

#include <cstring>

#include "base/types.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BERTH_TSAN_COPY 1
#endif
#endif

namespace berth::runtime {

#ifdef BERTH_TSAN_COPY
inline void guest_move(u8* dst, const u8* src, u64 size) {
  auto copy = [&](u64 i) { __atomic_store_n(dst + i, __atomic_load_n(src + i, __ATOMIC_RELAXED), __ATOMIC_RELAXED); };
  if (dst <= src) {
    for (u64 i = 0; i < size; ++i) copy(i);
  } else {
    for (u64 i = size; i-- > 0;) copy(i);
  }
}
inline void guest_fill(u8* dst, u8 value, u64 size) {
  for (u64 i = 0; i < size; ++i) __atomic_store_n(dst + i, value, __ATOMIC_RELAXED);
}
#else
inline void guest_move(u8* dst, const u8* src, u64 size) {
  if (size != 0) std::memmove(dst, src, size);
}
inline void guest_fill(u8* dst, u8 value, u64 size) {
  if (size != 0) std::memset(dst, value, size);
}
#endif

}  // namespace berth::runtime
