// For native_test.cc only: code for AArch64, and how its frames are undone.
#pragma once

#include "native/code_by_hand.h"

namespace berth::native {

// clang-format off
// Everything takes and returns one i64. `name_frame` is where a function has made the frame that kFrames says.
asm(R"(
.section test_native_code, "ax", @progbits
enter:
  stp x30, x19, [sp, #-16]!
enter_frame:
  mov x19, x2
  mov x16, x1
  ldr x1, [x2]
  blr x16
  str x0, [x19]
  ldp x30, x19, [sp], #16
  ret
exit:
  str x30, [sp, #-32]!
exit_frame:
  str x1, [sp, #16]
  add x2, sp, #16
  mov x1, x0
  ldr x16, [x0, #)" STR(FUNCTION_STORE) R"(]
  ldr x0, [x0, #)" STR(FUNCTION_CONTEXT) R"(]
  ldr x16, [x16, #)" STR(STORE_BUILTINS) R"(]
  ldr x16, [x16, #)" STR(CALL_OUT) R"(]
  blr x16
  ldr x0, [sp, #16]
  ldr x30, [sp], #32
  ret
identity:
  mov x0, x1
  ret
// Calls the function whose index is in the low byte with the rest.
call_by_index:
  str x30, [sp, #-16]!
call_by_index_frame:
  ldr x16, [x0, #)" STR(CONTEXT_STORE) R"(]
  str x0, [x16, #)" STR(STORE_CALLER) R"(]
  and x9, x1, #0xFF
  lsr x1, x1, #8
  ldr x16, [x0, #)" STR(CONTEXT_FUNCTIONS) R"(]
  ldr x16, [x16, x9, lsl #3]
  ldr x0, [x16, #)" STR(FUNCTION_TARGET) R"(]
  ldr x16, [x16, #)" STR(FUNCTION_CODE) R"(]
  blr x16
  ldr x30, [sp], #16
  ret
trap:
  brk #0x5501
load:
  ldr x16, [x0]
  ldr x0, [x16, x1]
  ret
recurse:
  str x30, [sp, #-32]!
recurse_frame:
  bl recurse
  ldr x30, [sp], #32
  ret
spin:
  b spin
throw:
  stp x30, x19, [sp, #-48]!
  str d8, [sp, #16]
throw_frame:
  mov x19, x0
  str x1, [sp, #32]
  mov w1, #0
  add x2, sp, #32
  ldr x16, [x0, #)" STR(CONTEXT_BUILTINS) R"(]
  ldr x16, [x16, #)" STR(EXCEPTION_NEW) R"(]
  blr x16
  mov x1, x0
  mov x0, x19
  mov x19, #0
  fmov d8, xzr
  ldr x16, [x0, #)" STR(CONTEXT_BUILTINS) R"(]
  ldr x16, [x16, #)" STR(THROW) R"(]
  blr x16
deep:
.rept 10
  str x30, [sp, #-16]!
  bl 1f
  ldr x30, [sp], #16
  ret
1:
.endr
deep_last:
  b throw
// The value of the exception plus 1000.
catch_deep:
  stp x30, x19, [sp, #-32]!
  str d8, [sp, #16]
catch_deep_frame:
  mov x19, #600
  mov x9, #400
  fmov d8, x9
  bl deep
  ldr d8, [sp, #16]
  ldp x30, x19, [sp], #32
  ret
catch_deep_landing:
  ldr x0, [x0, #24]
  fmov x9, d8
  add x0, x0, x19
  add x0, x0, x9
  add x0, x0, x1
  ldr d8, [sp, #16]
  ldp x30, x19, [sp], #32
  ret
catch_index:
  stp x30, x19, [sp, #-32]!
  str d8, [sp, #16]
catch_index_frame:
  mov x19, #1600
  mov x9, #400
  fmov d8, x9
catch_index_call:
  bl call_by_index
catch_index_after:
  ldr d8, [sp, #16]
  ldp x30, x19, [sp], #32
  ret
// Calls function 0 until something stops it.
recurse_out:
  stp x30, x19, [sp, #-16]!
recurse_out_frame:
  mov x19, x0
  mov x1, #0
  bl call_by_index
  mov x0, x19
  bl recurse_out
  ldp x30, x19, [sp], #16
  ret
// Whether a new struct is still there after function 0 has been called.
hold:
  stp x30, x19, [sp, #-32]!
  str x20, [sp, #16]
hold_frame:
  mov x19, x0
  ldr x16, [x0, #)" STR(CONTEXT_TYPES) R"(]
  ldr x1, [x16, #16]
  ldr x16, [x0, #)" STR(CONTEXT_BUILTINS) R"(]
  ldr x16, [x16, #)" STR(STRUCT_NEW) R"(]
  blr x16
  mov x20, x0
  mov x0, x19
  mov x1, #0
  bl call_by_index
  ldr x16, [x19, #)" STR(CONTEXT_TYPES) R"(]
  ldr x16, [x16, #16]
  ldr x17, [x20]
  cmp x16, x17
  cset x0, eq
  ldr x20, [sp, #16]
  ldp x30, x19, [sp], #32
  ret
end:
.text
)");
// clang-format on

// Of registers: x19, x20, x30 and d8.
constexpr abi::UnwindRule frame(i32 bytes, i16 x19 = 0, i16 x20 = 0, i16 d8 = 0) {
  abi::UnwindRule rule{31, bytes, {}};
  rule.saved[0] = x19;
  rule.saved[1] = x20;
  rule.saved[11] = static_cast<i16>(-bytes);
  rule.saved[12] = d8;
  return rule;
}
inline constexpr abi::UnwindRule kFrames[] = {frame(0),
                                              frame(16),
                                              frame(32),
                                              frame(32),
                                              frame(16, -8),
                                              frame(48, -40, 0, -32),
                                              frame(32, -24, 0, -16),
                                              frame(16, -8),
                                              frame(32, -24, -16)};

}  // namespace berth::native
