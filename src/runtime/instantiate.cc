// Instantiation, step by step as the specification orders it (execution, modules, instantiation).

#include <algorithm>
#include <new>

#include "runtime/builtins.h"
#include "runtime/const_expr.h"
#include "runtime/matching.h"
#include "runtime/store_impl.h"

namespace berth::runtime {

namespace {

using abi::Ref;
using abi::Slot;
using abi::TrapCode;
using Failure = std::expected<void, InstantiationFailure>;

// From this size on a data segment's pages are made in one go: half the time of faulting them in one by one.
constexpr u32 kPopulateBytes = 128 << 10;

Failure failure(Error error) { return std::unexpected(InstantiationFailure(std::move(error))); }
Failure failure(TrapCode code) { return std::unexpected(InstantiationFailure(std::move(trap(code).error()))); }

// Native code calls functions of its module that have none by reference; with all of them native, or none, nothing
// but tables and exports needs references to functions.
bool may_have_lazy_functions(const PreparedModule& module, Executor& executor) {
  const wasm::Module& m = module.module();
  const u32 defined = static_cast<u32>(m.functions.size()) - m.imported_functions;
  constexpr u32 kLazyFrom = 256;
  if (defined < kLazyFrom || !module.leaves_tables_alone()) return false;
  if (executor.native_linkage().exit_stub == nullptr) return true;
  for (u32 i = 0; i < defined; ++i) {
    if (module.code().native_code(i) == nullptr) return false;
  }
  return true;
}

class Instantiation {
 public:
  Instantiation(StoreImpl& store, Instance& instance, std::span<const Extern> imports)
      : store_(store), impl_(StoreAccess::of(instance)), module_(impl_.module->module()), imports_(imports) {}

  // Places for everything, nothing evaluated yet. Fails where a limit does; the store is then as
  // before.
  Result<> allocate() {
    const size_t memories = store_.memories.size(), tables = store_.tables.size(),
                 object_tables = store_.object_tables.size();
    take_imports();
    auto result = allocate_memories();
    if (result) result = allocate_tables();
    if (!result) {
      store_.object_tables.resize(object_tables);
      store_.tables.resize(tables);
      store_.memories.resize(memories);
      return result;
    }
    allocate_functions();
    allocate_globals();
    for (size_t i = module_.imported_tags; i < module_.tags.size(); ++i) {
      Tag* tag =
          new (&impl_.defined_tags[i - module_.imported_tags]) Tag(impl_.module->types()[module_.tags[i].type.value]);
      add_tag(i, tag);
    }
    return {};
  }

  // Globals, tables' initial values and element segments, in this order.
  Failure evaluate_all() {
    for (size_t i = module_.imported_globals; i < module_.globals.size(); ++i)
      TRY(value_of(module_.globals[i].init, impl_.context.globals[i]->value));
    for (size_t i = module_.imported_tables; i < module_.tables.size(); ++i) {
      if (!module_.tables[i].init) continue;
      Slot value[2];
      TRY(value_of(*module_.tables[i].init, value));
      std::ranges::fill(impl_.tables[i]->elements(), value[0]);
    }
    for (size_t i = 0; i < module_.elems.size(); ++i) TRY(evaluate_segment(static_cast<u32>(i)));
    return {};
  }

  // Active segments into tables, then active data into memories; not what a memory holds from the start, if so said.
  Failure fill(bool skips_contents) {
    u32 dropped = 0;
    auto filled = fill(skips_contents, dropped);
    impl_.is_filled = filled.has_value();
    // Those after the one that was out of bounds can still be read.
    for (u32 i = 0; i < dropped && !filled; ++i) {
      if (module_.datas[i].mode == wasm::SegmentMode::Active) data_drop(&impl_.context, i);
    }
    return filled;
  }
  Failure fill(bool skips_contents, u32& dropped) {
    for (u32 i = 0; i < module_.elems.size(); ++i) {
      const wasm::ElemSegment& segment = module_.elems[i];
      if (segment.mode == wasm::SegmentMode::Passive) continue;
      if (segment.mode == wasm::SegmentMode::Active) {
        const u64 offset = TRY(offset_of(segment.offset, module_.tables[segment.table.value].type.is_64));
        Table& table = *impl_.tables[segment.table.value];
        if (table.is_lazy() && !segment.uses_exprs && segment.size() <= table.size() &&
            offset <= table.size() - segment.size()) {
          table.add_lazy(offset, segment.size(), *static_cast<Instance*>(impl_.context.instance), i, 0);
        } else {
          table.fill_in();
          const TrapCode code = table_init(&impl_.context, segment.table.value, i, offset, 0, segment.size());
          if (code != TrapCode::None) return failure(code);
        }
      }
      elem_drop(&impl_.context, i);
    }
    for (u32 i = 0; i < module_.datas.size(); ++i) {
      const wasm::DataSegment& segment = module_.datas[i];
      if (segment.mode != wasm::SegmentMode::Active) continue;
      Memory& memory = *impl_.memories[segment.memory.value];
      if (!skips_contents || !memory.has_initial_contents()) {
        const u64 offset = TRY(offset_of(segment.offset, module_.memories[segment.memory.value].type.is_64));
        if (segment.bytes.size >= kPopulateBytes) memory.populate(offset, segment.bytes.size);
        const TrapCode code = memory_init(&impl_.context, segment.memory.value, i, offset, 0, segment.bytes.size);
        if (code != TrapCode::None) return failure(code);
      }
      dropped = i + 1;
    }
    return {};
  }

