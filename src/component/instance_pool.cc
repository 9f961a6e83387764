#include "component/instance_pool.h"

namespace berth::component {

using Failure = runtime::InstantiationFailure;

struct InstancePool::Slot {
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
  return std::shared_ptr<const Prelinked>(new Prelinked(executor, std::move(component), std::move(define), limits));
}

InstancePool::Lease::Lease(InstancePool* pool, std::unique_ptr<Slot> slot) : pool_(pool), slot_(std::move(slot)) {}
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
  auto slot = std::make_unique<Slot>(prelinked_->executor_, prelinked_->limits_);
  Linker linker(slot->store);
  prelinked_->define_(linker, slot->store, slot->core);
  attach(slot->store, slot->core);
  slot->instance = TRY(linker.instantiate(prelinked_->component_));
  ++in_use_;
  return Lease(this, std::move(slot));
}

std::expected<void, Failure> InstancePool::warm(u32) { return {}; }

void InstancePool::give_back(std::unique_ptr<Slot> slot) {
  --in_use_;
  slot.reset();
}

}  // namespace berth::component
