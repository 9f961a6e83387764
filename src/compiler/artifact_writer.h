// From compiled objects to the bytes of an artifact (abi/artifact.h). Any thread; see link.h.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "wasm/module.h"

namespace berth::compiler {

struct ArtifactOptions {
  std::string target;        // "x86_64-linux"
  std::string cpu;           // what needed_cpu says
  std::string compiler;      // its name and version
  u32 options = 0;           // abi::ArtifactOption bits
  bool debug_info = false;   // whether the file keeps its DWARF, for debuggers
  bool embed_module = true;  // whether it brings the module along
};

// Links `objects`, the code of `module`, and adds what the runtime has to know about them. Fails as link_image and
// read_metadata do.
Result<std::vector<u8>> make_artifact(std::span<const std::vector<u8>> objects, const wasm::Module& module,
                                      const ArtifactOptions& options);

}  // namespace berth::compiler