  Failure start() {
    if (!module_.start) return {};
    Slot none[1];
    auto outcome = store_.self.call_raw(*impl_.function(module_.start->value), none);
    if (!outcome) return std::unexpected(InstantiationFailure(std::move(outcome).error()));
    return {};
  }

 private:
  void take_imports() {
    for (size_t i = 0; i < imports_.size(); ++i) {
      const u32 index = module_.imports[i].index;
      switch (module_.imports[i].kind) {
        case wasm::ExternKind::Func:
          impl_.context.functions[index] = std::get<abi::FunctionInstance*>(imports_[i]);
          break;
        case wasm::ExternKind::Table: add_table(index, std::get<Table*>(imports_[i])); break;
        case wasm::ExternKind::Memory: add_memory(index, std::get<Memory*>(imports_[i])); break;
        case wasm::ExternKind::Global: add_global(index, std::get<Global*>(imports_[i])); break;
        case wasm::ExternKind::Tag: add_tag(index, std::get<Tag*>(imports_[i])); break;
      }
    }
  }
  void add_table(size_t index, Table* table) {
    if (table->is_lazy() && !impl_.module->leaves_tables_alone()) table->fill_in();
    impl_.tables[index] = table;
    impl_.context.tables[index] = &table->record();
  }
  void add_memory(size_t index, Memory* memory) {
    impl_.memories[index] = memory;
    impl_.context.memories[index] = &memory->record();
    if (index == 0 && memory->guarded()) impl_.context.memory0_base = memory->base();
  }
  void add_global(size_t index, Global* global) {
    impl_.globals[index] = global;
    impl_.context.globals[index] = &global->cell();
  }
  void add_tag(size_t index, Tag* tag) {
    impl_.tags[index] = tag;
    impl_.context.tags[index] = &tag->instance();
  }

  Result<> allocate_memories() {
    for (size_t i = module_.imported_memories; i < module_.memories.size(); ++i) {
      auto memory = TRY(Memory::create(module_.memories[i].type, store_.memory_allowance));
      TRY(store_.give_contents(*memory, store_.memories.size()));
      add_memory(i, store_.memories.emplace_back(std::move(memory)).get());
    }
    return {};
  }
  Result<> allocate_tables() {
    for (size_t i = module_.imported_tables; i < module_.tables.size(); ++i) {
      const wasm::TableType& type = module_.tables[i].type;
      const ResolvedType element = resolve(type.element, impl_.module->types());
      auto table = TRY(Table::create(type, element, abi::kNull, store_.table_allowance));
      Table* made = store_.tables.emplace_back(std::move(table)).get();
      if (may_be_object(element)) store_.object_tables.push_back(made);
      // Not worth it for the few of most adapters.
      constexpr u64 kLazyFrom = 64;
      if (store_.reuse != nullptr && type.limits.min >= kLazyFrom && type.element == wasm::kFuncRef &&
          !module_.tables[i].init && impl_.module->leaves_tables_alone())
        made->set_lazy();
      add_table(i, made);
    }
    return {};
  }
  void allocate_functions() {
    if (impl_.defined_functions == nullptr) return;
    for (u32 i = module_.imported_functions; i < module_.functions.size(); ++i) (void)impl_.function(i);
  }
  void allocate_globals() {
    const u32 imported = module_.imported_globals;
    for (size_t i = imported; i < module_.globals.size(); ++i) {
      const wasm::GlobalType& type = module_.globals[i].type;
      add_global(i, new (&impl_.defined_globals[i - imported])
                        Global(resolve(type.type, impl_.module->types()), type.is_mutable,
                               &impl_.context.defined_globals[i - imported]));
    }
  }

