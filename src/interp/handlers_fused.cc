// The moves, and the sequences of instructions that are common enough to have a handler of their own.
#include <algorithm>
#include <array>
#include <compare>

#include "interp/fusion.h"
#include "interp/handlers.h"
#include "interp/steps.h"

namespace berth::interp {

const Handler op_jump = steps_and_branch<Jump, false>;
const Handler op_jump_back = steps_and_branch<Jump, true>;
const Handler op_copy = steps<CopyStep>;
const Handler op_copy_float = steps<CopyFloatStep>;
const Handler op_copy2 = steps<Copy2Step>;
const Handler op_const32 = steps<Const32Step>;
const Handler op_acc_to_slot = steps<AccToSlotStep>;
const Handler op_select = steps<SelectStep>;
const Handler op_select_acc = steps<SelectAccStep>;
const Handler op_global_get = steps<GlobalGetStep>;
const Handler op_global_set = steps<GlobalSetStep>;

Handler fused_handler(std::span<const Handler>) { return nullptr; }

}  // namespace berth::interp
