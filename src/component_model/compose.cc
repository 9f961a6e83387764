#include "component_model/compose.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <unordered_set>

#include "component_model/names.h"
#include "component_model/type_encoder.h"
#include "component_model/validator.h"

namespace berth::component_model {
namespace {

constexpr u32 kMaxDepth = 1000;

Space space_of(Sort sort) {
  static constexpr Space kSpaceOf[] = {Space::CoreModule, Space::Func,      Space::Value,
                                       Space::Type,       Space::Component, Space::Instance};
  return kSpaceOf[static_cast<size_t>(sort)];
}

// The name without what differs between compatible versions: equal for names that stand for each other.
std::string canonical(std::string_view name) {
  const auto parsed = parse_name(name);
  if (!parsed || parsed->kind != ParsedName::Kind::Interface || parsed->version.empty()) return std::string(name);
  return std::string(parsed->interface) + "@" + compatible_version(parsed->version);
}

// Whether version `a` is later than `b`, of two that are compatible.
bool is_later(std::string_view a, std::string_view b) {
  const auto numbers = [](std::string_view name) {
    std::array<u64, 3> out{};
    const size_t at = name.find('@');
    if (at == std::string_view::npos) return out;
    const char* p = name.data() + at + 1;
    const char* const end = name.data() + name.size();
    for (u64& n : out) {
      p = std::from_chars(p, end, n).ptr;
      if (p == end || *p != '.') break;
      ++p;
    }
    return out;
  };
  return numbers(a) > numbers(b);
}

std::string list_of(const std::vector<NamedExtern>& externs) {
  constexpr size_t kMost = 6;
  std::string out;
  for (size_t i = 0; i < externs.size() && i < kMost; ++i) out += (i ? ", `" : "`") + externs[i].name + "`";
  if (externs.size() > kMost) out += " and " + std::to_string(externs.size() - kMost) + " more";
  return out.empty() ? "nothing" : out;
}

// What the whole imports, for one or more parts.
struct Group {
  std::string name;
  Sort sort = Sort::Instance;
  struct View {
    size_t part = 0, import = 0;
  };
  std::vector<View> views;
  std::optional<u32> index;  // once it is imported
  bool is_ordered = false;
};

struct Link {
  size_t part = 0;  // that provides it
  const NamedExtern* item = nullptr;
};

struct PartState {
  const Part* part = nullptr;
  TypeNames names;
  TypeScope outer;
  // By import: who provides it, or in which group it is.
  std::vector<std::optional<Link>> links;
  std::vector<size_t> groups;
  std::vector<u32> import_owners;             // by import, of instances
  std::map<u32, size_t> owner_imports;        // and the other way around
  std::map<u32, const NamedExtern*> exports;  // by owner, of the last part
  std::optional<u32> instance;
  bool is_used = false;

  const std::vector<NamedExtern>& imports() const { return part->component->type->imports; }
};

class Composer {
 public:
  explicit Composer(std::span<const Part> parts) : states_(parts.size()) {
    for (size_t p = 0; p < parts.size(); ++p) states_[p].part = &parts[p];
  }
  Result<Composition> run();

 private:
  void connect();
  Result<> check_use() const;
  void name_types();
  Result<> group();
  void order(size_t group, u32 depth);
  void collect_groups(PartState& state, size_t import, std::vector<size_t>& out);
  Result<> import_groups();
  Result<> import_group(Group& group);
  void instantiate();
  Result<> export_all();
  void name_parts();

  std::optional<u32> find_type(PartState& state, const TypeNames::Place& place);
  u32 alias(Space space, u32 instance, const std::string& name);
  TypeEncoder encoder(PartState& state) {
    return TypeEncoder(writer_, state.names,
                       [this, &state](const TypeNames::Place& place) { return find_type(state, place); });
  }

