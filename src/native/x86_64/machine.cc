// x86-64, System V convention. See native/machine.h.
#include "native/machine.h"

#include <ucontext.h>

#include <cstring>

namespace berth::native {

// Offsets that the machine code below has as plain numbers.
#define STR2(x) #x
#define STR(x) STR2(x)
#define ENTRY_SP 16
#define ENTRY_STORE 24
#define CONTEXT_STORE 24
#define INSTANCE_STORE 64
#define STORE_OVERFLOW 80
#define STORE_SP 96
#define STORE_FP 104
#define STORE_LIMIT 120
#define TYPE_NATIVE_EXIT 72
#define REGISTERS_SP 160
#define REGISTERS_PC 168
// A Registers and what aligns the stack after a call has put its return address.
#define AREA 184
#define AREA_END 192
static_assert(offsetof(EntryFrame, sp) == ENTRY_SP && offsetof(EntryFrame, store) == ENTRY_STORE);
static_assert(offsetof(InstanceContext, store) == CONTEXT_STORE);
static_assert(offsetof(StoreContext, guest_sp) == STORE_SP && offsetof(StoreContext, guest_fp) == STORE_FP &&
              offsetof(StoreContext, native_limit) == STORE_LIMIT);
static_assert(offsetof(StoreContext, overflow) == STORE_OVERFLOW);
static_assert(offsetof(abi::FunctionInstance, type) == 0 && offsetof(abi::FunctionInstance, store) == INSTANCE_STORE);
static_assert(offsetof(abi::RuntimeType, native_exit) == TYPE_NATIVE_EXIT);
static_assert(offsetof(Registers, sp) == REGISTERS_SP && offsetof(Registers, pc) == REGISTERS_PC);
static_assert(sizeof(Registers) <= AREA && AREA % 16 == 8);

thread_local constinit EntryFrame* berth_native_entry = nullptr;

// clang-format off
#define FUNCTION(name)                                                                                 \
  ".p2align 4\n.globl " #name "\n.hidden " #name "\n.type " #name ",@function\n" #name ":\n.cfi_startproc\n"
#define END(name) ".cfi_endproc\n.size " #name ", .-" #name "\n"
#define LABEL(name) ".globl " #name "\n.hidden " #name "\n" #name ":\n"

// The position, and whether there is room for the host; `store` in rax.
#define KEEP_POSITION                                                                                  \
  "movq %rsp, " STR(STORE_SP) "(%rax)\n"                                                               \
  "movq %rbp, " STR(STORE_FP) "(%rax)\n"                                                               \
  "cmpq " STR(STORE_LIMIT) "(%rax), %rsp\n"                                                            \
  "jb berth_native_refuse\n"

#define SAVE_REGISTERS                                                                                 \
  "subq $" STR(AREA) ", %rsp\n.cfi_adjust_cfa_offset " STR(AREA) "\n"                                  \
  "movq %rbx, (%rsp)\nmovq %rbp, 8(%rsp)\nmovq %r12, 16(%rsp)\n"                                       \
  "movq %r13, 24(%rsp)\nmovq %r14, 32(%rsp)\nmovq %r15, 40(%rsp)\n"                                    \
  "leaq " STR(AREA_END) "(%rsp), %rax\nmovq %rax, " STR(REGISTERS_SP) "(%rsp)\n"                       \
  "movq " STR(AREA) "(%rsp), %rax\nmovq %rax, " STR(REGISTERS_PC) "(%rsp)\n"

asm(".text\n"
    FUNCTION(berth_native_enter)
    "pushq %rbp\n.cfi_adjust_cfa_offset 8\n.cfi_offset %rbp, -16\n"
    "pushq %rbx\n.cfi_adjust_cfa_offset 8\n.cfi_offset %rbx, -24\n"
    "pushq %r12\n.cfi_adjust_cfa_offset 8\n.cfi_offset %r12, -32\n"
    "pushq %r13\n.cfi_adjust_cfa_offset 8\n.cfi_offset %r13, -40\n"
    "pushq %r14\n.cfi_adjust_cfa_offset 8\n.cfi_offset %r14, -48\n"
    "pushq %r15\n.cfi_adjust_cfa_offset 8\n.cfi_offset %r15, -56\n"
    "subq $8, %rsp\n.cfi_adjust_cfa_offset 8\n"
    "movq %rsp, " STR(ENTRY_SP) "(%rdi)\n"
    "movq %rdi, %rbx\n"
    "movq %rsi, %rax\n"
    "movq %rdx, %rdi\n"
    "movq %rcx, %rsi\n"
    "movq %r8, %rdx\n"
    "movq " STR(ENTRY_STORE) "(%rbx), %rcx\n"
    "movq " STR(STORE_OVERFLOW) "(%rcx), %rcx\n"
    "callq *%rax\n"
    LABEL(berth_native_returned)
    "xorl %eax, %eax\n"
    "jmp 1f\n"
    LABEL(berth_native_unwound)
    "movl $1, %eax\n"
    "1: addq $8, %rsp\n.cfi_adjust_cfa_offset -8\n"
    "popq %r15\n.cfi_adjust_cfa_offset -8\n.cfi_restore %r15\n"
    "popq %r14\n.cfi_adjust_cfa_offset -8\n.cfi_restore %r14\n"
    "popq %r13\n.cfi_adjust_cfa_offset -8\n.cfi_restore %r13\n"
    "popq %r12\n.cfi_adjust_cfa_offset -8\n.cfi_restore %r12\n"
    "popq %rbx\n.cfi_adjust_cfa_offset -8\n.cfi_restore %rbx\n"
    "popq %rbp\n.cfi_adjust_cfa_offset -8\n.cfi_restore %rbp\n"
    "retq\n"
    END(berth_native_enter)

    FUNCTION(berth_native_resume)
    "movq (%rdi), %rbx\nmovq 8(%rdi), %rbp\nmovq 16(%rdi), %r12\n"
    "movq 24(%rdi), %r13\nmovq 32(%rdi), %r14\nmovq 40(%rdi), %r15\n"
    "movq " STR(REGISTERS_PC) "(%rdi), %rcx\n"
    "movq " STR(REGISTERS_SP) "(%rdi), %rsp\n"
    "movq %rsi, %rax\n"
    "xorl %edx, %edx\n"
    "jmpq *%rcx\n"
    END(berth_native_resume)

    // Continues in the fault handler, which has a stack of its own.
    FUNCTION(berth_native_refuse)
    "ud2\n"
    END(berth_native_refuse)

    // CallOut and Throw are given all registers, as fourth argument. They return what to resume with, or null.
    FUNCTION(berth_native_stub_CallOut)
    "movq " STR(INSTANCE_STORE) "(%rsi), %rax\n"
    KEEP_POSITION SAVE_REGISTERS
    "movq %rsp, %rcx\n"
    "callq berth_builtin_CallOut\n"
    "testq %rax, %rax\n"
    "jnz 1f\n"
    "addq $" STR(AREA) ", %rsp\n.cfi_adjust_cfa_offset -" STR(AREA) "\n"
    "retq\n"
    ".cfi_adjust_cfa_offset " STR(AREA) "\n"
    "1: movq %rsp, %rdi\n"
    "movq %rax, %rsi\n"
    "jmp berth_native_resume\n"
    END(berth_native_stub_CallOut)

    FUNCTION(berth_native_stub_Throw)
    "movq " STR(CONTEXT_STORE) "(%rdi), %rax\n"
    KEEP_POSITION SAVE_REGISTERS
    "movq %rsp, %rdx\n"
    "callq berth_builtin_Throw\n"
    "movq %rsp, %rdi\n"
    "movq %rax, %rsi\n"
    "jmp berth_native_resume\n"
    END(berth_native_stub_Throw)

    // The instance is in rdi; every other argument register passes through. The type has no exit trampoline yet when
    // a module without native code defined it: then one of a supertype serves.
    FUNCTION(berth_native_exit_stub)
    "movq (%rdi), %rax\n"
    "movq " STR(TYPE_NATIVE_EXIT) "(%rax), %rax\n"
    "testq %rax, %rax\n"
    "jz 1f\n"
    "jmpq *%rax\n"
    "1: movq " STR(INSTANCE_STORE) "(%rdi), %rax\n"
    KEEP_POSITION
    "pushq %rdi\npushq %rsi\npushq %rdx\npushq %rcx\npushq %r8\npushq %r9\n"
    "subq $136, %rsp\n"
    "movups %xmm0, (%rsp)\nmovups %xmm1, 16(%rsp)\nmovups %xmm2, 32(%rsp)\nmovups %xmm3, 48(%rsp)\n"
    "movups %xmm4, 64(%rsp)\nmovups %xmm5, 80(%rsp)\nmovups %xmm6, 96(%rsp)\nmovups %xmm7, 112(%rsp)\n"
    "callq berth_native_find_exit\n"
    "movups (%rsp), %xmm0\nmovups 16(%rsp), %xmm1\nmovups 32(%rsp), %xmm2\nmovups 48(%rsp), %xmm3\n"
    "movups 64(%rsp), %xmm4\nmovups 80(%rsp), %xmm5\nmovups 96(%rsp), %xmm6\nmovups 112(%rsp), %xmm7\n"
    "addq $136, %rsp\n"
    "popq %r9\npopq %r8\npopq %rcx\npopq %rdx\npopq %rsi\npopq %rdi\n"
    "jmpq *%rax\n"
    END(berth_native_exit_stub)
);

// Every other builtin.
#define BERTH_BUILTIN(id, result, arguments)                                                           \
  asm(".text\n.ifndef berth_native_stub_" #id "\n" FUNCTION(berth_native_stub_##id)                    \
      "movq " STR(CONTEXT_STORE) "(%rdi), %rax\n" KEEP_POSITION "jmp berth_builtin_" #id "\n"          \
      END(berth_native_stub_##id) ".endif\n");
#include "spec/builtins.def"
#undef BERTH_BUILTIN
// clang-format on

extern "C" {
extern const char berth_native_returned[], berth_native_unwound[], berth_native_refuse[], berth_native_exit_stub[];
#define BERTH_BUILTIN(id, result, arguments) extern const char berth_native_stub_##id[];
#include "spec/builtins.def"
#undef BERTH_BUILTIN
}

const void* const kBuiltinTable[abi::kBuiltinCount] = {
#define BERTH_BUILTIN(id, result, arguments) berth_native_stub_##id,
#include "spec/builtins.def"
#undef BERTH_BUILTIN
};

u64 return_point() { return reinterpret_cast<u64>(berth_native_returned); }
u64 unwound_point() { return reinterpret_cast<u64>(berth_native_unwound); }
const void* exit_stub() { return berth_native_exit_stub; }
bool in_refusal(u64 pc) { return pc == reinterpret_cast<u64>(berth_native_refuse); }

namespace {

enum Saved : u8 { kRbx, kRbp, kR12, kR13, kR14, kR15 };

u64 load(u64 address) {
  u64 value;
  std::memcpy(&value, reinterpret_cast<const void*>(address), sizeof value);
  return value;
}

}  // namespace

Registers registers_at(const os::Fault& fault) {
  const auto& gregs = static_cast<const ucontext_t*>(fault.context())->uc_mcontext.gregs;
  Registers r{};
  r.saved[kRbx] = static_cast<u64>(gregs[REG_RBX]);
  r.saved[kRbp] = static_cast<u64>(gregs[REG_RBP]);
  r.saved[kR12] = static_cast<u64>(gregs[REG_R12]);
  r.saved[kR13] = static_cast<u64>(gregs[REG_R13]);
  r.saved[kR14] = static_cast<u64>(gregs[REG_R14]);
  r.saved[kR15] = static_cast<u64>(gregs[REG_R15]);
  r.sp = fault.sp();
  r.pc = fault.pc();
  return r;
}

Registers registers_at_builtin(const StoreContext& store) {
  Registers r{};
  r.saved[kRbp] = store.guest_fp;
  r.sp = store.guest_sp + 8;
  r.pc = load(store.guest_sp);
  return r;
}

TrapCode trap_instruction(const u8* pc) {
  // ud1 reg, disp8(base), maybe with an address size prefix.
  if (*pc == 0x67) ++pc;
  if (pc[0] != 0x0F || pc[1] != 0xB9 || (pc[2] & 0xC0) != 0x40 || (pc[2] & 7) == 4) return TrapCode::None;
  constexpr u8 kCodes = 0
#define BERTH_TRAP(id, text) +1
#include "spec/traps.def"
#undef BERTH_TRAP
      ;
  return pc[3] < kCodes ? static_cast<TrapCode>(pc[3]) : TrapCode::None;
}

u64 frame_address(const Registers& at, const abi::UnwindRule& rule) {
  const u64 offset = static_cast<u64>(i64{rule.cfa_offset});
  switch (rule.cfa_register) {
    case 7: return at.sp + offset;
    case 6: return at.saved[kRbp] + offset;
    case 3: return at.saved[kRbx] + offset;
    case 12:
    case 13:
    case 14:
    case 15: return at.saved[kR12 + rule.cfa_register - 12] + offset;
    default: return 0;
  }
}

u64 return_address(const Registers&, const abi::UnwindRule&, u64 cfa, u64 low, u64 high) {
  return cfa >= low + 8 && cfa <= high ? load(cfa - 8) : 0;
}

}  // namespace berth::native
