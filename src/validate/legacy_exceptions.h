// Rewrites function bodies that use legacy exception handling (try, catch, catch_all, delegate, rethrow)
// into the form of WebAssembly 3.0 (try_table, throw_ref). Internal to validate; one thread.
//
//   try bt A catch x B catch_all C end        becomes
//
//     block bt                        ;; the label of the try
//       block P -> exnref             ;; P: the parameters of bt; exnref only where the clause rethrows
//         block P -> params(x)
//           try_table bt (catch x 0) (catch_all_ref 1)  A  end
//           br 2
//         end  B  br 1
//       end  local.set $exn  C        ;; rethrow in C: local.get $exn throw_ref
//     end
//
//   try bt A delegate l                       becomes   try_table bt (catch_all_ref L)  A  end
//
// where L is the landing block of the innermost try around label l whose body it stands in, or of the
// function: `block P -> exnref  A  br 1  end  throw_ref`, directly inside of that try's try_table.
#pragma once

#include "base/result.h"
#include "wasm/module.h"

namespace berth::validate {

class LegacyTranslator {
 public:
  // Appends to Module::types, canonical and subtype_depth where block types are missing.
  explicit LegacyTranslator(wasm::Module& module);
  ~LegacyTranslator();

  // Translates the body of `func`, which is valid and uses legacy exceptions: appends the new body to
  // Module::translated with its offsets and points the function at it. LimitExceeded when the module's
  // translated bodies grow beyond 4 GiB.
  Result<> translate(wasm::FuncIdx func);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::validate
