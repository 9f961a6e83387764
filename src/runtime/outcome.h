// How execution of guest code ends when it does not return: by a trap, an exception that nothing caught,
// or the guest's wish to exit. A value of its own, apart from `Error`, which is the host's.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "abi/context.h"
#include "wasm/module.h"

namespace berth::runtime {

// One frame of a guest's call stack. Resolve names with wasm/names.h.
struct Frame {
  std::shared_ptr<const wasm::Module> module;
  u32 function;     // index in the module
  u64 code_offset;  // byte offset in the module of the instruction that runs (for callers: of the call)
};

enum class UnwindKind : u8 { Trap, Exception, Exit };

struct Unwind {
  UnwindKind kind = UnwindKind::Trap;
  abi::TrapCode trap = abi::TrapCode::None;  // when Trap
  std::string message;                       // more about a trap; may be empty
  i32 exit_code = 0;                         // when Exit
  abi::Ref exception = abi::kNull;  // when Exception: an ExceptionObject, alive until the store next runs guest code
  std::vector<Frame> backtrace;     // innermost first
  // "trap: out of bounds memory access", "exit with code 3", …
  std::string to_string() const;
};

template <typename T = void>
using Outcome = std::expected<T, std::unique_ptr<Unwind>>;

std::unexpected<std::unique_ptr<Unwind>> trap(abi::TrapCode code, std::string message = {});
std::unexpected<std::unique_ptr<Unwind>> exit_guest(i32 code);

}  // namespace berth::runtime
