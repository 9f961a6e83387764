// Fetches by HTTP, through the program berth-fetch. One thread.
#pragma once

#include "attest/service.h"
#include "cli/options.h"

namespace berth::attest {

// Reads --ca-file and --tls-verify.
Fetch fetch_by_program(const cli::Arguments& arguments);

}  // namespace berth::attest
