// For native_test.cc only: code for x86-64, and how its frames are undone.
#pragma once

#include "native/code_by_hand.h"

namespace berth::native {

// clang-format off
// Everything takes and returns one i64. `name_frame` is where a function has made the frame that kFrames says.
asm(R"(
.section test_native_code, "ax", @progbits
enter:
  pushq %rbx
enter_frame:
  movq %rdx, %rbx
  movq %rsi, %rax
  movq (%rdx), %rsi
  callq *%rax
  movq %rax, (%rbx)
  popq %rbx
  retq
exit:
  subq $24, %rsp
exit_frame:
  movq %rsi, (%rsp)
  movq %rsp, %rdx
  movq %rdi, %rsi
  movq )" STR(FUNCTION_STORE) R"((%rdi), %rax
  movq )" STR(FUNCTION_CONTEXT) R"((%rdi), %rdi
  movq )" STR(STORE_BUILTINS) R"((%rax), %rax
  callq *)" STR(CALL_OUT) R"((%rax)
  movq (%rsp), %rax
  addq $24, %rsp
  retq
identity:
  movq %rsi, %rax
  retq
# Calls the function whose index is in the low byte with the rest.
call_by_index:
  subq $8, %rsp
call_by_index_frame:
  movq )" STR(CONTEXT_STORE) R"((%rdi), %rax
  movq %rdi, )" STR(STORE_CALLER) R"((%rax)
  movzbl %sil, %ecx
  shrq $8, %rsi
  movq )" STR(CONTEXT_FUNCTIONS) R"((%rdi), %rax
  movq (%rax,%rcx,8), %rax
  movq )" STR(FUNCTION_TARGET) R"((%rax), %rdi
  callq *)" STR(FUNCTION_CODE) R"((%rax)
  addq $8, %rsp
  retq
trap:
  ud1l 1(%eax), %eax
load:
  movq (%rdi), %rax
  movq (%rax,%rsi), %rax
  retq
recurse:
  subq $24, %rsp
recurse_frame:
  callq recurse
  addq $24, %rsp
  retq
spin:
  jmp spin
throw:
  pushq %rbx
  subq $16, %rsp
throw_frame:
  movq %rdi, %rbx
  movq %rsi, (%rsp)
  xorl %esi, %esi
  movq %rsp, %rdx
  movq )" STR(CONTEXT_BUILTINS) R"((%rdi), %rax
  callq *)" STR(EXCEPTION_NEW) R"((%rax)
  movq %rbx, %rdi
  movq %rax, %rsi
  xorl %ebx, %ebx
  movq )" STR(CONTEXT_BUILTINS) R"((%rdi), %rax
  callq *)" STR(THROW) R"((%rax)
deep:
.rept 10
  subq $8, %rsp
  callq 1f
  addq $8, %rsp
  retq
1:
.endr
deep_last:
  jmp throw
# The value of the exception plus 1000.
catch_deep:
  pushq %rbx
catch_deep_frame:
  movl $1000, %ebx
  callq deep
  popq %rbx
  retq
catch_deep_landing:
  movq 24(%rax), %rax
  addq %rbx, %rax
  addq %rdx, %rax
  popq %rbx
  retq
catch_index:
  pushq %rbx
catch_index_frame:
  movl $2000, %ebx
catch_index_call:
  callq call_by_index
catch_index_after:
  popq %rbx
  retq
# Calls function 0 until something stops it.
recurse_out:
  pushq %rbx
recurse_out_frame:
  movq %rdi, %rbx
  xorl %esi, %esi
  callq call_by_index
  movq %rbx, %rdi
  callq recurse_out
  popq %rbx
  retq
# Whether a new struct is still there after function 0 has been called.
hold:
  pushq %rbx
  pushq %rbp
  subq $8, %rsp
hold_frame:
  movq %rdi, %rbx
  movq )" STR(CONTEXT_TYPES) R"((%rdi), %rax
  movq 16(%rax), %rsi
  movq )" STR(CONTEXT_BUILTINS) R"((%rdi), %rax
  callq *)" STR(STRUCT_NEW) R"((%rax)
  movq %rax, %rbp
  movq %rbx, %rdi
  xorl %esi, %esi
  callq call_by_index
  movq )" STR(CONTEXT_TYPES) R"((%rbx), %rax
  movq 16(%rax), %rcx
  xorl %eax, %eax
  cmpq %rcx, (%rbp)
  sete %al
  addq $8, %rsp
  popq %rbp
  popq %rbx
  retq
end:
.text
)");
// clang-format on

inline constexpr abi::UnwindRule kFrames[] = {{7, 8, {}},     {7, 16, {}},    {7, 32, {}},
                                              {7, 32, {}},    {7, 16, {-16}}, {7, 32, {-16}},
                                              {7, 16, {-16}}, {7, 16, {-16}}, {7, 32, {-16, -24}}};

}  // namespace berth::native
