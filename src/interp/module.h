// The interpreter's data for one module: the lowered functions. Shared by all instances; functions are
// lowered on first call, under a lock.
#pragma once

#include <map>
#include <mutex>

#include "interp/code.h"
#include "interp/lower.h"
#include "interp/machine.h"
#include "runtime/executor.h"

namespace berth::interp {

class InterpModule final : public runtime::ModuleCode {
 public:
  InterpModule(std::shared_ptr<const wasm::Module> module, const LoweringOptions& options);
  ~InterpModule() override;
  InterpModule(const InterpModule&) = delete;

  void* function_code(u32 defined_index) override { return functions_ + defined_index; }
  // Of a function defined in the module, by its index in the function index space.
  FunctionCode* function(u32 index) { return functions_ + (index - module_->imported_functions); }
  const std::shared_ptr<const wasm::Module>& module() const { return module_; }

  // Lowers `code` unless that has been done. Any thread.
  void ensure_lowered(FunctionCode& code, const abi::RuntimeType* const* types);
  void set_replacements(runtime::Replacements& replacements) override;
  void replacement_changed(u32 defined_index) override;
  // The function whose code contains `pc`; null when there is none. Any thread.
  const FunctionCode* find(const Word* pc);

  // Take samples: of the call of a function that can be entered, of a branch to `target` (machine.h). Any thread.
  void observe_call(const FunctionCode& callee);
  WayOut observe_branch(const Word* target);
  std::vector<runtime::Sample> take_samples() override;
  void tell_of_samples(std::function<void()> told) override;

 private:
  void add_sample(u32 function, u32 loop);
  const FunctionCode* find_locked(const Word* pc) const;
  void name(FunctionCode& code);
  // Points `code` to its replacement if it has one; the caller holds the lock.
  bool replace(FunctionCode& code);

  std::shared_ptr<const wasm::Module> module_;
  LoweringOptions options_;
  FunctionCode* functions_;  // zero pages until used
  size_t functions_bytes_;
  std::mutex mutex_;
  std::map<const Word*, std::pair<FunctionCode*, Lowered>> lowered_;
  runtime::Replacements* replacements_ = nullptr;
  std::vector<std::unique_ptr<Word[]>> replaced_;
  std::map<std::pair<u32, u32>, u32> samples_;  // by function and loop
  std::function<void()> told_;
};

inline InterpModule* module_of(const abi::InstanceContext* ctx) {
  return static_cast<InterpModule*>(static_cast<runtime::ModuleCode*>(ctx->module_code));
}

}  // namespace berth::interp