  std::vector<PartState> states_;
  std::vector<Group> groups_;
  std::vector<size_t> order_;
  std::map<std::string, u32, std::less<>> exported_types_;
  std::map<std::tuple<Space, u32, std::string>, u32> aliases_;
  ComponentWriter writer_;
  Composition out_;
};

// --- who gets what of whom

void Composer::connect() {
  for (size_t p = 0; p < states_.size(); ++p) {
    PartState& to = states_[p];
    for (const NamedExtern& wanted : to.imports()) {
      std::optional<Link> link;
      for (size_t q = p; q-- > 0 && !link;) {
        const NamedExtern* fit = nullptr;
        for (const NamedExtern& offered : states_[q].part->component->type->exports) {
          if (offered.type.sort != wanted.type.sort) continue;
          if (offered.name == wanted.name) {
            fit = &offered;
            break;
          }
          if (!fit && canonical(offered.name) == canonical(wanted.name)) fit = &offered;
        }
        if (fit) link = Link{q, fit};
      }
      to.links.push_back(link);
      if (!link) continue;
      states_[link->part].is_used = true;
      out_.connections.push_back({link->part, p, wanted.name, link->item->name});
    }
  }
}

Result<> Composer::check_use() const {
  const Part& last = *states_.back().part;
  for (size_t p = 0; p + 1 < states_.size(); ++p) {
    if (states_[p].is_used) continue;
    const Part& part = *states_[p].part;
    const bool alone = p + 2 == states_.size();
    return fail(ErrorCode::BadArgument, "nothing of " + part.name + " is used: it exports " +
                                            list_of(part.component->type->exports) + ", and " +
                                            (alone ? last.name + " imports " + list_of(last.component->type->imports)
                                                   : "no part after it imports any of that"));
  }
  return {};
}

// --- what is left to import

void Composer::name_types() {
  for (PartState& state : states_) {
    const auto add = [&](u32 owner, const NamedExtern& e) {
      for (const NamedExtern& item : e.type.type.instance->exports) {
        if (item.type.sort == Sort::Type) state.names.add(owner, item.name, item.type.type);
      }
    };
    for (size_t i = 0; i < state.imports().size(); ++i) {
      const NamedExtern& e = state.imports()[i];
      u32 owner = 0;
      if (e.type.sort == Sort::Type) state.names.add(0, e.name, e.type.type);
      if (e.type.sort == Sort::Instance) {
        owner = state.names.new_owner();
        state.owner_imports.emplace(owner, i);
        add(owner, e);
      }
      state.import_owners.push_back(owner);
    }
    if (&state != &states_.back()) continue;
    for (const NamedExtern& e : state.part->component->type->exports) {
      if (e.type.sort == Sort::Type) state.names.add(0, e.name, e.type.type);
      if (e.type.sort != Sort::Instance) continue;
      const u32 owner = state.names.new_owner();
      state.exports.emplace(owner, &e);
      add(owner, e);
    }
  }
}

Result<> Composer::group() {
  std::map<std::string, size_t> by_name;
  for (size_t p = 0; p < states_.size(); ++p) {
    PartState& state = states_[p];
    for (size_t i = 0; i < state.imports().size(); ++i) {
      state.groups.push_back(0);
      if (state.links[i]) continue;
      const NamedExtern& e = state.imports()[i];
      const auto [it, is_new] = by_name.emplace(canonical(e.name), groups_.size());
      state.groups.back() = it->second;
      if (is_new) groups_.push_back({e.name, e.type.sort, {}, {}});
      Group& group = groups_[it->second];
      if (group.sort != e.type.sort) {
        return fail(ErrorCode::InvalidComponent, "`" + e.name + "` is imported as " + to_string(group.sort) +
                                                     " and, by " + state.part->name + ", as " + to_string(e.type.sort));
      }
      if (is_later(e.name, group.name)) group.name = e.name;
      group.views.push_back({p, i});
    }
  }
  return {};
}

// The groups whose types an import uses.
void Composer::collect_groups(PartState& state, size_t import, std::vector<size_t>& out) {
  const auto note = [&](const TypeNames::Place* place) {
    if (!place) return;
    std::optional<size_t> from;
    if (place->owner != 0) {
      if (const auto it = state.owner_imports.find(place->owner); it != state.owner_imports.end()) from = it->second;
    } else {
      const auto it = std::ranges::find(state.imports(), place->name, &NamedExtern::name);
      if (it != state.imports().end()) from = static_cast<size_t>(it - state.imports().begin());
    }
    if (from && *from != import && !state.links[*from]) out.push_back(state.groups[*from]);
  };
  std::unordered_set<const ValType*> seen;
  const auto visit = [&](auto& self, const ValType* t) -> void {
    if (!t || !seen.insert(t).second) return;
    note(state.names.find(t));
    note(state.names.origin(t));
    if (t->kind == TypeKind::Own || t->kind == TypeKind::Borrow) {
      note(state.names.find(t->resource));
      note(state.names.origin(t->resource));
    }
    for (const Field& f : t->fields) self(self, f.type);
    self(self, t->element);
  };
  const auto visit_any = [&](const AnyType& type) {
    if (type.kind == AnyType::Kind::Value) visit(visit, type.value);
    if (type.kind == AnyType::Kind::Resource) note(state.names.origin(type.resource));
    if (type.kind != AnyType::Kind::Func) return;
    for (const Field& p : type.func->params) visit(visit, p.type);
    visit(visit, type.func->result);
  };
  const NamedExtern& e = state.imports()[import];
  if (e.type.sort == Sort::Instance) {
    for (const NamedExtern& item : e.type.type.instance->exports) {
      if (item.type.sort == Sort::Type || item.type.sort == Sort::Func) visit_any(item.type.type);
    }
  } else if (e.type.sort == Sort::Func || e.type.sort == Sort::Type) {
    visit_any(e.type.type);
  }
}

// What is used comes before what uses it.
void Composer::order(size_t number, u32 depth) {
  Group& group = groups_[number];
  if (group.is_ordered || depth > kMaxDepth) return;
  group.is_ordered = true;
  std::vector<size_t> used;
  for (const Group::View& view : group.views) collect_groups(states_[view.part], view.import, used);
  for (const size_t other : used) order(other, depth + 1);
  order_.push_back(number);
}

u32 Composer::alias(Space space, u32 instance, const std::string& name) {
  const auto key = std::tuple(space, instance, name);
  if (const auto found = aliases_.find(key); found != aliases_.end()) return found->second;
  const u32 index = writer_.alias_export(space, instance, name);
  aliases_.emplace(key, index);
  return index;
}

// A type of the whole that is what a part calls so; nothing where the whole has no name for it (yet).
std::optional<u32> Composer::find_type(PartState& state, const TypeNames::Place& place) {
  const std::string name(place.name);
  const auto of_import = [&](size_t import) -> std::optional<u32> {
    const bool is_type = state.imports()[import].type.sort == Sort::Type;
    if (const auto& link = state.links[import]) {
      const auto& provider = states_[link->part].instance;
      if (!provider) return std::nullopt;
      if (is_type) return alias(Space::Type, *provider, link->item->name);
      return alias(Space::Type, alias(Space::Instance, *provider, link->item->name), name);
    }
    const auto& index = groups_[state.groups[import]].index;
    if (!index || is_type) return index;
    return alias(Space::Type, *index, name);
  };
  if (place.owner != 0) {
    if (const auto it = state.owner_imports.find(place.owner); it != state.owner_imports.end())
      return of_import(it->second);
    const auto exported = state.exports.find(place.owner);
    if (exported == state.exports.end() || !state.instance) return std::nullopt;
    return alias(Space::Type, alias(Space::Instance, *state.instance, exported->second->name), name);
  }
  const auto it = std::ranges::find(state.imports(), place.name, &NamedExtern::name);
  if (it != state.imports().end()) return of_import(static_cast<size_t>(it - state.imports().begin()));
  const auto found = exported_types_.find(place.name);
  return found == exported_types_.end() ? std::nullopt : std::optional(found->second);
}

Result<> Composer::import_group(Group& group) {
  const auto because = [&](const Group::View& view, const Error& error) {
    return fail(error.code(),
                states_[view.part].part->name + " imports `" + group.name + "`: " + std::string(error.detail()));
  };
  if (group.sort == Sort::Instance) {
    TypeScope scope;
    scope.is_instance = true;
    for (const Group::View& view : group.views) {
      PartState& state = states_[view.part];
      scope.resources.clear();
      scope.first_resource.clear();
      const InstanceType& type = *state.imports()[view.import].type.type.instance;
      if (auto done = encoder(state).instance(scope, type, state.import_owners[view.import]); !done)
        return because(view, done.error());
    }
    Bytes desc = {0x05};
    text::put_u32(desc, writer_.type(instance_type(scope)));
    group.index = writer_.import(Space::Instance, group.name, desc);
    return {};
  }
  const Group::View& first = group.views.front();
  PartState& state = states_[first.part];
  const AnyType& type = state.imports()[first.import].type.type;
  if (group.sort != Sort::Func && group.sort != Sort::Type) {
    return fail(ErrorCode::NotSupported, state.part->name + " imports `" + group.name + "`, a " +
                                             to_string(group.sort) + ", which cannot be passed on");
  }
  const auto desc = group.sort == Sort::Func ? encoder(state).func_desc(state.outer, *type.func)
                                             : encoder(state).type_desc(state.outer, type, 0);
  if (!desc) return because(first, desc.error());
  group.index = writer_.import(space_of(group.sort), group.name, *desc);
  if (group.sort == Sort::Type) {
    for (const Group::View& view : group.views) {
      PartState& other = states_[view.part];
      TypeEncoder::note(other.outer, other.imports()[view.import].type.type, *group.index);
    }
  }
  return {};
}

Result<> Composer::import_groups() {
  for (size_t g = 0; g < groups_.size(); ++g) order(g, 0);
  for (const size_t g : order_) {
    TRY(import_group(groups_[g]));
    out_.imports.push_back(groups_[g].name);
  }
  return {};
}

// --- the parts and what the last one exports

void Composer::instantiate() {
  for (PartState& state : states_) {
    std::vector<std::pair<std::string, SortIndex>> arguments;
    for (size_t i = 0; i < state.imports().size(); ++i) {
      const NamedExtern& e = state.imports()[i];
      const Space space = space_of(e.type.sort);
      const auto& link = state.links[i];
      const u32 index =
          link ? alias(space, *states_[link->part].instance, link->item->name) : *groups_[state.groups[i]].index;
      arguments.emplace_back(e.name, SortIndex{space, index});
    }
    const u32 component = writer_.component(state.part->binary);
    state.instance = writer_.instantiate(component, arguments);
  }
}

Result<> Composer::export_all() {
  PartState& last = states_.back();
  for (const NamedExtern& e : last.part->component->type->exports) {
    const Space space = space_of(e.type.sort);
    const SortIndex item{space, alias(space, *last.instance, e.name)};
    // Functions have to be of the types that are exported beside them.
    if (e.type.sort == Sort::Func) {
      const auto desc = encoder(last).func_desc(last.outer, *e.type.type.func);
      if (!desc) {
        return fail(desc.error().code(),
                    last.part->name + " exports `" + e.name + "`: " + std::string(desc.error().detail()));
      }
      writer_.export_item(e.name, item, &*desc);
      continue;
    }
    const u32 index = writer_.export_item(e.name, item);
    if (e.type.sort != Sort::Type) continue;
    TypeEncoder::note(last.outer, e.type.type, index);
    exported_types_.emplace(e.name, index);
  }
  return {};
}

// The section `component-name`: what the parts are called.
void Composer::name_parts() {
  constexpr u8 kSortNames = 1, kComponents = 4;
  Bytes map = {kComponents};
  text::put_u64(map, states_.size());
  for (size_t p = 0; p < states_.size(); ++p) {
    text::put_u64(map, p);
    text::put_name(map, states_[p].part->name);
  }
  Bytes payload = {kSortNames};
  text::put_u64(payload, map.size());
  text::put_bytes(payload, map);
  writer_.custom("component-name", payload);
}

Result<Composition> Composer::run() {
  connect();
  TRY(check_use());
  name_types();
  TRY(group());
  TRY(import_groups());
  instantiate();
  TRY(export_all());
  name_parts();
  out_.binary = writer_.take();
  return std::move(out_);
}

}  // namespace

Result<Composition> compose(std::span<const Part> parts, const ModuleLoader& load) {
  Composition made = TRY(Composer(parts).run());
  Component whole = TRY(decode_component(made.binary, load));
  const auto valid = validate_component(whole);
  if (valid) return made;
  // Which connection it is that does not fit.
  const std::string detail(valid.error().detail());
  for (const Connection& c : made.connections) {
    const std::string prefix = "type mismatch for import `" + c.import_name + "`: ";
    if (!detail.starts_with(prefix)) continue;
    return fail(ErrorCode::InvalidComponent, parts[c.to].name + "'s import `" + c.import_name + "` is not what " +
                                                 parts[c.from].name + " exports" +
                                                 (c.export_name == c.import_name ? "" : " as `" + c.export_name + "`") +
                                                 ": " + detail.substr(prefix.size()));
  }
  return fail(ErrorCode::InvalidComponent, "what is put together is not valid: " + detail);
}

}  // namespace berth::component_model
