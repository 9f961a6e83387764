// The executor that runs native code where a module has some, and leaves the rest to an interpreter. Thread-safe as
// runtime::Executor says.
#pragma once

#include <mutex>
#include <unordered_set>

#include "native/artifact.h"
#include "runtime/store.h"

namespace berth::native {

// For tests: makes functions native at random instead of all at once, so that both tiers take turns.
struct Mixing {
  u64 seed = 0;
  u32 at_first_percent = 50;  // of the functions with native code run it from the start
  u32 later_percent = 5;      // of calls between the tiers make one more do so
};

class Executor final : public runtime::Executor {
 public:
  // Fails with System when the process cannot be prepared.
  static Result<std::unique_ptr<Executor>> create(std::unique_ptr<runtime::Executor> interpreter,
                                                  const std::optional<Mixing>& mixing = {});
  ~Executor() override;

  // From now on the module's functions run their native code where `artifact` has any, in instances that there are
  // too: those under way go on as they are, until Store::observe finds them at a loop that it has an entry for. Of
  // several artifacts one of the whole module counts first, then the one attached first. The module was prepared by an
  // executor of this kind. Any thread. The artifact stays mapped for good.
  static void attach(const runtime::PreparedModule& module, const std::shared_ptr<const Artifact>& artifact);

  std::unique_ptr<runtime::ModuleCode> prepare(std::shared_ptr<const wasm::Module> module) override;
  runtime::Outcome<void> invoke(abi::FunctionInstance& function, abi::StoreContext& store, abi::Slot* values) override;
  void backtrace(const abi::StoreContext& store, std::vector<runtime::Frame>& out) override;
  runtime::NativeLinkage native_linkage() const override;
  void add_store(runtime::Store& store) override;
  void remove_store(runtime::Store& store) override;

  // Store::observe for all stores; false when that changed nothing. Any thread.
  bool observe();
  // The same once for each store that is made from now on, `delay_ns` after that, without a thread; where that cannot
  // be, `instead` is called when the store is made, or at once when there are stores. None: no longer. Any thread.
  void observe_late(i64 delay_ns, std::function<void()> instead);

  // Calls a function defined in wasm in the tier that it has, on a guest stack. Status::Unwind: StoreContext::pending
  // says why.
  abi::Status call_out(abi::FunctionInstance& function, abi::StoreContext& store, abi::Slot* slots);

 private:
  class Mixer;
  class Module;
  Executor(std::unique_ptr<runtime::Executor> interpreter, const std::optional<Mixing>& mixing);

  const std::unique_ptr<runtime::Executor> interpreter_;
  const std::unique_ptr<Mixer> mixer_;  // null unless mixing
  std::mutex mutex_;
  std::unordered_set<runtime::Store*> stores_;
  i64 late_ns_ = 0;
  std::function<void()> instead_of_late_;  // null: nothing is to be observed late
};

// The executor of the store whose native code runs.
inline Executor& executor_of(const abi::StoreContext& store) {
  return static_cast<Executor&>(static_cast<runtime::Store*>(store.store)->executor());
}

}  // namespace berth::native
