// Where a store's garbage collector starts from.

#include <algorithm>

#include "runtime/store_impl.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BERTH_ASAN 1
#include <sanitizer/asan_interface.h>
#endif
#endif

namespace berth::runtime {

namespace {

#ifdef BERTH_ASAN
// The sanitizer may keep a function's variables outside its frame, which then holds only a pointer
// to them.
__attribute__((no_sanitize("address"))) void visit_fake_frames(RootVisitor& visitor, const void* low,
                                                               const void* high) {
  void* fake_stack = __asan_get_current_fake_stack();
  if (fake_stack == nullptr) return;
  for (auto* at = static_cast<void* const*>(low); at < static_cast<void* const*>(high); ++at) {
    void* begin = nullptr;
    void* end = nullptr;
    if (__asan_addr_is_in_fake_stack(fake_stack, *at, &begin, &end) != nullptr) visitor.words(begin, end);
  }
}
#else
void visit_fake_frames(RootVisitor&, const void*, const void*) {}
#endif

struct NativeScan {
  const std::vector<StackEntry>& entries;
  RootVisitor& visitor;
};

// The frames of every stack between its entry into the store and where it is now.
void visit_native_stacks(const void* stack_pointer, void* data) {
  const NativeScan& scan = *static_cast<NativeScan*>(data);
  const os::ExecutionStack* current = &os::ExecutionStack::current();
  for (const StackEntry& entry : scan.entries) {
    const void* low = entry.stack == current ? stack_pointer : entry.stack->saved_sp();
    scan.visitor.words(low, entry.address);
    visit_fake_frames(scan.visitor, low, entry.address);
  }
}

}  // namespace

StackScope::StackScope(StoreImpl& store, const void* address) : store_(store), outermost_(true) {
  os::ExecutionStack* current = &os::ExecutionStack::current();
  for (const StackEntry& entry : store.stack_entries) {
    if (entry.stack == current) outermost_ = false;
  }
  if (outermost_) store.stack_entries.push_back({current, address});
}

StackScope::~StackScope() {
  if (!outermost_) return;
  const os::ExecutionStack* current = &os::ExecutionStack::current();
  std::erase_if(store_.stack_entries, [&](const StackEntry& entry) { return entry.stack == current; });
}

void Store::Impl::visit_roots(RootVisitor& visitor) {
  visitor.words(context.stack_base, context.stack_top);
  visitor.words(const_stack.data(), const_stack.data() + const_stack.size());
  NativeScan scan{stack_entries, visitor};
  os::with_registers_on_stack(visit_native_stacks, &scan);

  for (Instance* instance : instances) {
    const Instance::Impl& impl = StoreAccess::of(*instance);
    for (const u32 i : impl.module->object_globals()) visitor.reference(impl.context.defined_globals[i].value[0]);
    const wasm::Module& module = impl.module->module();
    for (size_t i = 0; i < module.elems.size(); ++i) {
      const ElemState& elem = impl.elems[i];
      if (!elem.may_hold_objects || elem.dropped) continue;
      for (u32 k = 0; k < module.elems[i].size(); ++k) visitor.reference(elem.refs[k]);
    }
  }
  for (const HostGlobal& global : host_globals) {
    if (may_be_object(global.global.type())) visitor.reference(global.cell.value[0]);
  }
  for (Table* table : object_tables) {
    for (const abi::Ref ref : table->elements()) visitor.reference(ref);
  }
  for (const auto& [ref, count] : roots) visitor.reference(ref);
  visitor.reference(last_exception);
  if (context.pending != nullptr) visitor.reference(static_cast<const Unwind*>(context.pending)->exception);
}

}  // namespace berth::runtime
