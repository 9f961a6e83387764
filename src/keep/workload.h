// The workload that a host hands a keep: bytes that anybody may have changed, until what the owner says of them holds.
// Pure functions.
//
// An image is an archive (tar) of an OCI image layout with one image. Layers are encrypted as ocicrypt does:
// AES-256-CTR with an HMAC, their keys encrypted with one of the broker's (key provider "attestation-agent", wrapped by
// A256GCM).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keep/config.h"

namespace berth::keep {

// A key by the name of a broker's resource.
using KeySource = std::function<Result<std::vector<u8>>(std::string_view resource)>;

// The module or component that is to run. Fails with System, saying what does not hold: another digest, no archive, a
// layer that is not encrypted or was changed, no module in the image.
Result<std::vector<u8>> open_workload(std::span<const u8> bytes, const Config& config, const KeySource& keys);

}  // namespace berth::keep
