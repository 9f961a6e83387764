// The interface between the runtime and whatever executes function bodies (the interpreter, native code,
// or both). One executor serves many stores and threads; its methods are thread-safe unless they say
// otherwise.
#pragma once

#include "runtime/outcome.h"

namespace berth::runtime {

class Store;

// An executor's data for one module: shared by all its instances, immutable to everyone else.
class ModuleCode {
 public:
  virtual ~ModuleCode() = default;
  // Called once per instance and function when an instance is made; the result goes to FunctionInstance::code.
  virtual void* function_code(u32 defined_index) = 0;
};

class Executor {
 public:
  virtual ~Executor() = default;

  // Makes the data for a validated module. Cheap: bodies are translated on first call.
  virtual std::unique_ptr<ModuleCode> prepare(std::shared_ptr<const wasm::Module> module) = 0;

  // Calls a function defined in wasm. `values` holds the parameters' slots and receives the results'; it has
  // room for both. Runs on the calling thread; one thread at a time per store; may be re-entered from host functions.
  virtual Outcome<void> invoke(abi::FunctionInstance& function, abi::StoreContext& store, abi::Slot* values) = 0;

  // Appends the guest frames now on the store's stack, innermost first. For use by the thread that runs the
  // store, inside a host function.
  virtual void backtrace(const abi::StoreContext& store, std::vector<Frame>& out) = 0;
};

}  // namespace berth::runtime
