// AArch64, the procedure call standard of Arm. Native code signs no return addresses and has no landing instructions
// for indirect branches, and nothing here needs them. See native/machine.h.
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
#define REGISTERS_BYTES 176
static_assert(offsetof(EntryFrame, sp) == ENTRY_SP && offsetof(EntryFrame, store) == ENTRY_STORE);
static_assert(offsetof(InstanceContext, store) == CONTEXT_STORE);
static_assert(offsetof(StoreContext, guest_sp) == STORE_SP && offsetof(StoreContext, guest_fp) == STORE_FP &&
              offsetof(StoreContext, guest_pc) == STORE_FP + 8 && offsetof(StoreContext, native_limit) == STORE_LIMIT);
static_assert(offsetof(StoreContext, overflow) == STORE_OVERFLOW);
static_assert(offsetof(abi::FunctionInstance, type) == 0 && offsetof(abi::FunctionInstance, store) == INSTANCE_STORE);
static_assert(offsetof(abi::RuntimeType, native_exit) == TYPE_NATIVE_EXIT);
static_assert(offsetof(Registers, sp) == REGISTERS_SP && offsetof(Registers, pc) == REGISTERS_SP + 8);
static_assert(sizeof(Registers) == REGISTERS_BYTES && REGISTERS_BYTES % 16 == 0);

thread_local constinit EntryFrame* berth_native_entry = nullptr;

// clang-format off
#define FUNCTION(name)                                                                                 \
  ".p2align 4\n.globl " #name "\n.hidden " #name "\n.type " #name ",@function\n" #name ":\n.cfi_startproc\n"
#define END(name) ".cfi_endproc\n.size " #name ", .-" #name "\n"
#define LABEL(name) ".globl " #name "\n.hidden " #name "\n" #name ":\n"

// The position, and whether there is room for the host; `store` in x16. The return address is in x30.
#define KEEP_POSITION                                                                                  \
  "mov x17, sp\n"                                                                                      \
  "str x17, [x16, #" STR(STORE_SP) "]\n"                                                               \
  "stp x29, x30, [x16, #" STR(STORE_FP) "]\n"                                                          \
  "ldr x16, [x16, #" STR(STORE_LIMIT) "]\n"                                                            \
  "cmp x17, x16\n"                                                                                     \
  "b.lo berth_native_refuse\n"

// A Registers on the stack, of which only x30 has to be restored after a call.
#define SAVE_REGISTERS                                                                                 \
  "sub sp, sp, #" STR(REGISTERS_BYTES) "\n.cfi_def_cfa_offset " STR(REGISTERS_BYTES) "\n"              \
  "stp x19, x20, [sp]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\nstp x25, x26, [sp, #48]\n"    \
  "stp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n.cfi_offset x29, -96\n.cfi_offset x30, -88\n"     \
  "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\nstp d12, d13, [sp, #128]\n"                        \
  "stp d14, d15, [sp, #144]\nstp x17, x30, [sp, #" STR(REGISTERS_SP) "]\n"

