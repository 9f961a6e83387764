#include <algorithm>

#include "component/host_call.h"
#include "component/instantiate.h"
#include "component_model/names.h"
#include "component_model/subtyping.h"

namespace berth::component {
namespace {

using Failure = runtime::InstantiationFailure;

constexpr char kSeparator = '#';

const char* sort_name(const Item& item) {
  return item.sort == cm::Sort::Type && item.resource ? "resource" : cm::to_string(item.sort);
}

// What is defined under a name, or under that of a compatible version of the same interface.
const Item* find(const Exports& exports, const std::string& name) {
  if (const auto it = exports.items.find(name); it != exports.items.end()) return &it->second;
  const auto wanted = cm::parse_name(name);
  if (!wanted || wanted->version.empty()) return nullptr;
  for (const auto& [other, item] : exports.items) {
    const auto parsed = cm::parse_name(other);
    if (parsed && parsed->interface == wanted->interface && !parsed->version.empty() &&
        cm::compatible_version(parsed->version) == cm::compatible_version(wanted->version)) {
      return &item;
    }
  }
  return nullptr;
}

// Gives each import what the linker has for it, as far as it is of the import's type.
class Resolver {
 public:
  explicit Resolver(StoreState& store) : store_(store) {}

  std::optional<Item> resolve(const cm::ExternType& type, const Item* given, const std::string& path) {
    if (given != nullptr && given->sort != type.sort && type.sort != cm::Sort::Type) {
      wrong(path + ": expected " + cm::to_string(type.sort) + ", found " + sort_name(*given));
      return std::nullopt;
    }
    switch (type.sort) {
      case cm::Sort::Instance: return instance(*type.type.instance, given, path);
      case cm::Sort::Type: return resolve_type(type.type, given, path);
      default: break;
    }
    if (given == nullptr) {
      missing_.push_back(path);
      return std::nullopt;
    }
    switch (type.sort) {
      case cm::Sort::Func: {
        // A function of the host that takes values has the types that are asked for.
        const HostDefinition* definition = given->function->definition;
        if (definition != nullptr && !definition->matches(HostMatcher{bound_}, *type.type.func))
          wrong(path + ": the host's function has another type");
        auto made = std::make_unique<Function>();
        made->type = type.type.func;
        made->host = given->function->host;
        made->definition = definition;
        Item item = *given;
        item.function = store_.functions.emplace_back(std::move(made)).get();
        return item;
      }
      case cm::Sort::CoreModule: {
        cm::TypeArena arena;
        const auto* actual = arena.add(cm::module_type(given->module->module()));
        const auto mismatch = cm::Subtyping(arena).check(cm::ExternType::of(actual), type);
        if (!mismatch.empty()) wrong(path + ": " + mismatch);
        return *given;
      }
      default: wrong(path + ": components cannot be imported from outside"); return std::nullopt;
    }
  }

  std::optional<Error> error() const {
    if (!missing_.empty()) {
      std::string names;
      for (const std::string& m : missing_) names += (names.empty() ? "" : ", ") + m;
      return Error(ErrorCode::UnknownImport, names);
    }
    if (!wrong_.empty()) return Error(ErrorCode::IncompatibleImportType, wrong_.front());
    return std::nullopt;
  }

 private:
  void wrong(std::string what) { wrong_.push_back(std::move(what)); }

  std::optional<Item> instance(const cm::InstanceType& type, const Item* given, const std::string& path) {
    Exports made;
    for (const cm::NamedExtern& e : type.exports) {
      const Item* part = given == nullptr ? nullptr : find(*given->instance, e.name);
      if (auto item = resolve(e.type, part, path + kSeparator + e.name)) made.items.emplace(e.name, std::move(*item));
    }
    Item item;
    item.sort = cm::Sort::Instance;
    item.instance = store_.exports.emplace_back(std::make_unique<Exports>(std::move(made))).get();
    return item;
  }

  std::optional<Item> resolve_type(const cm::AnyType& type, const Item* given, const std::string& path) {
    Item item;
    item.sort = cm::Sort::Type;
    if (type.kind != cm::AnyType::Kind::Resource) return item;
    const auto bound = bound_.find(type.resource.var);
    if (given != nullptr && (given->sort != cm::Sort::Type || given->resource == nullptr)) {
      wrong(path + ": expected resource, found " + sort_name(*given));
      return std::nullopt;
    }
    if (bound != bound_.end()) {
      if (given != nullptr && given->resource != bound->second) wrong(path + ": mismatched resource types");
      item.resource = bound->second;
      return item;
    }
    if (given == nullptr) {
      missing_.push_back(path);
      return std::nullopt;
    }
    bound_.emplace(type.resource.var, given->resource);
    item.resource = given->resource;
    return item;
  }

