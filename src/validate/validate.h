// Validation of modules (specification: validation), whole or part by part as they are decoded.
//
// Validation reads what decode left open, the inside of function bodies, so that it reports malformed
// instructions too. It fills in the module: Module::canonical, Module::subtype_depth, the slots of each
// function, and bodies translated from legacy exception handling. After it the module is complete and
// may be shared between threads.
//
// Errors: kind Invalid or Malformed, with the offset of the instruction and the function where there is
// one, else naming the entity; LimitExceeded; FeatureDisabled. Module::features_allowed decides what is on.
#pragma once

#include <memory>

#include "base/result.h"
#include "wasm/module.h"

namespace berth::validate {

struct Options {
  wasm::ModuleLimits limits;
  // Threads that validate function bodies; 1 starts none. The error reported is that of the first
  // function in error, whatever the number.
  u32 threads = 1;
  // Whether bodies that use legacy exception handling are rewritten into the modern form.
  bool translate_legacy_exceptions = true;
};

// Validates a module that was decoded.
Result<> validate_module(wasm::Module& module, const Options& options = {});

// The parts of validate_module, for modules that are still arriving. The module outlives the validator
// and stays where it is. Call them in this order; each may be called once its sections are there:
//   types         after the type section
//   declarations  when the code section begins, or at the end of a module that has none
//   function      for each body, in any order
//   finish        at the end of the module, all bodies validated
class ModuleValidator {
 public:
  ModuleValidator(wasm::Module& module, const Options& options);
  ModuleValidator(ModuleValidator&&) noexcept;
  ~ModuleValidator();

  // Rec groups, subtyping, canonical indices.
  Result<> types();
  // Everything outside of code and data: index spaces, constant expressions, exports, start. Validates
  // the types first where `types` was not called.
  Result<> declarations();
  // A function that is not imported. One thread at a time; see `functions` for several.
  Result<> function(wasm::FuncIdx func);
  // All functions that are not imported, in Options::threads threads.
  Result<> functions();
  // Data segments; translation of legacy exception handling.
  Result<> finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::validate
