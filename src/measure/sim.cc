#include "measure/sim.h"

namespace berth::measure {

Sha384 simulated_digest(const KernelHashes& hashes) {
  return sha384({bytes_of("berth simulated launch 1\n"), hashes.kernel, hashes.initrd, hashes.command_line});
}

}  // namespace berth::measure