  Failure value_of(const wasm::ConstExpr& expression, Slot* out) {
    const TrapCode code = evaluate(impl_, expression, out);
    if (code != TrapCode::None) return failure(code);
    return {};
  }
  std::expected<u64, InstantiationFailure> offset_of(const wasm::ConstExpr& expression, bool is_64) {
    Slot value[2];
    TRY(value_of(expression, value));
    return is_64 ? value[0] : static_cast<u32>(value[0]);
  }
  Failure evaluate_segment(u32 index) {
    const wasm::ElemSegment& segment = module_.elems[index];
    // References to functions need no evaluation: Instance::Impl::elem_at reads them from the
    // module.
    if (!segment.uses_exprs || segment.exprs.empty()) return {};
    ElemState& state = impl_.elems[index];
    if (state.refs == nullptr) state.refs = static_cast<Ref*>(std::calloc(segment.exprs.size(), sizeof(Ref)));
    if (state.refs == nullptr) return failure(Error(ErrorCode::OutOfMemory, "an element segment"));
    state.may_hold_objects = may_be_object(resolve(segment.type, impl_.module->types()));
    for (size_t i = 0; i < segment.exprs.size(); ++i) {
      Slot value[2];
      TRY(value_of(segment.exprs[i], value));
      state.refs[i] = value[0];
    }
    return {};
  }

  StoreImpl& store_;
  InstanceImpl& impl_;
  const wasm::Module& module_;
  std::span<const Extern> imports_;
};

}  // namespace

std::expected<Instance*, InstantiationFailure> Store::instantiate(std::shared_ptr<const PreparedModule> module,
                                                                  std::span<const Extern> imports) {
  auto refuse = [](Error error) { return std::unexpected(InstantiationFailure(std::move(error))); };
  if (!impl_->stack_error.empty()) return refuse(Error(ErrorCode::OutOfMemory, impl_->stack_error));
  const wasm::Module& m = module->module();
  if (imports.size() != m.imports.size()) {
    return refuse(Error(ErrorCode::UnknownImport, "the module has " + std::to_string(m.imports.size()) + " imports, " +
                                                      std::to_string(imports.size()) + " were given"));
  }
  for (u32 i = 0; i < imports.size(); ++i) {
    if (auto matched = match_import(*module, i, imports[i]); !matched) return refuse(std::move(matched).error());
  }
  if (impl_->instances.size() >= impl_->limits.instances)
    return refuse(Error(ErrorCode::LimitExceeded, std::to_string(impl_->limits.instances) + " instances in a store"));

  Instance* instance = new Instance;
  const bool has_lazy_functions = impl_->reuse != nullptr && may_have_lazy_functions(*module, impl_->executor);
  instance->impl_ = std::make_unique<Instance::Impl>(*this, std::move(module), has_lazy_functions);
  instance->impl_->context.instance = instance;
  Instantiation steps(*impl_, *instance, imports);
  if (auto allocated = steps.allocate(); !allocated) {
    delete instance;
    return refuse(std::move(allocated).error());
  }
  // From here on the instance stays with the store, whatever happens: other instances may come to
  // refer to its functions, and the collector has to see what it holds.
  impl_->instances.push_back(instance);
  TRY(steps.evaluate_all());
  if (Reuse* const reuse = impl_->reuse.get()) {
    const bool is_after_start = !reuse->steps.empty();
    if (!is_after_start) TRY(steps.fill(true));
    if (is_after_start || m.start) reuse->steps.push_back({instance, false, is_after_start, false});
    return instance;
  }
  TRY(steps.fill(false));
  TRY(steps.start());
  return instance;
}

std::expected<void, InstantiationFailure> Store::start() {
  if (impl_->reuse == nullptr) return {};

  for (const Reuse::Step& step : impl_->reuse->steps) {
    Instantiation steps(*impl_, *step.instance, {});
    if (step.evaluates) TRY(steps.evaluate_all());
    if (step.fills) TRY(steps.fill(step.skips_contents));
    TRY(steps.start());
  }
  return {};
}

}  // namespace berth::runtime
