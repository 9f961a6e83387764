#include "component/instance_pool.h"

namespace berth::component {

using Failure = runtime::InstantiationFailure;

// An instance with a store of its own, in which nothing of the guest's has run yet.
struct Prelinked::Slot {
  Slot(runtime::Executor& executor, const runtime::StoreLimits& limits) : core(executor, limits), store(core) {}
  runtime::Store core;
  Store store;
  Instance instance;
};

Prelinked::Prelinked(runtime::Executor& executor, std::shared_ptr<const PreparedComponent> component,
                     DefineImports define, const runtime::StoreLimits& limits)
    : executor_(executor), component_(std::move(component)), define_(std::move(define)), limits_(limits) {}
Prelinked::~Prelinked() = default;

std::expected<std::shared_ptr<const Prelinked>, Failure> Prelinked::make(
    runtime::Executor& executor, std::shared_ptr<const PreparedComponent> component, DefineImports define,
    const runtime::StoreLimits& limits) {
  std::shared_ptr<Prelinked> made(new Prelinked(executor, std::move(component), std::move(define), limits));
  auto first = TRY(made->make_slot());
  auto memories = first->core.keep();
  if (memories) made->memories_ = std::move(*memories);
  return made;
}

std::expected<std::unique_ptr<Prelinked::Slot>, Failure> Prelinked::make_slot() const {
  auto slot = std::make_unique<Slot>(executor_, limits_);
  slot->core.defer_starts(memories_);
  Linker linker(slot->store);
  define_(linker, slot->store, slot->core);
  slot->instance = TRY(linker.instantiate(component_));
  if (memories_ == nullptr) return slot;
  if (auto kept = slot->core.keep(); !kept) return std::unexpected(Failure(std::move(kept).error()));
  return slot;
}

InstancePool::Lease::Lease(InstancePool* pool, std::unique_ptr<Prelinked::Slot> slot)
    : pool_(pool), slot_(std::move(slot)) {}
InstancePool::Lease::Lease(Lease&& other) noexcept = default;
InstancePool::Lease& InstancePool::Lease::operator=(Lease&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(slot_, other.slot_);
  return *this;
}
InstancePool::Lease::~Lease() {
  if (slot_ != nullptr) pool_->give_back(std::move(slot_));
}
const Instance& InstancePool::Lease::instance() const { return slot_->instance; }
Store& InstancePool::Lease::store() const { return slot_->store; }
runtime::Store& InstancePool::Lease::core_store() const { return slot_->core; }

InstancePool::InstancePool(std::shared_ptr<const Prelinked> prelinked, const PoolConfig& config)
    : prelinked_(std::move(prelinked)), config_(config) {}
InstancePool::~InstancePool() { CHECK(in_use_ == 0); }

std::expected<InstancePool::Lease, Failure> InstancePool::take(const Attach& attach) {
  if (in_use_ == config_.max_instances) {
    return std::unexpected(Failure(Error(ErrorCode::LimitExceeded, "all " + std::to_string(config_.max_instances) +
                                                                       " instances of the pool are in use")));
  }
  std::unique_ptr<Prelinked::Slot> slot;
  if (idle_.empty()) {
    slot = TRY(prelinked_->make_slot());
  } else {
    slot = std::move(idle_.back());
    idle_.pop_back();
    first_resident_ = std::min(first_resident_, idle_.size());
  }
  ++in_use_;
  Lease lease(this, std::move(slot));
  attach(lease.store(), lease.core_store());
  TRY(lease.core_store().start());
  return lease;
}

std::expected<void, Failure> InstancePool::warm(u32 count) {
  // Below those that have been used, which are better to take.
  while (idle_.size() < std::min(count, config_.max_idle)) {
    idle_.insert(idle_.begin(), TRY(prelinked_->make_slot()));
    ++first_resident_;
  }
  return {};
}

void InstancePool::give_back(std::unique_ptr<Prelinked::Slot> slot) {
  --in_use_;
  const u64 kept = config_.max_resident == 0 ? 0 : config_.kept_bytes;
  if (idle_.size() >= config_.max_idle || !slot->store.restore(kept)) return;
  idle_.push_back(std::move(slot));
  if (idle_.size() - first_resident_ <= config_.max_resident) return;
  // The one that has waited longest gives its pages back, and goes where it cannot.
  const auto longest = idle_.begin() + static_cast<std::ptrdiff_t>(first_resident_);
  if ((*longest)->store.restore())
    ++first_resident_;
  else
    idle_.erase(longest);
}

}  // namespace berth::component
