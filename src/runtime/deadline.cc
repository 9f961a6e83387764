#include "runtime/deadline.h"

#include "os/clock.h"

namespace berth::runtime {

Deadline::Deadline(Store& store, std::chrono::nanoseconds duration) {
  const i64 wait = duration.count() > 0 ? duration.count() : 0;
  auto expire = [this, &store] {
    passed_.store(true, std::memory_order_release);
    store.interrupt();
  };
  // A limit that cannot be watched has passed already: better no guest than one without a limit.
  if (!alarm_.set(os::saturating_add(os::monotonic_ns(), wait), expire)) expire();
}

}  // namespace berth::runtime