asm(".text\n"
    FUNCTION(berth_native_enter)
    "stp x29, x30, [sp, #-160]!\n"
    ".cfi_def_cfa_offset 160\n.cfi_offset x29, -160\n.cfi_offset x30, -152\n"
    "mov x29, sp\n"
    "stp x19, x20, [sp, #16]\n.cfi_offset x19, -144\n.cfi_offset x20, -136\n"
    "stp x21, x22, [sp, #32]\n.cfi_offset x21, -128\n.cfi_offset x22, -120\n"
    "stp x23, x24, [sp, #48]\n.cfi_offset x23, -112\n.cfi_offset x24, -104\n"
    "stp x25, x26, [sp, #64]\n.cfi_offset x25, -96\n.cfi_offset x26, -88\n"
    "stp x27, x28, [sp, #80]\n.cfi_offset x27, -80\n.cfi_offset x28, -72\n"
    "stp d8, d9, [sp, #96]\n.cfi_offset d8, -64\n.cfi_offset d9, -56\n"
    "stp d10, d11, [sp, #112]\n.cfi_offset d10, -48\n.cfi_offset d11, -40\n"
    "stp d12, d13, [sp, #128]\n.cfi_offset d12, -32\n.cfi_offset d13, -24\n"
    "stp d14, d15, [sp, #144]\n.cfi_offset d14, -16\n.cfi_offset d15, -8\n"
    "str x29, [x0, #" STR(ENTRY_SP) "]\n"
    "ldr x9, [x0, #" STR(ENTRY_STORE) "]\n"
    "mov x16, x1\n"
    "mov x0, x2\n"
    "mov x1, x3\n"
    "mov x2, x4\n"
    "ldr x3, [x9, #" STR(STORE_OVERFLOW) "]\n"
    "blr x16\n"
    LABEL(berth_native_returned)
    "mov w0, #0\n"
    "b 1f\n"
    LABEL(berth_native_unwound)
    "mov w0, #1\n"
    "1: ldp d14, d15, [sp, #144]\nldp d12, d13, [sp, #128]\nldp d10, d11, [sp, #112]\nldp d8, d9, [sp, #96]\n"
    "ldp x27, x28, [sp, #80]\nldp x25, x26, [sp, #64]\nldp x23, x24, [sp, #48]\nldp x21, x22, [sp, #32]\n"
    "ldp x19, x20, [sp, #16]\n"
    "ldp x29, x30, [sp], #160\n.cfi_def_cfa_offset 0\n"
    "ret\n"
    END(berth_native_enter)

    // `at` may lie below the stack pointer that it gives, where a signal would overwrite it: that comes last.
    FUNCTION(berth_native_resume)
    "ldp x19, x20, [x0]\nldp x21, x22, [x0, #16]\nldp x23, x24, [x0, #32]\nldp x25, x26, [x0, #48]\n"
    "ldp x27, x28, [x0, #64]\nldp x29, x30, [x0, #80]\n"
    "ldp d8, d9, [x0, #96]\nldp d10, d11, [x0, #112]\nldp d12, d13, [x0, #128]\nldp d14, d15, [x0, #144]\n"
    "ldp x17, x16, [x0, #" STR(REGISTERS_SP) "]\n"
    "mov sp, x17\n"
    "mov x0, x1\n"
    "mov x1, xzr\n"
    "br x16\n"
    END(berth_native_resume)

    // Continues in the fault handler, which has a stack of its own.
    FUNCTION(berth_native_refuse)
    "udf #0\n"
    END(berth_native_refuse)

    // CallOut and Throw are given all registers, as last argument. They return what to resume with, or null.
    FUNCTION(berth_native_stub_CallOut)
    "ldr x16, [x1, #" STR(INSTANCE_STORE) "]\n"
    KEEP_POSITION SAVE_REGISTERS
    "mov x3, sp\n"
    "bl berth_builtin_CallOut\n"
    "cbnz x0, 1f\n"
    "ldr x30, [sp, #88]\n"
    "add sp, sp, #" STR(REGISTERS_BYTES) "\n"
    "ret\n"
    "1: mov x1, x0\n"
    "mov x0, sp\n"
    "b berth_native_resume\n"
    END(berth_native_stub_CallOut)

    FUNCTION(berth_native_stub_Throw)
    "ldr x16, [x0, #" STR(CONTEXT_STORE) "]\n"
    KEEP_POSITION SAVE_REGISTERS
    "mov x2, sp\n"
    "bl berth_builtin_Throw\n"
    "mov x1, x0\n"
    "mov x0, sp\n"
    "b berth_native_resume\n"
    END(berth_native_stub_Throw)

    // The instance is in x0; every other argument register passes through. The type has no exit trampoline yet when
    // a module without native code defined it: then one of a supertype serves.
    FUNCTION(berth_native_exit_stub)
    "ldr x16, [x0]\n"
    "ldr x16, [x16, #" STR(TYPE_NATIVE_EXIT) "]\n"
    "cbz x16, 1f\n"
    "br x16\n"
    "1: ldr x16, [x0, #" STR(INSTANCE_STORE) "]\n"
    KEEP_POSITION
    "stp x29, x30, [sp, #-208]!\n.cfi_def_cfa_offset 208\n.cfi_offset x29, -208\n.cfi_offset x30, -200\n"
    "stp x0, x1, [sp, #16]\nstp x2, x3, [sp, #32]\nstp x4, x5, [sp, #48]\nstp x6, x7, [sp, #64]\n"
    "stp q0, q1, [sp, #80]\nstp q2, q3, [sp, #112]\nstp q4, q5, [sp, #144]\nstp q6, q7, [sp, #176]\n"
    "bl berth_native_find_exit\n"
    "mov x16, x0\n"
    "ldp q6, q7, [sp, #176]\nldp q4, q5, [sp, #144]\nldp q2, q3, [sp, #112]\nldp q0, q1, [sp, #80]\n"
    "ldp x6, x7, [sp, #64]\nldp x4, x5, [sp, #48]\nldp x2, x3, [sp, #32]\nldp x0, x1, [sp, #16]\n"
    "ldp x29, x30, [sp], #208\n.cfi_def_cfa_offset 0\n"
    "br x16\n"
    END(berth_native_exit_stub)
);

