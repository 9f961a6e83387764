#include "runtime/store.h"

#include <algorithm>

#include "os/fault.h"
#include "runtime/guest_stack.h"
#include "runtime/objects.h"
#include "runtime/store_impl.h"

namespace berth::runtime {

namespace {

// Room beyond the stack limit: a host function's parameters and results, and small overruns, stay
// inside.
constexpr u64 kStackSlackBytes = 64 << 10;
// Inaccessible space on either side of the value stack.
constexpr u64 kStackGuardBytes = 64 << 10;

// What an embedder's HostFunction looks like to guest code.
abi::Status call_host(void* data, abi::InstanceContext* caller, abi::Slot* values) {
  auto& record = *static_cast<HostFunctionRecord*>(data);
  Caller c(*record.store, caller == nullptr ? nullptr : static_cast<Instance*>(caller->instance));
  Outcome<void> outcome = record.function(c, values);
  if (outcome) [[likely]]
    return abi::Status::Ok;
  record.store->context().pending = outcome.error().release();
  return abi::Status::Unwind;
}

}  // namespace

Store::Impl::Impl(Store& store, Executor& e, const StoreLimits& l)
    : self(store), executor(e), limits(l), context{}, guest_stacks(context, l.stack_bytes) {
  memory_allowance.limit = limits.memory_bytes;
  table_allowance.limit = limits.table_elements;
  Heap::initialize_runs(allocation_runs);
  context.store = &store;
  context.allocation_runs = allocation_runs;
  context.builtins = e.native_linkage().builtins;
  if (context.builtins != nullptr) overflow = std::make_unique_for_overwrite<abi::Slot[]>(abi::kOverflowSlots);
  context.overflow = overflow.get();
  const u64 bytes = os::round_to_pages(std::min(limits.stack_bytes, u64{1} << 52));
  auto reserve_stack = [&]() -> Result<> {
    stack = TRY(os::Reservation::reserve(bytes + kStackSlackBytes + 2 * kStackGuardBytes));
    return stack.commit(kStackGuardBytes, bytes + kStackSlackBytes);
  };
  if (auto reserved = reserve_stack(); !reserved) {
    stack_error = "the value stack: " + reserved.error().detail();
  } else {
    context.stack_base = reinterpret_cast<abi::Slot*>(stack.base() + kStackGuardBytes);
    context.stack_end = reinterpret_cast<abi::Slot*>(stack.base() + kStackGuardBytes + bytes);
  }
  // Without a stack the limit is null, so nothing runs; `instantiate` says why.
  context.stack_limit = context.stack_end;
  context.stack_top = context.stack_base;
}

Store::Impl::~Impl() { delete static_cast<Unwind*>(context.pending); }

Store::Store(Executor& executor, StoreLimits limits) : impl_(std::make_unique<Impl>(*this, executor, limits)) {
  executor.add_store(*this);
}

Store::~Store() {
  impl_->executor.remove_store(*this);
  for (Instance* instance : impl_->instances) delete instance;
}

abi::TrapCode Store::Impl::allocate(const abi::RuntimeType* type, u64 bytes, abi::Ref* out) {
  if (bytes > limits.heap_bytes) return abi::TrapCode::AllocationTooLarge;
  abi::Object* object = heap().allocate(type, bytes);
  if (object == nullptr) return abi::TrapCode::GcHeapExhausted;
  *out = reinterpret_cast<abi::Ref>(object);
  return abi::TrapCode::None;
}

std::unique_ptr<Unwind> Store::Impl::take_pending() {
  CHECK(context.pending != nullptr);
  std::unique_ptr<Unwind> unwind(static_cast<Unwind*>(context.pending));
  context.pending = nullptr;
  return unwind;
}

// Making things.

abi::FunctionInstance* Store::make_function(const wasm::FuncType& type, HostFunction function) {
  HostFunctionRecord& record = impl_->host_functions.emplace_back(HostFunctionRecord{{}, this, std::move(function)});
  record.instance.type = impl_->host_types.add_function(type);
  record.instance.host = call_host;
  record.instance.host_data = &record;
  const NativeLinkage linkage = impl_->executor.native_linkage();
  record.instance.native_code = linkage.exit_stub;
  record.instance.native_target = &record.instance;
  record.instance.store = &impl_->context;
  return &record.instance;
}

Result<Memory*> Store::make_memory(const wasm::MemoryType& type) {
  auto memory = TRY(Memory::create(type, impl_->memory_allowance));
  TRY(impl_->give_contents(*memory, impl_->memories.size()));
  return impl_->memories.emplace_back(std::move(memory)).get();
}

Memory* Store::adopt_memory(std::shared_ptr<SharedMemory> memory) {
  return impl_->memories.emplace_back(std::make_unique<Memory>(std::move(memory), impl_->memory_allowance)).get();
}

Result<Table*> Store::make_table(const wasm::TableType& type, abi::Ref init) {
  auto table = TRY(Table::create(type, resolve_abstract(type.element), init, impl_->table_allowance));
  Table* made = impl_->tables.emplace_back(std::move(table)).get();
  if (may_be_object(made->element_type())) impl_->object_tables.push_back(made);
  return made;
}

namespace {

void to_slots(const Value& value, abi::Slot* slots) {
  switch (value.kind) {
    case wasm::ValKind::I32: slots[0] = static_cast<u32>(value.i32_value); break;
    case wasm::ValKind::I64: slots[0] = static_cast<u64>(value.i64_value); break;
    case wasm::ValKind::F32: slots[0] = value.f32_bits; break;
    case wasm::ValKind::F64: slots[0] = value.f64_bits; break;
    case wasm::ValKind::V128:
      std::copy_n(reinterpret_cast<const u8*>(&value.v128), 16, reinterpret_cast<u8*>(slots));
      break;
    case wasm::ValKind::Ref: slots[0] = value.ref; break;
    case wasm::ValKind::Bottom: slots[0] = 0; break;
  }
}

Value from_slots(wasm::ValKind kind, const abi::Slot* slots) {
  switch (kind) {
    case wasm::ValKind::I32: return Value::of_i32(static_cast<i32>(slots[0]));
    case wasm::ValKind::I64: return Value::of_i64(static_cast<i64>(slots[0]));
    case wasm::ValKind::F32: return Value::of_f32_bits(static_cast<u32>(slots[0]));
    case wasm::ValKind::F64: return Value::of_f64_bits(slots[0]);
    case wasm::ValKind::V128: {
      V128 v{};
      std::copy_n(reinterpret_cast<const u8*>(slots), 16, v.bytes);
      return Value::of_v128(v);
    }
    case wasm::ValKind::Ref: return Value::of_ref(slots[0]);
    case wasm::ValKind::Bottom: break;
  }
  return {};
}

}  // namespace

Global* Store::make_global(const wasm::GlobalType& type, Value value) {
  HostGlobal& made = impl_->host_globals.emplace_back(resolve_abstract(type.type), type.is_mutable);
  to_slots(value, made.cell.value);
  return &made.global;
}

Tag* Store::make_tag(const wasm::FuncType& type) {
  return &impl_->host_tags.emplace_back(impl_->host_types.add_function(type));
}

Result<abi::Ref> Store::make_host_object(u64 payload) {
  abi::Ref ref = abi::kNull;
  const abi::TrapCode code = impl_->allocate(&host_object_type(), sizeof(abi::HostObject), &ref);
  if (code != abi::TrapCode::None) return fail(ErrorCode::LimitExceeded, std::string(abi::trap_text(code)));
  static_cast<abi::HostObject*>(object_of(ref))->payload = payload;
  return ref;
}

void Store::root(abi::Ref ref) { ++impl_->roots[ref]; }

void Store::unroot(abi::Ref ref) {
  const auto at = impl_->roots.find(ref);
  CHECK(at != impl_->roots.end());
  if (--at->second == 0) impl_->roots.erase(at);
}

// Calls.

Outcome<void> Store::call_raw(abi::FunctionInstance& function, abi::Slot* values) {
  Impl& s = *impl_;
  if (s.nesting >= s.limits.native_nesting)
    return trap(abi::TrapCode::StackExhausted, "host functions call back too deeply");
  ++s.nesting;
  const StackScope scope(s, __builtin_frame_address(0));
  s.last_exception = abi::kNull;
  Outcome<void> outcome;
  if (function.host != nullptr) {
    if (function.host(function.host_data, nullptr, values) == abi::Status::Unwind)
      outcome = std::unexpected(s.take_pending());
  } else {
    outcome = s.executor.invoke(function, s.context, values);
  }
  --s.nesting;
  if (!outcome && outcome.error()->kind == UnwindKind::Exception) s.last_exception = outcome.error()->exception;
  return outcome;
}

std::expected<std::vector<Value>, InstantiationFailure> Store::call(abi::FunctionInstance& function,
                                                                    std::span<const Value> args) {
  const abi::RuntimeType& type = *function.type;
  const wasm::FuncType& signature = type.definition->func;
  const auto types = definition_types(type);
  auto bad = [&](std::string detail) {
    return std::unexpected(InstantiationFailure(Error(ErrorCode::BadArgument, std::move(detail))));
  };
  if (args.size() != signature.params.size()) {
    return bad("the function takes " + std::to_string(signature.params.size()) + " arguments, " +
               std::to_string(args.size()) + " were given");
  }
  std::vector<abi::Slot> slots(std::max(type.param_slots, type.result_slots));
  u32 at = 0;
  for (size_t i = 0; i < args.size(); ++i) {
    const ResolvedType wanted = resolve(signature.params[i], types);
    if (args[i].kind != wanted.type.kind || (wanted.is_ref() && !has_type(args[i].ref, wanted)))
      return bad("argument " + std::to_string(i + 1) + " is not of type " + to_string(wanted));
    to_slots(args[i], &slots[at]);
    at += slot_count(wanted.type);
  }
  if (auto outcome = call_raw(function, slots.data()); !outcome)
    return std::unexpected(InstantiationFailure(std::move(outcome).error()));
  std::vector<Value> results;
  results.reserve(signature.results.size());
  at = 0;
  for (const wasm::ValType& result : signature.results) {
    results.push_back(from_slots(result.kind, &slots[at]));
    at += slot_count(result);
  }
  return results;
}

// Interruption: the guest's thread reads both fields without a lock.

void Store::interrupt() {
  {
    const std::lock_guard lock(impl_->interrupt_mutex);
    impl_->context.interrupt.fetch_or(abi::kStop, std::memory_order_seq_cst);
    std::atomic_ref(impl_->context.stack_limit).store(nullptr, std::memory_order_relaxed);
    impl_->nudger.start();
  }
  impl_->wait_slot.interrupt();
}

void Store::clear_interrupt() {
  {
    const std::lock_guard lock(impl_->interrupt_mutex);
    std::atomic_ref(impl_->context.stack_limit).store(impl_->context.stack_end, std::memory_order_relaxed);
    impl_->nudger.stop();
    impl_->context.interrupt.fetch_and(~u32{abi::kStop}, std::memory_order_relaxed);
  }
  impl_->wait_slot.clear();
}

bool Store::observe() {
  abi::StoreContext& context = impl_->context;
  if (abi::is_stopped(context) || context.stack_end == nullptr) return false;
  const bool branches = (context.interrupt.fetch_or(abi::kObserve, std::memory_order_relaxed) & abi::kObserve) == 0;
  abi::Slot* usual = context.stack_end;
  const bool calls = std::atomic_ref(context.stack_limit)
                         .compare_exchange_strong(usual, context.stack_base, std::memory_order_relaxed);
  return branches || calls;
}

void Store::set_yield(std::function<void()> yield) {
  impl_->yield = std::move(yield);
  impl_->context.interrupt.fetch_and(~u32{abi::kYield}, std::memory_order_relaxed);
}

void Store::ask_to_yield() {
  abi::StoreContext& context = impl_->context;
  const std::lock_guard lock(impl_->interrupt_mutex);
  if (abi::is_stopped(context) || context.stack_end == nullptr) return;
  context.interrupt.fetch_or(abi::kYield, std::memory_order_seq_cst);
  abi::Slot* usual = context.stack_end;
  std::atomic_ref(context.stack_limit).compare_exchange_strong(usual, context.stack_base, std::memory_order_relaxed);
  const int thread = impl_->nudger.thread.load(std::memory_order_seq_cst);
  if (thread != 0) os::nudge(thread);
}

void nudge_when_back(abi::StoreContext& context) {
  StoreImpl& impl = StoreAccess::of(&context);
  const std::lock_guard lock(impl.interrupt_mutex);
  impl.nudger.start();
}

bool yield_if_asked(abi::StoreContext& context) {
  if ((context.interrupt.load(std::memory_order_relaxed) & abi::kYield) == 0) return false;
  context.interrupt.fetch_and(~u32{abi::kYield}, std::memory_order_relaxed);
  const auto& yield = StoreAccess::of(&context).yield;
  if (yield) yield();
  return true;
}

void Store::set_fuel(i64 fuel) { impl_->context.fuel = fuel; }
i64 Store::fuel() const { return impl_->context.fuel; }
u64 Store::collect_garbage() { return impl_->heap().collect(); }
abi::StoreContext& Store::context() { return impl_->context; }
Executor& Store::executor() { return impl_->executor; }
const StoreLimits& Store::limits() const { return impl_->limits; }
u64 Store::memory_bytes_in_use() const { return impl_->memory_allowance.used; }

}  // namespace berth::runtime
