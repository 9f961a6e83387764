// The internal code that function bodies are lowered to, and the shape of an interpreter frame.
//
// Code is a sequence of 8-byte words. An instruction is a word with the address of its handler, a word
// of operands, and further words where it needs them. Operands name slots of the frame by 16-bit index.
//
// A frame, upwards from `fp`:
//   parameters and locals   local_slots
//   header                  kHeaderSlots: return pc, caller's fp, caller's context
//   operand stack           by height; arguments of a call lie where the callee's frame begins
// Results are left at the start of the callee's frame, which is where the caller's operand stack has them.
//
// The word before a return address holds the FunctionCode of the caller, so that a stack can be walked
// without storing more in each frame.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "abi/context.h"
#include "interp/vector.h"
#include "wasm/module.h"

namespace berth::interp {

using Word = u64;
using abi::Slot;

inline constexpr u32 kHeaderSlots = 3;
enum Header : u32 { kReturnPc = 0, kCallerFp = 1, kCallerContext = 2 };

class InterpModule;

// What to do when an exception arrives while `begin <= pc < end` (offsets in words). Innermost first.
struct ExceptionHandler {
  u32 begin, end;
  wasm::CatchClause::Kind kind;
  u32 tag;
  u32 target;  // word to continue at
  u32 dest;    // slot that receives the exception's values, then the reference
};

// Where a word of code comes from.
struct CodeOffset {
  u32 word;
  u32 offset;  // in the function's body
};

// What is needed of a function only when something goes wrong or unwinds.
struct FunctionDetails {
  std::vector<ExceptionHandler> handlers;
  std::vector<CodeOffset> offsets;  // ascending by word
  std::vector<CodeOffset> loops;    // where backward branches go to, and the `loop` instruction; ascending by word
};

// One function of a module. All zero until the function has been lowered; `entry` is written last, once.
// Trivial, so that a module's array of them costs nothing until it is used.
struct FunctionCode {
  std::atomic<const Word*> entry;
  u32 frame_slots;  // slots that the frame needs in all
  u32 local_slots;  // parameters and locals: where the header is
  u32 param_slots;
  u32 result_slots;
  u32 index;  // in the module's function index space
  u32 code_words;
  const Word* code;          // owned by the module
  FunctionDetails* details;  // owned by the module
  InterpModule* module;
};

// The arguments of every handler: the machine's registers. `acc` and `vacc` hold the most recent integer
// (or reference) and float (or vector) result; lowering knows when.
#define BERTH_REGS                                                                                               \
  const ::berth::interp::Word *pc, ::berth::abi::Slot *fp, ::berth::u8 *mem, ::berth::abi::InstanceContext *ctx, \
      ::berth::abi::StoreContext *st, ::berth::u64 acc, ::berth::interp::v128 vacc
#define BERTH_REG_VALUES pc, fp, mem, ctx, st, acc, vacc

#if defined(__x86_64__) || defined(__aarch64__)
#define BERTH_HANDLER_CC __attribute__((preserve_none))
#else
#define BERTH_HANDLER_CC
#endif
using Handler = BERTH_HANDLER_CC void (*)(BERTH_REGS);

}  // namespace berth::interp
