// berth inspect of a component

#include <algorithm>

#include "berth/inspect.h"
#include "cli/units.h"
#include "engine/demangle.h"

namespace berth::cli {
namespace {

namespace cm = component::cm;
using engine::printable;

struct Inside {
  size_t modules = 0, functions = 0, components = 0;
  u64 code_bytes = 0;
};

Inside look_into(const cm::Component& component) {
  Inside inside;
  for (const auto& module : component::core_modules(component)) {
    ++inside.modules;
    inside.functions += module->functions.size() - module->imported_functions;
    for (const auto& f : module->functions) inside.code_bytes += f.body.size;
  }
  const auto count = [&](auto& self, const cm::Component& in) -> void {
    for (const cm::Definition& d : in.definitions) {
      const auto* nested = std::get_if<cm::NestedComponent>(&d.body);
      if (nested == nullptr) continue;
      ++inside.components;
      self(self, *nested->component);
    }
  };
  count(count, component);
  return inside;
}

}  // namespace

void print_component_text(Output& out, const cm::Component& component, u64 bytes, std::string_view wit,
                          std::string_view path) {
  const Inside inside = look_into(component);
  out << printable(path) << ": WebAssembly component, " << format_size(bytes) << ", "
      << plural(inside.modules, "module");
  if (inside.functions > 0)
    out << " with " << plural(inside.functions, "function") << " in " << format_size(inside.code_bytes) << " of code";
  if (inside.components > 0) out << ", " << plural(inside.components, "component") << " inside";
  out << "\n\nWorld, as WIT\n";
  // Without the line that every world begins with.
  wit.remove_prefix(std::min(wit.size(), wit.find("world ")));
  for (size_t end = 0; !wit.empty(); wit.remove_prefix(std::min(end + 1, wit.size()))) {
    end = std::min(wit.find('\n'), wit.size());
    if (end > 0) out << "  " << wit.substr(0, end);
    out << "\n";
  }
  if (!component.customs.empty()) out << "\nCustom sections\n";
  Rows customs;
  for (const cm::CustomSection& c : component.customs)
    customs.add(printable(c.name), format_size(c.payload.size()), std::string(meaning_of_custom(c.name)));
  customs.print(out, "  ");
  print_needs(out, needs_of(component), path);
}

void print_component_json(Output& out, const cm::Component& component, u64 bytes, std::string_view wit) {
  const Inside inside = look_into(component);
  Json json;
  json.begin_object().string("kind", "component").number("bytes", bytes);
  json.number("modules", inside.modules).number("components", inside.components);
  json.number("functions", inside.functions).number("code_bytes", inside.code_bytes);
  const auto list = [&](const char* key, const std::vector<cm::NamedExtern>& externs) {
    json.begin_array(key);
    for (const cm::NamedExtern& e : externs)
      json.begin_object().string("name", e.name).string("kind", cm::to_string(e.type.sort)).end_object();
    json.end_array();
  };
  list("imports", component.type->imports);
  list("exports", component.type->exports);
  json.string("wit", wit);
  json.begin_array("custom_sections");
  for (const cm::CustomSection& c : component.customs)
    json.begin_object().string("name", c.name).number("bytes", c.payload.size()).end_object();
  json.end_array();
  add_needs(json, needs_of(component));
  json.end_object();
  out << json.text() << "\n";
}

}  // namespace berth::cli
