#include "component/instantiate.h"

#include "component/call.h"

namespace berth::component {
namespace {

using Failure = runtime::InstantiationFailure;

// abi::HostEntry of a lowered function.
abi::Status enter_lowered(void* lowered, abi::InstanceContext*, abi::Slot* values) {
  Lowered& l = *static_cast<Lowered*>(lowered);
  auto outcome = call_lowered(l, values);
  if (outcome) [[likely]]
    return abi::Status::Ok;
  l.caller->store->store.context().pending = outcome.error().release();
  return abi::Status::Unwind;
}

class Instantiation {
 public:
  Instantiation(StoreState& store, InstanceState& instance, const ImportFinder& find)
      : store_(store), self_(instance), find_(find) {}

  std::optional<Failure> run() {
    for (const cm::Definition& d : self_.prepared->component->definitions) {
      current_ = &d;
      std::visit([&](const auto& body) { define(body); }, d.body);
      if (failure_) return std::move(failure_);
    }
    return std::nullopt;
  }

 private:
  template <typename T>
  T* keep(std::vector<std::unique_ptr<T>>& in, T value) {
    return in.emplace_back(std::make_unique<T>(std::move(value))).get();
  }
  void fail(Error error) {
    if (!failure_) failure_.emplace(std::move(error));
  }

  // --- core

  void define(const cm::CoreModule& d) { self_.modules.push_back(self_.prepared->root->modules.at(d.module.get())); }
  void define(const cm::CoreTypeDef&) {}

  runtime::Extern core_item(const cm::SortIndex& item) {
    switch (item.space) {
      case cm::Space::CoreFunc: return self_.core_funcs[item.index];
      case cm::Space::CoreTable: return self_.core_tables[item.index];
      case cm::Space::CoreMemory: return self_.core_memories[item.index];
      case cm::Space::CoreGlobal: return self_.core_globals[item.index];
      default: return self_.core_tags[item.index];
    }
  }

  void define(const cm::CoreInstance& d) {
    CoreExports made;
    if (!d.module) {
      for (const cm::CoreExport& e : d.exports) made.items.emplace(e.name, core_item(e.item));
    } else {
      const Prepared& module = self_.modules[*d.module];
      std::vector<runtime::Extern> imports;
      for (const wasm::Import& i : module->module().imports) {
        const runtime::Extern* found = nullptr;
        std::optional<runtime::Extern> value;
        for (const cm::Argument& a : d.arguments) {
          if (a.name == i.module) value = self_.core_instances[a.item.index].find(i.name);
          if (value) found = &*value;
        }
        if (!found) return fail(Error(ErrorCode::UnknownImport, i.module + "." + i.name));
        imports.push_back(*found);
      }
      auto instance = store_.store.instantiate(module, imports);
      if (!instance) {
        failure_ = std::move(instance).error();
        return;
      }
      made.instance = *instance;
    }
    self_.core_instances.push_back(std::move(made));
  }

  // --- components

  void define(const cm::NestedComponent& d) {
    self_.components.push_back({self_.prepared->nested.at(d.component.get()).get(), &self_});
  }

  Item item(const cm::SortIndex& at, cm::ResourceVar resource) {
    Item i;
    switch (at.space) {
      case cm::Space::CoreModule:
        i.sort = cm::Sort::CoreModule;
        i.module = self_.modules[at.index];
        break;
      case cm::Space::Func:
        i.sort = cm::Sort::Func;
        i.function = self_.funcs[at.index];
        break;
      case cm::Space::Component:
        i.sort = cm::Sort::Component;
        i.component = self_.components[at.index];
        break;
      case cm::Space::Instance:
        i.sort = cm::Sort::Instance;
        i.instance = self_.instances[at.index];
        break;
      default:
        i.sort = cm::Sort::Type;
        if (resource != 0) i.resource = self_.resources.at(resource);
    }
    return i;
  }

  void define(const cm::Instance& d) {
    if (!d.component) {
      Exports made;
      for (const cm::InlineExport& e : d.exports) made.items.emplace(e.name.name, item(e.item, e.resource));
      self_.instances.push_back(keep(store_.exports, std::move(made)));
      return;
    }
    std::map<std::string, Item, std::less<>> arguments;
    for (const cm::Argument& a : d.arguments) arguments.emplace(a.name, item(a.item, a.resource));
    const ComponentRef component = self_.components[*d.component];
    auto made = instantiate(store_, *component.component, &self_, component.outer, [&](const std::string& name) {
      const auto found = arguments.find(name);
      return found == arguments.end() ? nullptr : &found->second;
    });
    if (!made) {
      failure_ = std::move(made).error();
      return;
    }
    bind(current_->type, (*made)->exports);
    self_.instances.push_back(&(*made)->exports);
  }

