// Whole images between a registry and the store. One thread calls; blobs are moved by several.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "oci/registry.h"
#include "oci/signature.h"
#include "oci/store.h"

namespace berth::oci {

// What becomes of blobs on their way; called from several threads at once.
class TransferObserver {
 public:
  virtual ~TransferObserver() = default;
  virtual void announced(const Descriptor& /*blob*/) {}
  virtual void moved(const Descriptor& /*blob*/, u64 /*bytes*/) {}
  // Moved to the end, or found to be there already.
  virtual void done(const Descriptor& /*blob*/, bool /*was_there*/) {}
};

// Which images of an index are wanted.
struct Selection {
  std::optional<Platform> platform;  // else the module's own if it has one, else that of this machine
  bool all = false;
};

// Where images for nodes with Berth are in an index: wasi/wasm; wasip1/wasm and such are taken for the same.
inline constexpr std::string_view kWasmOs = "wasi", kWasmArchitecture = "wasm";
bool is_wasm(const Platform& platform);
// This machine's: linux/amd64, linux/arm64.
Platform host_platform();
// Those of an index's images that are selected; empty when there is none that fits. Descriptors of signatures and other
// attachments, which say they are for unknown/unknown, are never.
std::vector<Descriptor> select(const Index& index, const Selection& selection);

struct Transferred {
  Descriptor descriptor;
  u64 moved = 0, there = 0;  // bytes
};

struct PullOptions {
  RegistryOptions registry;
  Selection selection;
  std::optional<SignatureRequirement> key;  // of --verify-key
  std::string policy_file;                  // empty: the usual places
};

// Gets what the store lacks of an image, and names it there. When it fails, no name has changed.
Result<Transferred> pull(const Store& store, const Reference& reference, const PullOptions& options,
                         TransferObserver& observer);

// Puts the image at `image` under the name `to` into its registry, with all that belongs to it.
Result<Transferred> push(const Store& store, const Descriptor& image, const Reference& to,
                         const RegistryOptions& options, TransferObserver& observer);

}  // namespace berth::oci
