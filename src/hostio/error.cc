#include "hostio/error.h"

#include <cstring>

namespace berth::hostio {

const char* describe(Errno e) {
  if (e == Errno::Escape) return "path leads out of the granted directory";
  return std::strerror(static_cast<int>(e));
}

}  // namespace berth::hostio
