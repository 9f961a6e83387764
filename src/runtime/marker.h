// The marking phase of a collection: from the roots to everything reachable. One per collection, on
// the stack of the thread that collects. Private to the heap.
#pragma once

#include <vector>

#include "runtime/heap.h"

namespace berth::runtime {

class Marker final : public RootVisitor {
 public:
  explicit Marker(Heap& heap);
  void reference(abi::Ref ref) override;
  void words(const void* low, const void* high) override;
  // What old objects refer to where references were stored since the last collection.
  void cards();
  // Follows everything found so far.
  void finish();
  // Bytes that were looked at outside the heap.
  u64 root_bytes() const { return root_bytes_; }

 private:
  // An object of which the references from `from` on remain to be followed.
  struct Rest {
    abi::Object* object;
    u64 from;
  };

  void mark(abi::Ref ref);
  void mark_found(abi::Object* object);
  void push(abi::Object* object);
  void scan(abi::Object* object, u64 from);
  void card(u32 block, u32 low, u32 high);
  void scan_between(abi::Object* object, const u8* low, const u8* high);
  void drain();
  void scan_all_marked();

  Heap& heap_;
  const u64 base_;
  const u64 span_;  // bytes of the heap that were ever used
  std::vector<abi::Object*> stack_;
  std::vector<Rest> rests_;
  size_t stack_limit_;
  u64 root_bytes_ = 0;
  bool overflowed_ = false;
};

}  // namespace berth::runtime
