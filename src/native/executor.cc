#include "native/executor.h"

#include <deque>
#include <mutex>
#include <random>

#include "native/entry.h"
#include "native/perf_map.h"
#include "os/fault.h"
#include "os/late_call.h"
#include "runtime/guest_stack.h"

namespace berth::native {

using abi::FunctionInstance;
using abi::InstanceContext;
using abi::Slot;
using abi::StoreContext;
using runtime::Outcome;
using runtime::Unwind;

// Decides at random. Any thread.
class Executor::Mixer {
 public:
  explicit Mixer(const Mixing& mixing) : mixing_(mixing), random_(mixing.seed) {}
  bool at_first() { return chance(mixing_.at_first_percent); }
  bool later() { return chance(mixing_.later_percent); }
  u32 below(u32 end) {
    const std::lock_guard lock(mutex_);
    return static_cast<u32>(random_() % end);
  }

 private:
  bool chance(u32 percent) { return below(100) < percent; }
  const Mixing mixing_;
  std::mutex mutex_;
  std::mt19937_64 random_;
};

class Executor::Module final : public runtime::ModuleCode, public runtime::Replacements {
 public:
  // How to call a function.
  struct Callable {
    const void* code;
    const void* enter;
  };

  Module(std::shared_ptr<const wasm::Module> module, std::unique_ptr<runtime::ModuleCode> interpreted, Mixer* mixer)
      : module_(std::move(module)), mixer_(mixer), interpreted_(std::move(interpreted)) {
    if (mixer_ == nullptr) return;
    chosen_ = std::make_unique<std::atomic<bool>[]>(count());
    for (u32 i = 0; i < count(); ++i) chosen_[i] = mixer_->at_first();
  }

  void* function_code(u32 defined) override { return interpreted_->function_code(defined); }
  const void* native_code(u32 defined) override { return callable(defined).code; }
  void* context_data() override { return interpreted_->context_data(); }

  One find(u32 defined) override {
    const Callable found = callable(defined);
    if (found.code == nullptr) return {};
    const std::lock_guard lock(mutex_);
    return {enter_replaced, &called_from_interpreter_.emplace_back(found)};
  }

  One find_loop(u32 defined, u32 offset) override {
    const Artifacts* const artifacts = artifacts_.load(std::memory_order_acquire);
    if (artifacts == nullptr) return {};
    for (const auto& artifact : *artifacts) {
      if (void* const code = artifact->loop_code(module_->imported_functions + defined, offset))
        return {enter_loop, code};
    }
    return {};
  }

  std::vector<runtime::Sample> take_samples() override { return interpreted_->take_samples(); }
  void tell_of_samples(std::function<void()> told) override { interpreted_->tell_of_samples(std::move(told)); }

  void attach(const std::shared_ptr<const Artifact>& artifact) {
    CHECK(artifact->header().defined_functions == count());
    {
      const std::lock_guard lock(mutex_);
      auto artifacts = std::make_unique<Artifacts>();
      if (!generations_.empty()) *artifacts = *generations_.back();
      const bool is_partial = (artifact->header().options & abi::kPartial) != 0;
      artifacts->insert(is_partial ? artifacts->end() : artifacts->begin(), artifact);
      generations_.push_back(std::move(artifacts));
      artifacts_.store(generations_.back().get(), std::memory_order_release);
    }
    interpreted_->set_replacements(*this);
  }

  // Null code: there is none, or it is not to be used yet.
  Callable callable(u32 defined) const {
    const Artifacts* const artifacts = artifacts_.load(std::memory_order_acquire);
    if (artifacts == nullptr || (mixer_ != nullptr && !chosen_[defined].load(std::memory_order_relaxed))) return {};
    for (const auto& artifact : *artifacts) {
      const void* const code = artifact->function_code(defined);
      if (code != nullptr)
        return {code, artifact->enter(module_->functions[module_->imported_functions + defined].type.value)};
    }
    return {};
  }

  // Makes some function native, when mixing and so it is decided.
  void mix(u32 defined) {
    if (mixer_ == nullptr || !mixer_->later()) return;
    for (const u32 one : {defined, mixer_->below(count())}) {
      if (!chosen_[one].exchange(true)) interpreted_->replacement_changed(one);
    }
  }

  u32 defined_index(const FunctionInstance& function) const { return function.index - module_->imported_functions; }

 private:
  using Artifacts = std::vector<std::shared_ptr<const Artifact>>;

  u32 count() const { return static_cast<u32>(module_->functions.size()) - module_->imported_functions; }

  static abi::Status enter_replaced(void* data, InstanceContext* context, Slot* slots) {
    const auto& callable = *static_cast<const Callable*>(data);
    return enter(*context->store, context, callable.code, callable.enter, slots);
  }

  // A loop's entry has the shape of a trampoline which gets the frame as the code to call.
  static abi::Status enter_loop(void* entry, InstanceContext* context, Slot* frame) {
    return enter(*context->store, context, frame, entry, frame);
  }