  StoreState& store_;
  std::unordered_map<cm::ResourceVar, ResourceType*> bound_;
  std::vector<std::string> missing_, wrong_;
};

}  // namespace

bool has_labels(const cm::ValType& type, std::string_view labels) {
  for (const cm::Field& field : type.fields) {
    const size_t end = labels.find(' ');
    if (labels.substr(0, end) != field.label || labels.empty()) return false;
    labels.remove_prefix(end == std::string_view::npos ? labels.size() : end + 1);
  }
  return labels.empty();
}

Linker::Linker(Store& store) : store_(store), root_(std::make_unique<Exports>()) {}
Linker::~Linker() = default;

Item* Linker::place(std::string_view path) {
  Exports* at = root_.get();
  for (;;) {
    const size_t end = path.find(kSeparator);
    Item& item = at->items[std::string(path.substr(0, end))];
    if (end == std::string_view::npos) return &item;
    if (item.instance == nullptr) {
      item.sort = cm::Sort::Instance;
      item.instance = owned_.emplace_back(std::make_unique<Exports>()).get();
    }
    at = item.instance;
    path.remove_prefix(end + 1);
  }
}

void Linker::define_function(std::string_view path, HostFunction function) {
  auto made = std::make_unique<Function>();
  made->host = std::move(function);
  Item* item = place(path);
  item->sort = cm::Sort::Func;
  item->function = store_.state().functions.emplace_back(std::move(made)).get();
}

void Linker::define_module(std::string_view path, std::shared_ptr<const runtime::PreparedModule> module) {
  Item* item = place(path);
  item->sort = cm::Sort::CoreModule;
  item->module = std::move(module);
}

ResourceType* Linker::define_resource(std::string_view path, std::function<void(u64)> destructor) {
  auto made = std::make_unique<ResourceType>();
  made->host_destructor = std::move(destructor);
  made->name = path;
  ResourceType* type = store_.state().resources.emplace_back(std::move(made)).get();
  define_resource(path, type);
  return type;
}

void Linker::define_resource(std::string_view path, ResourceType* resource) {
  Item* item = place(path);
  item->sort = cm::Sort::Type;
  item->resource = resource;
}

void Linker::define_interface(const HostInterface& interface) {
  StoreState* state = &store_.state();
  const std::string prefix = std::string(interface.name) + kSeparator;
  for (const HostResource& r : interface.resources) {
    ResourceType* type =
        define_resource(prefix + std::string(r.name), [state, &r](u64 rep) { r.drop(state->host, rep); });
    type->host_tag = r.tag;
  }
  for (const HostDefinition& d : interface.functions) {
    Item* item = place(prefix + std::string(d.name));
    item->sort = cm::Sort::Func;
    auto made = std::make_unique<Function>();
    made->definition = &d;
    item->function = state->functions.emplace_back(std::move(made)).get();
  }
}

void Linker::define_instance(std::string_view name, const Instance& instance) {
  const auto copy = [&](auto& self, const Exports& from) -> Exports* {
    auto made = std::make_unique<Exports>();
    for (const auto& [n, item] : from.items) {
      if (item.sort == cm::Sort::Func) continue;
      Item copied = item;
      if (item.sort == cm::Sort::Instance) copied.instance = self(self, *item.instance);
      made->items.emplace(n, std::move(copied));
    }
    return owned_.emplace_back(std::move(made)).get();
  };
  Item* item = place(name);
  item->sort = cm::Sort::Instance;
  item->instance = copy(copy, instance.state()->exports);
}

std::expected<Instance, Failure> Linker::instantiate(std::shared_ptr<const PreparedComponent> component) {
  const cm::ComponentType& type = *component->component->type;
  Resolver resolver(store_.state());
  std::map<std::string, Item, std::less<>> imports;
  for (const cm::NamedExtern& i : type.imports) {
    if (auto item = resolver.resolve(i.type, find(*root_, i.name), i.name)) imports.emplace(i.name, std::move(*item));
  }
  if (auto error = resolver.error()) return std::unexpected(Failure(std::move(*error)));
  store_.state().components.push_back(component);
  auto made = component::instantiate(store_.state(), *component, nullptr, nullptr, [&](const std::string& name) {
    const auto found = imports.find(name);
    return found == imports.end() ? nullptr : &found->second;
  });
  if (!made) return std::unexpected(std::move(made).error());
  return Instance(*made);
}

}  // namespace berth::component
