// Equivalence and subtyping between the types of one module (specification: validation, matching).
// Needs `canonical` of the module to be filled for the types it is asked about. Thread-safe: reads only.
#pragma once

#include "wasm/module.h"

namespace berth::wasm {

// Assigns `module.canonical` for the recursion group that starts at type `group_start`, all of whose
// types have been added to `module.types`: two types are equivalent when their groups are equal up to
// the position of references into the group (iso-recursive equivalence).
class TypeCanonicalizer {
 public:
  explicit TypeCanonicalizer(Module& module);
  ~TypeCanonicalizer();
  void add_group(u32 group_start, u32 group_size);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

bool heap_matches(const Module& module, HeapType sub, HeapType super);
bool slow_val_matches(const Module& module, ValType sub, ValType super);

// Whether a value of type `sub` may stand where `super` is expected.
inline bool val_matches(const Module& module, ValType sub, ValType super) {
  return sub == super || slow_val_matches(module, sub, super);
}
// Whether two types are equivalent.
bool val_equal(const Module& module, ValType a, ValType b);
bool heap_equal(const Module& module, HeapType a, HeapType b);
// The abstract type at the top of a heap type's hierarchy: any, func, extern or exn.
HeapType top_of(const Module& module, HeapType type);

}  // namespace berth::wasm
