#include "runtime/store_impl.h"

namespace berth::runtime {

namespace {

// Lays out arrays one after the other in a block, first without one to learn the size, then in it.
class Layout {
 public:
  explicit Layout(u8* block) : block_(block) {}
  template <typename T>
  void place(T*& array, size_t count) {
    static_assert(alignof(T) <= 16);
    size_ = (size_ + alignof(T) - 1) & ~(alignof(T) - 1);
    if (block_ != nullptr) array = reinterpret_cast<T*>(block_ + size_);
    size_ += count * sizeof(T);  // NOLINT(bugprone-sizeof-expression): T may well be a pointer
  }
  size_t size() const { return size_; }

 private:
  u8* block_;
  size_t size_ = 0;
};

}  // namespace

Instance::Instance() = default;
Instance::~Instance() = default;

Instance::Impl::Impl(Store& s, std::shared_ptr<const PreparedModule> m, bool has_lazy_functions)
    : store(s), module(std::move(m)) {
  const wasm::Module& wasm_module = module->module();
  auto lay_out = [&](Layout layout) {
    layout.place(context.defined_globals, wasm_module.globals.size() - wasm_module.imported_globals);
    layout.place(context.globals, wasm_module.globals.size());
    layout.place(context.memories, wasm_module.memories.size());
    layout.place(context.tables, wasm_module.tables.size());
    layout.place(context.functions, wasm_module.functions.size());
    layout.place(context.tags, wasm_module.tags.size());
    layout.place(memories, wasm_module.memories.size());
    layout.place(tables, wasm_module.tables.size());
    layout.place(globals, wasm_module.globals.size());
    layout.place(tags, wasm_module.tags.size());
    layout.place(defined_globals, wasm_module.globals.size() - wasm_module.imported_globals);
    layout.place(defined_tags, wasm_module.tags.size() - wasm_module.imported_tags);
    if (!has_lazy_functions)
      layout.place(defined_functions, wasm_module.functions.size() - wasm_module.imported_functions);
    layout.place(elems, wasm_module.elems.size());
    layout.place(data_dropped, wasm_module.datas.size());
    return layout.size();
  };
  // calloc: untouched parts of a large module's arrays cost nothing.
  block = std::calloc(1, lay_out(Layout(nullptr)) + 1);
  CHECK(block != nullptr);
  lay_out(Layout(static_cast<u8*>(block)));
  context.store = &store.context();
  context.types = module->types().data();
  context.module_code = module->code().context_data();
  context.builtins = context.store->builtins;
}

void Instance::Impl::make_function(u32 index) const {
  const u32 defined = index - module->module().imported_functions;
  abi::FunctionInstance* made = nullptr;
  if (defined_functions != nullptr) {
    made = &defined_functions[defined];
  } else {
    const size_t at = lazy_count_++ % kFunctionsTogether;
    if (at == 0) lazy_functions_.push_back(std::make_unique<abi::FunctionInstance[]>(kFunctionsTogether));
    made = &lazy_functions_.back()[at];
  }
  ModuleCode& code = module->code();
  made->type = module->types()[module->module().functions[index].type.value];
  made->context = const_cast<abi::InstanceContext*>(&context);
  made->code = code.function_code(defined);
  made->index = index;
  made->store = context.store;
  if (const void* native = code.native_code(defined)) {
    made->native_code = native;
    made->native_target = made->context;
  } else {
    made->native_code = store.executor().native_linkage().exit_stub;
    made->native_target = made;
  }
  context.functions[index] = made;
}

Instance::Impl::~Impl() {
  for (size_t i = 0; i < module->module().elems.size(); ++i) std::free(elems[i].refs);
  std::free(block);
}

const PreparedModule& Instance::module() const { return *impl_->module; }
Store& Instance::store() const { return impl_->store; }
abi::InstanceContext& Instance::context() { return impl_->context; }

Extern Instance::export_at(u32 index) const {
  const wasm::Export& e = impl_->module->module().exports[index];
  switch (e.kind) {
    case wasm::ExternKind::Func: return impl_->function(e.index);
    case wasm::ExternKind::Table: return impl_->tables[e.index];
    case wasm::ExternKind::Memory: return impl_->memories[e.index];
    case wasm::ExternKind::Global: return impl_->globals[e.index];
    case wasm::ExternKind::Tag: return impl_->tags[e.index];
  }
  return {};
}

std::optional<Extern> Instance::find_export(std::string_view name) const {
  const auto index = impl_->module->find_export(name);
  if (!index) return std::nullopt;
  return export_at(*index);
}

abi::FunctionInstance* Instance::find_function(std::string_view name) const {
  const auto found = find_export(name);
  auto* function = found ? std::get_if<abi::FunctionInstance*>(&*found) : nullptr;
  return function == nullptr ? nullptr : *function;
}

Memory* Instance::find_memory(std::string_view name) const {
  const auto found = find_export(name);
  auto* memory = found ? std::get_if<Memory*>(&*found) : nullptr;
  return memory == nullptr ? nullptr : *memory;
}

std::span<u8> Caller::memory() const {
  const Memory* memory = instance_ == nullptr ? nullptr : instance_->find_memory("memory");
  return memory == nullptr ? std::span<u8>{} : memory->span();
}

}  // namespace berth::runtime