// Every other builtin.
#define BERTH_BUILTIN(id, result, arguments)                                                           \
  asm(".text\n.ifndef berth_native_stub_" #id "\n" FUNCTION(berth_native_stub_##id)                    \
      "ldr x16, [x0, #" STR(CONTEXT_STORE) "]\n" KEEP_POSITION "b berth_builtin_" #id "\n"             \
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

// Of Registers::saved: x19 to x30, then d8 to d15.
constexpr u32 kFirst = 19, kLast = 30, kFramePointer = 29 - kFirst, kLink = kLast - kFirst;
constexpr u32 kStackPointer = 31;  // DWARF's number

u64 load(u64 address) {
  u64 value;
  std::memcpy(&value, reinterpret_cast<const void*>(address), sizeof value);
  return value;
}

}  // namespace

Registers registers_at(const os::Fault& fault) {
  const mcontext_t& context = static_cast<const ucontext_t*>(fault.context())->uc_mcontext;
  Registers r{};  // d8 to d15 matter to nobody who walks
  for (u32 i = kFirst; i <= kLast; ++i) r.saved[i - kFirst] = context.regs[i];
  r.sp = fault.sp();
  r.pc = fault.pc();
  return r;
}

Registers registers_at_builtin(const StoreContext& store) {
  Registers r{};
  r.saved[kFramePointer] = store.guest_fp;
  r.sp = store.guest_sp;
  r.pc = store.guest_pc;
  return r;
}

TrapCode trap_instruction(const u8* pc) {
  // brk #(0x5500 + code)
  u32 instruction;
  std::memcpy(&instruction, pc, sizeof instruction);
  constexpr u32 kBreak = 0xD4200000 | 0x5500 << 5, kCode = 0xFF << 5;
  constexpr u32 kCodes = 0
#define BERTH_TRAP(id, text) +1
#include "spec/traps.def"
#undef BERTH_TRAP
      ;
  const u32 code = (instruction & kCode) >> 5;
  return (instruction & ~kCode) == kBreak && code < kCodes ? static_cast<TrapCode>(code) : TrapCode::None;
}

u64 frame_address(const Registers& at, const abi::UnwindRule& rule) {
  const u64 offset = static_cast<u64>(i64{rule.cfa_offset});
  if (rule.cfa_register == kStackPointer) return at.sp + offset;
  const bool is_known = rule.cfa_register >= kFirst && rule.cfa_register <= kLast;
  return is_known ? at.saved[rule.cfa_register - kFirst] + offset : 0;
}

u64 return_address(const Registers& at, const abi::UnwindRule& rule, u64 cfa, u64 low, u64 high) {
  if (rule.saved[kLink] == 0) return at.saved[kLink];
  const u64 from = cfa + static_cast<u64>(i64{rule.saved[kLink]});
  return from >= low && from <= high - 8 ? load(from) : 0;
}

}  // namespace berth::native
