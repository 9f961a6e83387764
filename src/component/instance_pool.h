// Many instances of one component, one after the other and at once: each as if made anew, in microseconds.
//
//   auto linked = Prelinked::make(executor, prepared, define, limits);   // once; may be shared between threads
//   InstancePool pool(*linked, {.max_instances = 200});                  // one a thread
//   auto lease = pool.take([&](Store& store, runtime::Store& core) { context.attach(store, core); });
//   lease->store().call(*lease->instance().find_function("run"), {});
//                                                                        // the lease's end gives the instance back
//
// Each instance has a store of its own, so that nothing is shared between them but what cannot change: code, types,
// plans of the canonical ABI and the image of initial memory, which every memory maps and copies on writing. What an
// instance that was given back has left in memories, tables, globals, handle tables and on the heap is undone before
// the next takes its place; one that cannot be brought back to where it started is thrown away instead.
//
// Prelinked: any thread. A pool and its leases: one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "component/store.h"
#include "runtime/store.h"

namespace berth::component {

// Defines what an instance may import, with the linker of its store (Linker::define_interface and the like). Called for
// each store that is made, from whichever thread makes it; must define the same each time. What differs from one use
// of an instance to the next belongs into the host's context (Store::set_host).
using DefineImports = std::function<void(Linker& linker, Store& store, runtime::Store& core_store)>;

// A component with its imports resolved and checked. Immutable.
class Prelinked {
 public:
  // Fails as Linker::instantiate does, without having run any of the guest's code. `executor` outlives it. The limits
  // are those of each instance by itself.
  static std::expected<std::shared_ptr<const Prelinked>, runtime::InstantiationFailure> make(
      runtime::Executor& executor, std::shared_ptr<const PreparedComponent> component, DefineImports define,
      const runtime::StoreLimits& limits = {});
  ~Prelinked();
  Prelinked(const Prelinked&) = delete;

  const PreparedComponent& component() const { return *component_; }

 private:
  friend class InstancePool;
  struct Slot;
  Prelinked(runtime::Executor& executor, std::shared_ptr<const PreparedComponent> component, DefineImports define,
            const runtime::StoreLimits& limits);
  std::expected<std::unique_ptr<Slot>, runtime::InstantiationFailure> make_slot() const;

  runtime::Executor& executor_;
  const std::shared_ptr<const PreparedComponent> component_;
  const DefineImports define_;
  const runtime::StoreLimits limits_;
  // Null: instances cannot be used again (runtime::Store::keep), and each is made anew.
  std::shared_ptr<const runtime::InitialMemories> memories_;
};

struct PoolConfig {
  u32 max_instances = 1000;  // leases at once; `take` refuses more with LimitExceeded
  u32 max_idle = 64;         // instances kept for the next leases
  // Those of them that were used last keep pages of their memories which had been written to, up to so many bytes in
  // each memory: the next use then need not have them made again.
  u32 max_resident = 16;
  u64 kept_bytes = u64{2} << 20;
};

class InstancePool {
 public:
  // Sets up a store before any of the guest's code runs in it: Store::set_host, fuel, deadlines.
  using Attach = std::function<void(Store& store, runtime::Store& core_store)>;

  // The use of one instance. The pool outlives it.
  class Lease {
   public:
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) noexcept;
    // Gives the instance back. Handles of the host's resources that it still held are forgotten; their destructors are
    // not called. Nothing of the store's may run.
    ~Lease();

    const Instance& instance() const;
    Store& store() const;
    runtime::Store& core_store() const;

   private:
    friend class InstancePool;
    Lease(InstancePool* pool, std::unique_ptr<Prelinked::Slot> slot);
    InstancePool* pool_;
    std::unique_ptr<Prelinked::Slot> slot_;
  };

  explicit InstancePool(std::shared_ptr<const Prelinked> prelinked, const PoolConfig& config = {});
  // All leases have ended.
  ~InstancePool();
  InstancePool(const InstancePool&) = delete;

  // An instance as fresh as one that was just made; `attach` is called, then its start functions run. Fails as
  // Linker::instantiate does, or with LimitExceeded when all of the pool's instances are in use: waiting for one is the
  // caller's business.
  std::expected<Lease, runtime::InstantiationFailure> take(const Attach& attach);

  // Makes instances until `count` are idle, at most as many as are kept. Fails as `take` does.
  std::expected<void, runtime::InstantiationFailure> warm(u32 count);

  u32 in_use() const { return in_use_; }
  u32 idle() const { return static_cast<u32>(idle_.size()); }

 private:
  void give_back(std::unique_ptr<Prelinked::Slot> slot);

  const std::shared_ptr<const Prelinked> prelinked_;
  const PoolConfig config_;
  std::vector<std::unique_ptr<Prelinked::Slot>> idle_;  // the last one given back is the next to be taken
  size_t first_resident_ = 0;                           // from there on they may have kept pages
  u32 in_use_ = 0;
};

}  // namespace berth::component
