// The digests that artifacts and modules are known by.
#pragma once

#include "digest/sha256.h"

namespace berth::engine {

using digest::Digest;
using digest::equal;
using digest::hmac_sha256;
using digest::Sha256;
using digest::sha256;
using digest::to_hex;

}  // namespace berth::engine
