// The interface between the runtime and whatever executes function bodies (the interpreter, native code,
// or both). One executor serves many stores and threads; its methods are thread-safe unless they say
// otherwise.
#pragma once

#include <functional>

#include "runtime/outcome.h"

namespace berth::runtime {

class Store;

// Functions of a module that something else than the module's own code runs.
class Replacements {
 public:
  // `entry` is called with `data`, the context of the function's instance and the slots. Null: not replaced.
  struct One {
    abi::HostEntry entry = nullptr;
    void* data = nullptr;
  };
  // Any thread; the answer for a function may change from none to one, not otherwise.
  virtual One find(u32 defined_index) = 0;
  // What runs the rest of a function from the loop on whose `loop` instruction is at byte `offset` of the body: it is
  // called with the function's frame, as abi::LoopEntry says, in place of the slots.
  virtual One find_loop(u32 /*defined_index*/, u32 /*offset*/) { return {}; }

 protected:
  ~Replacements() = default;
};

// Where a module's functions were found running (Store::observe).
struct Sample {
  static constexpr u32 kNoLoop = 0xFFFFFFFF;
  u32 function;  // in the function index space
  u32 loop;      // byte of the `loop` instruction in the function's body, or kNoLoop
  u32 count;
};

// An executor's data for one module: shared by all its instances, immutable to everyone else.
class ModuleCode {
 public:
  virtual ~ModuleCode() = default;
  // Called once per instance and function when an instance is made; the result goes to FunctionInstance::code.
  virtual void* function_code(u32 defined_index) = 0;
  // Native code of a function (abi/native.h); null while there is none.
  virtual const void* native_code(u32 /*defined_index*/) { return nullptr; }
  // What goes to InstanceContext::module_code.
  virtual void* context_data() { return this; }

  // Calls of functions that `replacements` has go there from now on. It is asked about a function when that is first
  // called, and now about those that have been called already. Any thread; `replacements` outlives this.
  virtual void set_replacements(Replacements& /*replacements*/) {}
  // The same again for one function whose answer has changed.
  virtual void replacement_changed(u32 /*defined_index*/) {}
  // Where the interpreter has been seen since the last call, each place once, in no order. Any thread.
  virtual std::vector<Sample> take_samples() { return {}; }
  // Calls `told`, once, from a guest's thread, when the interpreter has been seen. Before the module is instantiated.
  virtual void tell_of_samples(std::function<void()> /*told*/) {}
};

// How native code and the functions that it may call find each other (abi/native.h); null without native code.
struct NativeLinkage {
  const void* exit_stub = nullptr;  // FunctionInstance::native_code of functions that have none
  const void* const* builtins = nullptr;
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

  virtual NativeLinkage native_linkage() const { return {}; }

  // Called by a store when it has been made and before it goes.
  virtual void add_store(Store& /*store*/) {}
  virtual void remove_store(Store& /*store*/) {}
};

}  // namespace berth::runtime
