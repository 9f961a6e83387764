#include "runtime/outcome.h"

namespace berth::runtime {

std::string Unwind::to_string() const {
  switch (kind) {
    case UnwindKind::Exit: return "exit with code " + std::to_string(exit_code);
    case UnwindKind::Exception: return message.empty() ? "uncaught exception" : "uncaught exception: " + message;
    case UnwindKind::Trap: break;
  }
  std::string text = "trap: " + std::string(abi::trap_text(trap));
  if (!message.empty()) text += ": " + message;
  return text;
}

std::unexpected<std::unique_ptr<Unwind>> trap(abi::TrapCode code, std::string message) {
  auto unwind = std::make_unique<Unwind>();
  unwind->trap = code;
  unwind->message = std::move(message);
  return std::unexpected(std::move(unwind));
}

std::unexpected<std::unique_ptr<Unwind>> exit_guest(i32 code) {
  auto unwind = std::make_unique<Unwind>();
  unwind->kind = UnwindKind::Exit;
  unwind->exit_code = code;
  return std::unexpected(std::move(unwind));
}

}  // namespace berth::runtime