  // Learns which resource types an instance brings along.
  void bind(const cm::ExternType& type, const Exports& exports) {
    for (const cm::NamedExtern& e : type.type.instance->exports) {
      const auto found = exports.items.find(e.name);
      if (found != exports.items.end()) bind(e.type, found->second);
    }
  }
  void bind(const cm::ExternType& type, const Item& item) {
    if (type.sort == cm::Sort::Instance && item.instance) bind(type, *item.instance);
    if (type.sort == cm::Sort::Type && type.type.kind == cm::AnyType::Kind::Resource && item.resource)
      self_.resources.emplace(type.type.resource.var, item.resource);
  }

  // --- aliases

  void define(const cm::Alias& d) {
    if (d.kind == cm::Alias::Kind::Outer) {
      InstanceState* from = &self_;
      for (u32 i = 0; i < d.count; ++i) from = from->outer;
      if (d.space == cm::Space::CoreModule) self_.modules.push_back(from->modules[d.index]);
      if (d.space == cm::Space::Component) self_.components.push_back(from->components[d.index]);
      return;
    }
    if (d.kind == cm::Alias::Kind::CoreExport) {
      const auto found = self_.core_instances[d.instance].find(d.name);
      if (!found) return fail(Error(ErrorCode::UnknownExport, d.name));
      std::visit([&](auto* value) { add_core(value); }, *found);
      return;
    }
    add(self_.instances[d.instance]->items.at(d.name));
  }

  void add_core(abi::FunctionInstance* v) { self_.core_funcs.push_back(v); }
  void add_core(runtime::Table* v) { self_.core_tables.push_back(v); }
  void add_core(runtime::Memory* v) { self_.core_memories.push_back(v); }
  void add_core(runtime::Global* v) { self_.core_globals.push_back(v); }
  void add_core(runtime::Tag* v) { self_.core_tags.push_back(v); }

  void add(const Item& i) {
    switch (i.sort) {
      case cm::Sort::CoreModule: self_.modules.push_back(i.module); break;
      case cm::Sort::Func: self_.funcs.push_back(i.function); break;
      case cm::Sort::Component: self_.components.push_back(i.component); break;
      case cm::Sort::Instance: self_.instances.push_back(i.instance); break;
      default: break;
    }
  }

  // --- types

  void define(const cm::TypeDef& d) {
    if (d.kind != cm::TypeDef::Kind::Resource) return;
    ResourceType type;
    type.owner = &self_;
    if (d.destructor) type.destructor = self_.core_funcs[*d.destructor];
    self_.resources.emplace(current_->type.type.resource.var, keep(store_.resources, std::move(type)));
  }

  // --- canonical definitions

  Options options(const cm::Canon& d) {
    Options o;
    if (d.options.memory) o.memory = self_.core_memories[*d.options.memory];
    if (d.options.realloc) o.realloc = self_.core_funcs[*d.options.realloc];
    if (d.options.post_return) o.post_return = self_.core_funcs[*d.options.post_return];
    if (d.options.callback) o.callback = self_.core_funcs[*d.options.callback];
    o.is_async = d.options.is_async;
    o.encoding = d.options.encoding.value_or(cm::StringEncoding::Utf8);
    o.pointer = d.pointer;
    return o;
  }

