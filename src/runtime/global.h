// Globals (specification: execution, global instances). A global belongs to one store and is used
// by its thread. The cell is where guest code finds the value; it stays put as long as the store
// lives.
#pragma once

#include "runtime/types.h"

namespace berth::runtime {

class Global {
 public:
  Global(const ResolvedType& type, bool is_mutable, abi::GlobalCell* cell)
      : type_(type), is_mutable_(is_mutable), cell_(cell) {}
  Global(const Global&) = delete;

  const ResolvedType& type() const { return type_; }
  bool is_mutable() const { return is_mutable_; }
  abi::GlobalCell& cell() const { return *cell_; }

 private:
  ResolvedType type_;
  bool is_mutable_;
  abi::GlobalCell* cell_;
};

}  // namespace berth::runtime
