// Subtyping between the types of imports and exports (component model, Explainer: type checking). One thread, on
// behalf of one validation.
#pragma once

#include <string>

#include "component_model/types.h"

namespace berth::component_model {

// Why `sub` may not stand where `super` is expected; empty if it may.
using Mismatch = std::string;

class Subtyping {
 public:
  explicit Subtyping(TypeArena& arena) : arena_(arena) {}

  Mismatch check(const ExternType& sub, const ExternType& super);
  // Whether two value types are equal.
  static bool equal(const ValType& a, const ValType& b);
  // Finds what stands for the resource types `vars` of `expected` in what is given for it.
  static void bind(const ExternType& expected, const ExternType& actual, const std::vector<ResourceVar>& vars,
                   Substitution& map);

 private:
  Mismatch check(const AnyType& sub, const AnyType& super);
  Mismatch check(const FuncType& sub, const FuncType& super);
  Mismatch check(const CoreModuleType& sub, const CoreModuleType& super);
  Mismatch check(const InstanceType& sub, const InstanceType& super);
  Mismatch check(const ComponentType& sub, const ComponentType& super);
  Mismatch differ(const ValType& sub, const ValType& super);

  TypeArena& arena_;
};

}  // namespace berth::component_model
