// Entering native code and leaving it early. The store's thread only, on one of its guest stacks.
#pragma once

#include "native/unwinder.h"

namespace berth::native {

// One entry into native code. Lives on the guest stack, in `enter`.
struct Entry : EntryFrame {
  EntryFrame* outer = nullptr;        // of the thread
  const Registers* out = nullptr;     // where native code stands while CallOut runs
  runtime::Unwind* unwind = nullptr;  // owned: why it was left, when somebody else has said so
};
inline Entry* current_entry() { return static_cast<Entry*>(berth_native_entry); }

// Installs the process's fault handler. Any thread; once is enough. Fails with System.
Result<> install_fault_handler();

// Calls native code through an enter trampoline: `target` is what the code is called with first. Status::Unwind:
// StoreContext::pending says why. Traps without calling when there is no room or the store is interrupted.
abi::Status enter(StoreContext& store, void* target, const void* code, const void* trampoline, Slot* slots);

// Leaves the innermost entry with a trap, from a builtin.
[[noreturn]] void leave_with_trap(StoreContext& store, TrapCode code);

// For whoever has all registers of the call, at `at`: they change it to where berth_native_resume shall continue.
// The end of the entry, with a trap or for the reason given:
void prepare_to_trap(Entry& entry, TrapCode code, Registers& at);
void prepare_to_leave(Entry& entry, std::unique_ptr<runtime::Unwind> unwind, Registers& at);
// Where an exception thrown there is caught; false, and no change, when that is not in this entry.
bool prepare_to_catch(const Entry& entry, Registers& at);
// The end of the entry with an exception that was thrown there and is not caught:
void prepare_to_throw(Entry& entry, Ref exception, Registers& at);

// Announces that the thread is in native code again after having been out, and looks for an interrupt meanwhile.
bool interrupted_on_return(StoreContext& store);

}  // namespace berth::native
