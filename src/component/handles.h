// Resources at run time: their types, and the table in which a component instance holds its handles
// (Canonical ABI: table state, resource state). The store's thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "abi/context.h"

namespace berth::component {

struct InstanceState;

// A resource type of an instance or of the host; two are the same exactly when their addresses are.
struct ResourceType {
  InstanceState* owner = nullptr;                // the instance that defines it; null: the host
  abi::FunctionInstance* destructor = nullptr;   // null: none
  std::function<void(u64 rep)> host_destructor;  // of the host's
  const void* host_tag = nullptr;                // of the host's: which C++ class it is of (host_call.h)
  std::string name;                              // for messages; may be empty
};

struct Side;
struct Plan;
struct Function;
class Transfer;

// A call of a lifted function, as long as it runs.
struct Task {
  const Function* function = nullptr;
  u32 borrows = 0;           // handles that the callee was lent and has not dropped
  u64 context[2] = {};       // context.get and context.set
  bool is_resolved = false;  // of a function lifted with `async`: whether task.return was called
  // Takes the result of such a function from its side: in memory at `address` when `slots` is null.
  std::function<bool(Transfer&, const Side& from, const Plan& plan, const abi::Slot* slots, u64 address)> on_return;
};

struct Handle {
  const ResourceType* type = nullptr;  // null: free
  u64 rep = 0;
  bool is_own = false;
  Task* scope = nullptr;  // of a borrowed one: the call that it was lent to
  u32 lends = 0;          // how often it is lent now
};

class HandleTable {
 public:
  // Null when there is none at `index`.
  Handle* find(u32 index) {
    return index < handles_.size() && handles_[index].type != nullptr ? &handles_[index] : nullptr;
  }
  // The index, 0 when the table is full.
  u32 add(const Handle& handle) {
    if (!free_.empty()) {
      const u32 index = free_.back();
      free_.pop_back();
      handles_[index] = handle;
      return index;
    }
    if (handles_.size() > kMaxHandles) return 0;
    handles_.push_back(handle);
    return static_cast<u32>(handles_.size() - 1);
  }
  void remove(u32 index) {
    handles_[index] = {};
    free_.push_back(index);
  }
  // Forgets all.
  void clear() {
    constexpr size_t kRoom = 64;
    if (handles_.capacity() > kRoom) handles_ = std::vector<Handle>();
    if (free_.capacity() > kRoom) free_ = std::vector<u32>();
    handles_.assign(1, Handle());
    free_.clear();
  }

 private:
  // The Canonical ABI allows 2^28 - 1, whose memory no limit of the guest's would count.
  static constexpr u32 kMaxHandles = 1u << 20;
  std::vector<Handle> handles_{1};  // 0 is no handle
  std::vector<u32> free_;
};

}  // namespace berth::component
