#include "abi/compiler_identity.h"

namespace berth::abi {

std::string_view compiler_identity() {
  return
#include BERTH_COMPILER_IDENTITY_FILE
      ;
}

}  // namespace berth::abi
