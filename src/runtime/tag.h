// Exception tags (specification: execution, tag instances). Two tags are the same exactly when
// their TagInstance is the same one, whatever their types. Immutable; lives as long as its store.
#pragma once

#include "runtime/types.h"

namespace berth::runtime {

class Tag {
 public:
  explicit Tag(const abi::RuntimeType* type) : instance_{type} {}
  Tag(const Tag&) = delete;

  // A function type whose parameters are the values that an exception carries.
  const abi::RuntimeType& type() const { return *instance_.type; }
  abi::TagInstance& instance() { return instance_; }

 private:
  abi::TagInstance instance_;
};

}  // namespace berth::runtime
