// What a store and an instance are made of. Private to this library; the store's thread only, but
// for what Store::interrupt touches.
#pragma once

#include <cstdlib>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "abi/native.h"
#include "os/fiber.h"
#include "runtime/global.h"
#include "runtime/guest_stack.h"
#include "runtime/heap.h"
#include "runtime/memory.h"
#include "runtime/store.h"
#include "runtime/table.h"
#include "runtime/tag.h"
#include "runtime/type_registry.h"

namespace berth::runtime {

// A function of the host, with what its entry needs to call it.
struct HostFunctionRecord {
  abi::FunctionInstance instance;
  Store* store;
  HostFunction function;
};

struct HostGlobal {
  HostGlobal(const ResolvedType& type, bool is_mutable) : cell{}, global(type, is_mutable, &cell) {}
  abi::GlobalCell cell;
  Global global;
};

// Where the outermost call into the store was made on some stack that still has frames of it.
struct StackEntry {
  os::ExecutionStack* stack;
  const void* address;
};

// What the memories of a store hold at first, in the order in which they were made.
struct InitialMemories {
  std::vector<std::shared_ptr<const InitialContents>> contents;
};

// What a store that is used over and over comes back to, and what each use begins with.
struct Reuse {
  // A step of Store::start: the parts of an instantiation that are left to it.
  struct Step {
    Instance* instance;
    bool evaluates;       // initial values, when they are objects of the heap
    bool fills;           // segments
    bool skips_contents;  // but not data that the memory's initial contents have already
  };
  struct InstanceState {
    std::vector<abi::GlobalCell> globals;
    std::vector<bool> elems_dropped;  // of data segments none has been
    bool is_filled;
  };
  std::shared_ptr<const InitialMemories> memories;
  std::vector<Step> steps;

  bool is_kept = false;

  bool has_heap = false;
  size_t host_functions = 0, host_tags = 0;
  std::vector<u64> memory_bytes;
  std::vector<std::vector<abi::Ref>> tables;  // of those that are not lazy
  std::vector<size_t> lazy_counts;            // Table::lazy_count
  std::vector<abi::GlobalCell> host_globals;
  std::vector<InstanceState> instances;
};

struct Store::Impl final : RootSource {
  Impl(Store& store, Executor& e, const StoreLimits& l);
  ~Impl();

  void visit_roots(RootVisitor& visitor) override;
  // The heap, made when first needed.
  Heap& heap() {
    if (!heap_) {
      heap_ = std::make_unique<Heap>(limits.heap_bytes, allocation_runs, *this, limits.stress_heap);
      context.cards = heap_->cards();
    }
    return *heap_;
  }
  bool has_heap() const { return heap_ != nullptr; }
  void drop_heap() {
    heap_.reset();
    Heap::initialize_runs(allocation_runs);
  }
  // Has the memory that is about to be made start from what memories of stores made alike start from.
  Result<> give_contents(Memory& memory, size_t number);
  // An object of `bytes` in all; the traps of allocation.
  abi::TrapCode allocate(const abi::RuntimeType* type, u64 bytes, abi::Ref* out);
  std::unique_ptr<Unwind> take_pending();

  Store& self;
  Executor& executor;
  const StoreLimits limits;
  abi::StoreContext context;
  abi::AllocationRun allocation_runs[kSizeClasses + 1];

  os::Reservation stack;    // the value stack between its guards
  std::string stack_error;  // why there is none
  std::mutex interrupt_mutex;
  WaitSlot wait_slot;
  std::function<void()> yield;
  u32 nesting = 0;
  std::vector<StackEntry> stack_entries;
  GuestStacks guest_stacks;
  std::unique_ptr<abi::Slot[]> overflow;
  std::vector<abi::Slot> const_stack;  // operands of constant expressions under evaluation

