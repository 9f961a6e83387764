// Implementation limits (specification: appendix, implementation limitations). Plain values; the
// defaults are those that browsers and servers agree on, where there is such an agreement.
#pragma once

#include "base/types.h"

namespace berth::wasm {

struct ModuleLimits {
  u64 module_bytes = u64{1} << 30;
  u32 types = 1'000'000;
  u32 rec_group_types = 1'000'000;
  u32 subtyping_depth = 63;
  u32 functions = 1'000'000;
  u32 imports = 1'000'000;
  u32 exports = 1'000'000;
  u32 globals = 1'000'000;
  u32 data_segments = 1'000'000;
  u32 elem_segments = 10'000'000;
  u32 tables = 65'535;
  u32 memories = 1'000;
  u32 tags = 1'000'000;
  u32 function_body_bytes = 128u << 20;
  u32 function_params = 1'000;
  u32 function_results = 1'000;
  u32 function_locals = 50'000;
  u32 function_slots = 60'000;  // locals, parameters and the deepest operand stack, in 8-byte slots
  u32 nesting_depth = 1'000'000;
  u32 struct_fields = 10'000;
  u32 array_new_fixed = 10'000;
  u32 br_table_targets = 10'000'000;
  u32 table_initial = 10'000'000;
  u32 name_bytes = 100'000;
  u32 custom_section_count = 1'000'000;
};

}  // namespace berth::wasm
