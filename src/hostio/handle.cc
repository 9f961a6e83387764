#include "hostio/handle.h"

#include <unistd.h>

namespace berth::hostio {

void Handle::close() {
  // On Linux the descriptor is gone even when close fails or is interrupted; it must not be tried
  // again.
  if (fd_ >= 0 && owned_) ::close(fd_);
  fd_ = -1;
}

}  // namespace berth::hostio
