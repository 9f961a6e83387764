// Private to Artifact: the modules that it is code of.
#pragma once

#include <mutex>
#include <vector>

#include "native/artifact.h"

namespace berth::native {

struct Artifact::Modules {
  std::mutex mutex;
  std::vector<std::weak_ptr<const wasm::Module>> all;
};

}  // namespace berth::native