  const std::shared_ptr<const wasm::Module> module_;
  Mixer* const mixer_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Artifacts>> generations_;  // readers may still look at older ones
  std::atomic<const Artifacts*> artifacts_{nullptr};
  std::deque<Callable> called_from_interpreter_;
  std::unique_ptr<std::atomic<bool>[]> chosen_;             // when mixing: whether the function may be native
  const std::unique_ptr<runtime::ModuleCode> interpreted_;  // last: it refers to what is above
};

Executor::Executor(std::unique_ptr<runtime::Executor> interpreter, const std::optional<Mixing>& mixing)
    : interpreter_(std::move(interpreter)), mixer_(mixing ? std::make_unique<Mixer>(*mixing) : nullptr) {}
Executor::~Executor() = default;

Result<std::unique_ptr<Executor>> Executor::create(std::unique_ptr<runtime::Executor> interpreter,
                                                   const std::optional<Mixing>& mixing) {
  TRY(install_fault_handler());
  return std::unique_ptr<Executor>(new Executor(std::move(interpreter), mixing));
}

void Executor::attach(const runtime::PreparedModule& module, const std::shared_ptr<const Artifact>& artifact) {
  Artifact::publish(artifact);
  artifact->add_module(module.shared_module());
  write_perf_map(*artifact, module.module());
  for (u32 i = 0; i < module.types().size(); ++i) {
    const void* const exit = artifact->exit(i);
    const void* expected = nullptr;
    if (exit != nullptr && module.types()[i]->kind == abi::TypeKind::Func)
      std::atomic_ref(module.types()[i]->native_exit)
          .compare_exchange_strong(expected, exit, std::memory_order_acq_rel);
  }
  static_cast<Module&>(module.code()).attach(artifact);
}

std::unique_ptr<runtime::ModuleCode> Executor::prepare(std::shared_ptr<const wasm::Module> module) {
  auto interpreted = interpreter_->prepare(module);
  return std::make_unique<Module>(std::move(module), std::move(interpreted), mixer_.get());
}

abi::Status Executor::call_out(FunctionInstance& function, StoreContext& store, Slot* slots) {
  auto& module = static_cast<Module&>(static_cast<runtime::Instance*>(function.context->instance)->module().code());
  const u32 defined = module.defined_index(function);
  module.mix(defined);
  if (const Module::Callable native = module.callable(defined); native.code != nullptr) {
    function.native_code = native.code;
    function.native_target = function.context;
    return enter(store, function.context, native.code, native.enter, slots);
  }
  auto outcome = interpreter_->invoke(function, store, slots);
  if (outcome) return abi::Status::Ok;
  store.pending = outcome.error().release();
  return abi::Status::Unwind;
}

Outcome<void> Executor::invoke(FunctionInstance& function, StoreContext& store, Slot* values) {
  if (auto ready = os::ensure_signal_stack(); !ready)
    return runtime::trap(TrapCode::HostError, ready.error().to_string());
  struct Call {
    Executor& self;
    FunctionInstance& function;
    StoreContext& store;
    Slot* values;
    abi::Status status = abi::Status::Ok;
    void run() {
      if (reinterpret_cast<u64>(__builtin_frame_address(0)) < store.native_limit) {
        store.pending = runtime::trap(TrapCode::StackExhausted).error().release();
        status = abi::Status::Unwind;
      } else {
        status = self.call_out(function, store, values);
      }
    }
  } call{*this, function, store, values};
  runtime::GuestStacks& stacks = runtime::guest_stacks(store);
  if (stacks.here()) {
    call.run();
  } else if (auto ran = stacks.run([&call] { call.run(); }); !ran) {
    return runtime::trap(TrapCode::HostError, ran.error().to_string());
  }
  if (call.status == abi::Status::Ok) return {};
  return std::unexpected(std::unique_ptr<Unwind>(static_cast<Unwind*>(std::exchange(store.pending, nullptr))));
}

void Executor::backtrace(const StoreContext& store, std::vector<runtime::Frame>& out) {
  runtime::walk_activations(static_cast<const runtime::Activation*>(store.activation), out);
}

void Executor::observe_late(i64 delay_ns, std::function<void()> instead) {
  {
    const std::lock_guard lock(mutex_);
    late_ns_ = delay_ns;
    instead_of_late_ = instead;
    if (stores_.empty()) return;
  }
  if (instead) instead();
}

void Executor::add_store(runtime::Store& store) {
  std::function<void()> instead;
  {
    const std::lock_guard lock(mutex_);
    stores_.insert(&store);
    instead = instead_of_late_;
  }
  auto observe = [](void* data) { static_cast<runtime::Store*>(data)->observe(); };
  if (instead && !os::call_late(late_ns_, observe, &store)) instead();
}

void Executor::remove_store(runtime::Store& store) {
  os::cancel_late_call(&store);
  const std::lock_guard lock(mutex_);
  stores_.erase(&store);
}

bool Executor::observe() {
  const std::lock_guard lock(mutex_);
  bool any = false;
  for (runtime::Store* const store : stores_) any |= store->observe();
  return any;
}

runtime::NativeLinkage Executor::native_linkage() const { return {exit_stub(), kBuiltinTable}; }

}  // namespace berth::native
