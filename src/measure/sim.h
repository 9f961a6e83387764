// What the simulation of a confidential machine, which is insecure and for development, says was launched.
#pragma once

#include "measure/sev.h"

namespace berth::measure {

// SHA-384 of a text that names it and of the digests of kernel, initrd and command line.
Sha384 simulated_digest(const KernelHashes& hashes);

}  // namespace berth::measure