  void define(const cm::Canon& d) {
    using K = cm::CanonKind;
    InstanceState* self = &self_;
    switch (d.kind) {
      case K::Lift: {
        Function f;
        f.type = d.func_type;
        f.instance = self;
        f.core = self_.core_funcs[d.func];
        f.options = options(d);
        f.signature = make_signature(self_, *d.func_type, f.options, cm::Direction::Lift);
        self_.funcs.push_back(keep(store_.functions, std::move(f)));
        return;
      }
      case K::Lower: {
        Lowered l;
        l.caller = self;
        l.callee = self_.funcs[d.func];
        l.options = options(d);
        l.signature = make_signature(self_, *d.func_type, l.options, cm::Direction::Lower);
        if (!l.callee->is_host()) l.entered = entered(l.callee->instance, self);
        Lowered* kept = keep(store_.lowered, std::move(l));
        make_core(d, [](abi::Slot*) -> runtime::Outcome<void> { return {}; });
        // Straight to the call: what embedders' functions go through costs as much as passing scalars does.
        self_.core_funcs.back()->host = enter_lowered;
        self_.core_funcs.back()->host_data = kept;
        return;
      }
      case K::TaskReturn: {
        TaskReturn made;
        made.instance = self;
        made.options = options(d);
        made.type = d.value_type;
        if (d.value_type) {
          made.plan = self_.plans.make(*d.value_type, d.pointer, self_.resources);
          const cm::Layout& layout = d.value_type->at(d.pointer);
          made.in_memory = !layout.is_flat || layout.flat.size() >= cm::kFlatLimit;
        }
        return make_core(d, [made](abi::Slot* values) { return task_return(made, values); });
      }
      case K::ResourceNew: {
        const ResourceType* type = self_.resources.at(d.resource);
        const bool is_64 = d.core.params[0] == wasm::kI64;
        return make_core(d, [=](abi::Slot* values) { return resource_new(*self, *type, is_64, values); });
      }
      case K::ResourceRep: {
        const ResourceType* type = self_.resources.at(d.resource);
        return make_core(d, [=](abi::Slot* values) { return resource_rep(*self, *type, values); });
      }
      case K::ResourceDrop: {
        const ResourceType* type = self_.resources.at(d.resource);
        return make_core(d, [=](abi::Slot* values) { return resource_drop(*self, *type, values); });
      }
      case K::ContextGet:
      case K::ContextSet: {
        const bool gets = d.kind == K::ContextGet;
        const bool is_64 = d.slot_type == wasm::kI64;
        const u32 slot = d.number;
        StoreState* store = &store_;
        return make_core(d, [=](abi::Slot* values) -> runtime::Outcome<void> {
          if (store->task == nullptr)
            return runtime::trap(abi::TrapCode::CanonicalAbi, "there is no task that has a context");
          u64& context = store->task->context[slot];
          if (gets) {
            values[0] = is_64 ? context : static_cast<u32>(context);
          } else {
            context = is_64 ? values[0] : static_cast<u32>(values[0]);
          }
          return {};
        });
      }
      case K::BackpressureInc:
      case K::BackpressureDec: {
        const bool increments = d.kind == K::BackpressureInc;
        return make_core(d, [=](abi::Slot*) -> runtime::Outcome<void> {
          constexpr u32 kMax = 0xFFFF;
          if (self->backpressure == (increments ? kMax : 0))
            return runtime::trap(abi::TrapCode::CanonicalAbi, "backpressure counter out of range");
          self->backpressure += increments ? 1 : ~u32{0};
          return {};
        });
      }
      default: return unsupported(d);
    }
  }

  // What only components that use concurrency call.
  void unsupported(const cm::Canon& d) {
    std::string what =
        std::string("canon ") + cm::to_string(d.kind) + " is not supported: components cannot run concurrently yet";
    InstanceState* self = &self_;
    make_core(d, [what, self](abi::Slot*) -> runtime::Outcome<void> {
      return runtime::trap(abi::TrapCode::CanonicalAbi, self->may_leave ? what : "cannot leave component instance");
    });
  }

  template <typename Body>
  void make_core(const cm::Canon& d, Body body) {
    self_.core_funcs.push_back(store_.store.make_function(
        d.core, [body = std::move(body)](runtime::Caller&, abi::Slot* values) { return body(values); }));
  }

  // --- imports and exports

  void define(const cm::Import& d) {
    const Item* found = find_(d.name.name);
    if (!found) return fail(Error(ErrorCode::UnknownImport, d.name.name));
    bind(current_->type, *found);
    add(*found);
  }

  void define(const cm::Export& d) {
    Item i = item(d.item, d.resource);
    bind(current_->type, i);
    add(i);
    self_.exports.items.emplace(d.name.name, std::move(i));
  }

  StoreState& store_;
  InstanceState& self_;
  const ImportFinder& find_;
  const cm::Definition* current_ = nullptr;
  std::optional<Failure> failure_;
};

}  // namespace

std::optional<runtime::Extern> CoreExports::find(std::string_view name) const {
  if (instance) return instance->find_export(name);
  const auto it = items.find(name);
  if (it == items.end()) return std::nullopt;
  return it->second;
}

Signature make_signature(InstanceState& instance, const cm::FuncType& type, const Options& options,
                         cm::Direction direction) {
  Signature s;
  const cm::PointerSize pointer = options.pointer;
  s.shape = cm::flatten(type, pointer, direction, options.is_async, options.callback != nullptr);
  for (const cm::Field& p : type.params) s.params.push_back(instance.plans.make(*p.type, pointer, instance.resources));
  if (type.params_tuple) s.tuple = instance.plans.make(*type.params_tuple, pointer, instance.resources);
  if (type.result) s.result = instance.plans.make(*type.result, pointer, instance.resources);
  return s;
}

std::expected<InstanceState*, Failure> instantiate(StoreState& store, const PreparedComponent& component,
                                                   InstanceState* parent, InstanceState* outer,
                                                   const ImportFinder& find) {
  InstanceState* made = store.instances.emplace_back(std::make_unique<InstanceState>()).get();
  made->store = &store;
  made->parent = parent;
  made->outer = outer;
  made->prepared = &component;
  if (auto failure = Instantiation(store, *made, find).run()) return std::unexpected(std::move(*failure));
  return made;
}

}  // namespace berth::component
