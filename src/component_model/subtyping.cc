#include "component_model/subtyping.h"

#include <algorithm>

namespace berth::component_model {

void Subtyping::bind(const ExternType& expected, const ExternType& actual, const std::vector<ResourceVar>& vars,
                     Substitution& map) {
  if (expected.sort != actual.sort) return;
  if (expected.sort == Sort::Type) {
    if (expected.type.kind != AnyType::Kind::Resource || actual.type.kind != AnyType::Kind::Resource) return;
    if (std::ranges::find(vars, expected.type.resource.var) != vars.end())
      map.emplace(expected.type.resource.var, actual.type.resource.var);
  } else if (expected.sort == Sort::Instance) {
    for (const NamedExtern& e : expected.type.instance->exports) {
      if (const ExternType* found = actual.type.instance->find_export(e.name)) bind(e.type, *found, vars, map);
    }
  }
}

bool Subtyping::equal(const ValType& a, const ValType& b) {
  if (&a == &b) return true;
  if (a.kind != b.kind || a.fields.size() != b.fields.size() || a.length != b.length) return false;
  if (a.resource.var != b.resource.var) return false;
  const auto same = [&](const ValType* x, const ValType* y) { return x && y ? equal(*x, *y) : x == y; };
  if (!same(a.element, b.element)) return false;
  return std::ranges::equal(a.fields, b.fields,
                            [&](const Field& x, const Field& y) { return x.label == y.label && same(x.type, y.type); });
}

Mismatch Subtyping::differ(const ValType& sub, const ValType& super) {
  if (equal(sub, super)) return {};
  if (sub.kind != super.kind)
    return std::string("expected ") + to_string(super.kind) + ", found " + to_string(sub.kind);
  if (sub.kind == TypeKind::Own || sub.kind == TypeKind::Borrow) return "resource types are not the same";
  // The first difference inside says more.
  if (sub.fields.size() == super.fields.size()) {
    for (size_t i = 0; i < sub.fields.size(); ++i) {
      const Field &a = sub.fields[i], &b = super.fields[i];
      if (a.label != b.label) return "expected `" + b.label + "`, found `" + a.label + "` in a " + to_string(sub.kind);
      if (a.type && b.type) {
        if (Mismatch m = differ(*a.type, *b.type); !m.empty())
          return "type mismatch in a " + std::string(to_string(sub.kind)) + ": " + m;
      }
    }
  }
  if (sub.element && super.element) {
    if (Mismatch m = differ(*sub.element, *super.element); !m.empty()) return m;
  }
  return std::string("type mismatch: two different types of kind ") + to_string(sub.kind);
}

Mismatch Subtyping::check(const ExternType& sub, const ExternType& super) {
  if (sub.sort != super.sort)
    return std::string("expected ") + to_string(super.sort) + ", found " + to_string(sub.sort);
  return sub.sort == Sort::CoreModule ? check(*sub.module, *super.module) : check(sub.type, super.type);
}

Mismatch Subtyping::check(const AnyType& sub, const AnyType& super) {
  if (sub.kind != super.kind) {
    static constexpr const char* kNames[] = {"defined type", "func", "component", "instance", "resource"};
    return std::string("expected ") + kNames[static_cast<size_t>(super.kind)] + ", found " +
           kNames[static_cast<size_t>(sub.kind)];
  }
  switch (sub.kind) {
    case AnyType::Kind::Value: return differ(*sub.value, *super.value);
    case AnyType::Kind::Func: return check(*sub.func, *super.func);
    case AnyType::Kind::Component: return check(*sub.component, *super.component);
    case AnyType::Kind::Instance: return check(*sub.instance, *super.instance);
    case AnyType::Kind::Resource:
      return sub.resource.var == super.resource.var ? "" : "resource types are not the same";
  }
  return {};
}

Mismatch Subtyping::check(const FuncType& sub, const FuncType& super) {
  if (sub.is_async != super.is_async)
    return std::string("expected ") + (super.is_async ? "an async" : "a sync") + " function";
  if (sub.params.size() != super.params.size()) {
    return "expected " + std::to_string(super.params.size()) + " parameters, found " +
           std::to_string(sub.params.size());
  }
  for (size_t i = 0; i < sub.params.size(); ++i) {
    const Field &a = sub.params[i], &b = super.params[i];
    if (a.label != b.label) return "expected parameter named `" + b.label + "`, found `" + a.label + "`";
    if (Mismatch m = differ(*a.type, *b.type); !m.empty())
      return "type mismatch in function parameter `" + b.label + "`: " + m;
  }
  if (!sub.result != !super.result)
    return super.result ? "expected a result, found none" : "expected no result, found one";
  if (sub.result) {
    if (Mismatch m = differ(*sub.result, *super.result); !m.empty()) return "type mismatch with result type: " + m;
  }
  return {};
}

Mismatch Subtyping::check(const CoreModuleType& sub, const CoreModuleType& super) {
  for (const auto& import : sub.imports) {
    const auto given = std::ranges::find_if(
        super.imports, [&](const auto& i) { return i.module == import.module && i.name == import.name; });
    if (given == super.imports.end()) return "missing expected import `" + import.module + "::" + import.name + "`";
    if (!matches(given->type, import.type)) {
      return "type mismatch in import `" + import.module + "::" + import.name + "`: expected " +
             to_string(import.type) + ", found " + to_string(given->type);
    }
  }
  for (const auto& wanted : super.exports) {
    const auto* found = sub.find_export(wanted.name);
    if (!found) return "missing expected export `" + wanted.name + "`";
    if (!matches(found->type, wanted.type)) {
      return "type mismatch in export `" + wanted.name + "`: expected " + to_string(wanted.type) + ", found " +
             to_string(found->type);
    }
  }
  return {};
}

Mismatch Subtyping::check(const InstanceType& sub, const InstanceType& super) {
  Substitution map;
  for (const NamedExtern& e : super.exports) {
    const ExternType* found = sub.find_export(e.name);
    if (!found) return "missing expected export `" + e.name + "`";
    if (!super.defined.empty()) bind(e.type, *found, super.defined, map);
  }
  Substituter substitute(arena_, map);
  for (const NamedExtern& e : super.exports) {
    const ExternType expected = map.empty() ? e.type : substitute(e.type);
    if (Mismatch m = check(*sub.find_export(e.name), expected); !m.empty())
      return "type mismatch in instance export `" + e.name + "`: " + m;
  }
  return {};
}

Mismatch Subtyping::check(const ComponentType& sub, const ComponentType& super) {
  // What `super` is given must do for `sub`.
  Substitution map;
  for (const NamedExtern& i : sub.imports) {
    const ExternType* given = super.find_import(i.name);
    if (!given) return "missing expected import `" + i.name + "`";
    bind(i.type, *given, sub.imported, map);
  }
  Substituter to_given(arena_, map);
  for (const NamedExtern& i : sub.imports) {
    if (Mismatch m = check(*super.find_import(i.name), to_given(i.type)); !m.empty())
      return "type mismatch in import `" + i.name + "`: " + m;
  }
  // And what `sub` exports then, for `super`.
  Substitution exported;
  std::vector<std::pair<const NamedExtern*, ExternType>> pairs;
  for (const NamedExtern& e : super.exports) {
    const ExternType* found = sub.find_export(e.name);
    if (!found) return "missing expected export `" + e.name + "`";
    pairs.emplace_back(&e, to_given(*found));
    bind(e.type, pairs.back().second, super.defined, exported);
  }
  Substituter to_exported(arena_, exported);
  for (const auto& [wanted, found] : pairs) {
    if (Mismatch m = check(found, to_exported(wanted->type)); !m.empty())
      return "type mismatch in export `" + wanted->name + "`: " + m;
  }
  return {};
}

}  // namespace berth::component_model