  Allowance memory_allowance, table_allowance;
  TypeGroups host_types;
  std::vector<std::unique_ptr<Memory>> memories;
  std::vector<std::unique_ptr<Table>> tables;
  std::vector<Table*> object_tables;  // those that may hold objects of the heap
  std::deque<HostGlobal> host_globals;
  std::deque<Tag> host_tags;
  std::deque<HostFunctionRecord> host_functions;
  std::vector<Instance*> instances;

  std::unordered_map<abi::Ref, u32> roots;
  abi::Ref last_exception = abi::kNull;
  std::unique_ptr<Reuse> reuse;  // null: instantiating runs guest code at once

 private:
  std::unique_ptr<Heap> heap_;

 public:
  Nudger nudger;  // last: its destructor waits for a nudge under way
};

// An element segment of an instance. Those of plain functions are read from the module instead.
struct ElemState {
  abi::Ref* refs = nullptr;  // the evaluated expressions; null when the segment lists functions
  bool dropped = false;
  bool may_hold_objects = false;  // of the heap
  bool is_kept = false;           // `refs` stays when the segment is dropped: the store will be restored
};

struct Instance::Impl {
  Impl(Store& s, std::shared_ptr<const PreparedModule> m, bool has_lazy_functions);
  ~Impl();
  Impl(const Impl&) = delete;

  // Made when first asked for, where functions are lazy.
  abi::FunctionInstance* function(u32 index) const {
    if (context.functions[index] == nullptr) [[unlikely]]
      make_function(index);
    return context.functions[index];
  }

  u32 elem_size(u32 elem) const { return elems[elem].dropped ? 0 : module->module().elems[elem].size(); }
  abi::Ref elem_at(u32 elem, u32 index) const {
    if (elems[elem].refs != nullptr) return elems[elem].refs[index];
    return reinterpret_cast<abi::Ref>(function(module->module().elems[elem].funcs[index].value));
  }
  std::span<const u8> data(u32 index) const {
    const wasm::DataSegment& segment = module->module().datas[index];
    if (data_dropped[index] || (is_filled && segment.mode == wasm::SegmentMode::Active)) return {};
    return module->module().range(segment.bytes);
  }

  Store& store;
  std::shared_ptr<const PreparedModule> module;
  abi::InstanceContext context{};
  // One block holds the arrays below and those that `context` points to.
  void* block = nullptr;
  Memory** memories = nullptr;
  Table** tables = nullptr;
  Global** globals = nullptr;  // all; those defined here are in `defined_globals`
  Tag** tags = nullptr;
  Global* defined_globals = nullptr;
  Tag* defined_tags = nullptr;
  abi::FunctionInstance* defined_functions = nullptr;  // null: lazy
  ElemState* elems = nullptr;
  bool* data_dropped = nullptr;
  bool is_filled = false;         // active data segments have been dropped, all of them
  bool segments_changed = false;  // since the store was kept

 private:
  void make_function(u32 index) const;
  static constexpr size_t kFunctionsTogether = 24;
  mutable std::vector<std::unique_ptr<abi::FunctionInstance[]>> lazy_functions_;
  mutable size_t lazy_count_ = 0;
};

struct StoreAccess {
  using StoreImpl = Store::Impl;
  using InstanceImpl = Instance::Impl;
  static StoreImpl& of(Store& store) { return *store.impl_; }
  static InstanceImpl& of(Instance& instance) { return *instance.impl_; }
  static InstanceImpl& of(abi::InstanceContext* context) { return of(*static_cast<Instance*>(context->instance)); }
  static StoreImpl& of(abi::StoreContext* context) { return of(*static_cast<Store*>(context->store)); }
};
using StoreImpl = StoreAccess::StoreImpl;
using InstanceImpl = StoreAccess::InstanceImpl;

// Marks frames of this thread from here on as the store's, for scanning.
class StackScope {
 public:
  explicit StackScope(StoreImpl& store, const void* address);
  ~StackScope();
  StackScope(const StackScope&) = delete;

 private:
  StoreImpl& store_;
  bool outermost_;
};

}  // namespace berth::runtime
