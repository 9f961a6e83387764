// Stores that are used over and over (Store::keep, Store::restore).

#include <algorithm>

#include "runtime/store_impl.h"

namespace berth::runtime {

Result<> Store::Impl::give_contents(Memory& memory, size_t number) {
  if (reuse == nullptr || reuse->memories == nullptr || memory.shared() != nullptr) return {};
  if (memory.start_from(reuse->memories->contents.at(number))) return {};
  return fail(ErrorCode::OutOfMemory, "the system refuses to map the initial contents of a linear memory");
}

void Store::defer_starts(std::shared_ptr<const InitialMemories> memories) {
  impl_->reuse = std::make_unique<Reuse>();
  impl_->reuse->memories = std::move(memories);
}

Result<std::shared_ptr<const InitialMemories>> Store::keep() {
  Impl& s = *impl_;
  CHECK(s.reuse != nullptr && !s.reuse->is_kept);
  Reuse& r = *s.reuse;
  for (const auto& memory : s.memories) {
    if (memory->shared() != nullptr)
      return fail(ErrorCode::NotSupported, "a shared memory cannot be brought back to what it held at first");
  }
  if (r.memories == nullptr) {
    auto made = std::make_shared<InitialMemories>();
    for (const auto& memory : s.memories) {
      made->contents.push_back(TRY(InitialContents::make(memory->span())));
    }
    for (size_t i = 0; i < s.memories.size(); ++i) {
      // The pages that instantiation wrote go: what they held is in the image.
      if (!s.memories[i]->start_from(made->contents[i]))
        return fail(ErrorCode::OutOfMemory, "the system refuses to map the initial contents of a linear memory");
    }
    r.memories = std::move(made);
  }
  for (const auto& memory : s.memories) r.memory_bytes.push_back(memory->bytes());
  for (const auto& table : s.tables) {
    // Nothing will change those that are lazy.
    std::vector<abi::Ref>& elements = r.tables.emplace_back();
    r.lazy_counts.push_back(table->lazy_count());
    if (!table->is_lazy()) elements.assign(table->elements().begin(), table->elements().end());
  }
  for (const HostGlobal& global : s.host_globals) r.host_globals.push_back(global.cell);
  for (Instance* instance : s.instances) {
    InstanceImpl& impl = StoreAccess::of(*instance);
    const wasm::Module& module = impl.module->module();
    Reuse::InstanceState& state = r.instances.emplace_back();
    state.globals.assign(impl.context.defined_globals,
                         impl.context.defined_globals + (module.globals.size() - module.imported_globals));
    for (size_t i = 0; i < module.elems.size(); ++i) {
      state.elems_dropped.push_back(impl.elems[i].dropped);
      impl.elems[i].is_kept = true;
    }
    state.is_filled = impl.is_filled;
    impl.segments_changed = false;
  }
  r.host_functions = s.host_functions.size();
  r.host_tags = s.host_tags.size();
  r.is_kept = true;
  r.has_heap = s.has_heap();
  if (!r.has_heap) return r.memories;
  size_t defined_tables = 0;
  for (Instance* instance : s.instances) {
    const wasm::Module& module = instance->module().module();
    defined_tables += module.tables.size() - module.imported_tables;
  }
  if (defined_tables != s.tables.size() ||
      std::ranges::any_of(s.host_globals, [](const HostGlobal& g) { return may_be_object(g.global.type()); }))
    return fail(ErrorCode::NotSupported, "what the host put on the heap cannot be kept");
  // Objects cannot be kept as they are, so each use makes them anew.
  std::vector<Reuse::Step> steps;
  for (Instance* instance : s.instances) {
    const auto later = std::ranges::find(r.steps, instance, &Reuse::Step::instance);
    const bool is_before_start = later == r.steps.end() || !later->fills;
    steps.push_back({instance, true, true, is_before_start});
  }
  r.steps = std::move(steps);
  if (!restore()) return fail(ErrorCode::OutOfMemory, "the system refuses to reset a linear memory");
  return r.memories;
}

bool Store::restore(u64 most_kept) {
  Impl& s = *impl_;
  if (s.reuse == nullptr || !s.reuse->is_kept) return false;
  Reuse& r = *s.reuse;
  if (s.instances.size() != r.instances.size() || s.memories.size() != r.memory_bytes.size() ||
      s.tables.size() != r.tables.size() || s.host_globals.size() != r.host_globals.size() ||
      s.host_functions.size() != r.host_functions || s.host_tags.size() != r.host_tags || s.nesting != 0 ||
      !s.stack_entries.empty())
    return false;

  delete static_cast<Unwind*>(std::exchange(s.context.pending, nullptr));
  if (s.context.interrupt.load(std::memory_order_relaxed) != 0) {
    clear_interrupt();
    s.context.interrupt.store(0, std::memory_order_relaxed);
  }
  std::atomic_ref(s.context.stack_limit).store(s.context.stack_end, std::memory_order_relaxed);
  s.context.stack_top = s.context.stack_base;
  s.context.activation = nullptr;
  s.context.caller = nullptr;
  s.context.fuel = 0;
  s.last_exception = abi::kNull;
  s.roots.clear();
  s.const_stack.clear();
  s.guest_stacks.give_back();

  for (size_t i = 0; i < s.memories.size(); ++i) {
    if (!s.memories[i]->reset(r.memory_bytes[i], most_kept)) return false;
  }
  // Where initial values are objects, those are gone, and evaluating them comes after this.
  if (s.has_heap()) s.drop_heap();
  for (size_t i = 0; i < s.tables.size(); ++i) {
    if (s.tables[i]->is_lazy()) {
      s.tables[i]->forget_lazy(r.has_heap ? 0 : r.lazy_counts[i]);
      continue;
    }
    s.tables[i]->reset(r.tables[i]);
    if (r.has_heap && may_be_object(s.tables[i]->element_type()))
      std::ranges::fill(s.tables[i]->elements(), abi::kNull);
  }
  for (size_t i = 0; i < s.host_globals.size(); ++i) s.host_globals[i].cell = r.host_globals[i];
  for (size_t k = 0; k < s.instances.size(); ++k) {
    InstanceImpl& impl = StoreAccess::of(*s.instances[k]);
    const Reuse::InstanceState& state = r.instances[k];
    std::ranges::copy(state.globals, impl.context.defined_globals);
    impl.is_filled = state.is_filled && !r.has_heap;
    if (impl.segments_changed) {
      for (size_t i = 0; i < state.elems_dropped.size(); ++i) impl.elems[i].dropped = state.elems_dropped[i];
      std::fill_n(impl.data_dropped, impl.module->module().datas.size(), false);
      impl.segments_changed = false;
    }
    if (!r.has_heap) continue;
    for (const u32 i : impl.module->object_globals()) impl.context.defined_globals[i].value[0] = abi::kNull;
    for (size_t i = 0; i < state.elems_dropped.size(); ++i) {
      ElemState& elem = impl.elems[i];
      elem.dropped = false;
      if (elem.refs != nullptr) std::fill_n(elem.refs, impl.module->module().elems[i].size(), abi::kNull);
    }
  }
  return true;
}

}  // namespace berth::runtime
