// Import matching (specification: validation, import matching; execution, external typing). Store's
// thread.
#pragma once

#include "runtime/store.h"

namespace berth::runtime {

// Whether `value` may be given for import number `import` of the module: if not,
// IncompatibleImportType with both types in the text.
Result<> match_import(const PreparedModule& module, u32 import, const Extern& value);

// "func [i32] -> []", "memory 1 2 shared", "global (mut i32)"; for messages.
std::string describe(const Extern& value);

}  // namespace berth::runtime
