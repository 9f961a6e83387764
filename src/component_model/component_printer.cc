#include "component_model/component_printer.h"

#include "text/utf8.h"
#include "wasm/code_reader.h"
#include "wasm/names.h"

namespace berth::component_model {

Result<std::string> print_component(const Component& component, const text::PrintOptions& options) {
  return ComponentPrinter(options).run(component);
}

Result<std::string> ComponentPrinter::run(const Component& c) {
  TRY(component(c));
  out_ += '\n';
  return std::move(out_);
}

void ComponentPrinter::line() {
  out_ += '\n';
  out_.append(2 * size_t{depth_}, ' ');
}

void ComponentPrinter::define(Space space) {
  const u32 number = next(space);
  if (const auto& id = scope().ids[static_cast<size_t>(space)][number]; !id.id.empty()) out_ += ' ' + id.id;
  out_ += " (;" + std::to_string(number) + ";)";
  defining_ = SortIndex{space, number};
}

// By its name, where it has one already: what refers to itself or to what follows is not valid, and has to come back as
// such.
void ComponentPrinter::index(Space space, u32 at) {
  const bool is_defined = at < scope().counts[static_cast<size_t>(space)] &&
                          !(defining_ && defining_->space == space && defining_->index == at);
  if (is_defined) {
    scope().ids[static_cast<size_t>(space)].append(out_, at);
  } else {
    out_ += std::to_string(at);
  }
}

void ComponentPrinter::item(const SortIndex& at, bool with_core) {
  std::string_view word = to_string(at.space);
  if (!with_core && word.starts_with("core ")) word.remove_prefix(5);
  out_ += '(';
  out_ += word;
  out_ += ' ';
  index(at.space, at.index);
  out_ += ')';
}

void ComponentPrinter::name(const ExternName& n) {
  literal(n.name);
  const auto attribute = [&](const char* word, const std::optional<std::string>& value) {
    if (!value) return;
    out_ += std::string(" (") + word + ' ';
    literal(*value);
    out_ += ')';
  };
  attribute("implements", n.implements);
  attribute("versionsuffix", n.version_suffix);
  attribute("external-id", n.external_id);
}

void ComponentPrinter::type_index(Space space, u32 type) {
  out_ += "(type ";
  index(space, type);
  out_ += ')';
}

// --- components

Result<> ComponentPrinter::component(const Component& c) {
  auto inner = std::make_unique<Scope>();
  if (options_.names) {
    for (const CustomSection& s : c.customs) {
      if (s.name == "component-name") read_names(s, *inner);
    }
  }
  out_ += "(component";
  if (!scopes_.empty()) {
    define(Space::Component);
  } else if (!inner->name.empty()) {
    out_ += ' ';
    text::append_id(out_, inner->name);
  }
  scopes_.push_back(std::move(inner));
  ++depth_;
  TRY(definitions(c));
  --depth_;
  out_ += ')';
  scopes_.pop_back();
  return {};
}

Result<> ComponentPrinter::definitions(const Component& c) {
  auto custom = c.customs.begin();
  for (size_t i = 0;; ++i) {
    for (; custom != c.customs.end() && custom->before <= i; ++custom) {
      if (options_.annotations) print(*custom);
    }
    if (i == c.definitions.size()) return {};
    line();
    defining_.reset();
    TRY(std::visit([&](const auto& body) { return print(body); }, c.definitions[i].body));
    if (out_.size() > options_.max_bytes)
      return fail(ErrorCode::LimitExceeded, "the component's text would be too large");
  }
}

// The section `component-name` (component model, Binary: name section). What is malformed has no names.
void ComponentPrinter::read_names(const CustomSection& section, Scope& s) {
  wasm::CodeReader reader(section.payload);
  const auto text = [&](wasm::CodeReader& from) -> std::string_view {
    const u32 size = from.leb_u32();
    if (!from.ok() || size > from.remaining()) return {};
    const std::string_view name(reinterpret_cast<const char*>(from.position()), size);
    from.skip(size);
    return text::is_utf8(name) ? name : std::string_view();
  };
  while (reader.ok() && !reader.at_end()) {
    const u8 id = reader.byte();
    const u32 size = reader.leb_u32();
    if (!reader.ok() || size > reader.remaining()) return;
    wasm::CodeReader part(std::span(reader.position(), size));
    reader.skip(size);
    if (id == 0) s.name = text(part);
    if (id != 1) continue;
    static constexpr int kCore[] = {0, 1, 2, 3, 4}, kComponent[] = {-1, 8, 9, 10, 11, 12};
    const u8 sort = part.byte();
    int space = -1;
    if (sort == 0) {
      const u8 core = part.byte();
      // Modules are called what they call themselves.
      space = core < std::size(kCore) ? kCore[core]
              : core == 0x10          ? static_cast<int>(Space::CoreType)
              : core == 0x12          ? static_cast<int>(Space::CoreInstance)
                                      : -1;
    } else if (sort < std::size(kComponent)) {
      space = kComponent[sort];
    }
    if (space < 0) continue;
    std::unordered_map<u32, std::string_view> names;
    u32 most = 0;
    for (u32 n = part.leb_u32(); n > 0 && part.ok() && !part.at_end(); --n) {
      const u32 index = part.leb_u32();
      const std::string_view name = text(part);
      if (!part.ok() || name.empty() || index >= 1'000'000) continue;
      names.emplace(index, name);
      most = std::max(most, index + 1);
    }
    s.ids[static_cast<size_t>(space)] = text::IdentifierList(
        most,
        [&](u32 i) -> std::optional<std::string_view> {
          const auto found = names.find(i);
          return found == names.end() ? std::nullopt : std::optional(found->second);
        },
        false);
  }
}

void ComponentPrinter::print(const CustomSection& section) {
  line();
  out_ += "(@custom ";
  literal(section.name);
  out_ += ' ';
  literal({reinterpret_cast<const char*>(section.payload.data()), section.payload.size()}, false);
  out_ += ')';
}

Result<> ComponentPrinter::print(const NestedComponent& d) { return component(*d.component); }

// --- core definitions

Result<> ComponentPrinter::print(const CoreModule& d) {
  text::PrintOptions options = options_;
  options.head = "(core module";
  const auto names = wasm::Names::parse(*d.module);
  if (const auto name = names.module(); name && options_.names && text::is_utf8(*name)) {
    std::string id;
    if (!name->empty()) text::append_id(id, *name);
    if (!id.empty() && scope().module_ids.insert(id).second) {
      options.head += ' ' + id;
      // References to it are written as numbers.
    } else if (options_.annotations) {
      options.head += " (@name ";
      text::append_literal(options.head, *name, true);
      options.head += ')';
    }
  }
  options.head += " (;" + std::to_string(next(Space::CoreModule)) + ";)";
  std::string text = TRY(text::print_module(*d.module, options));
  text.pop_back();  // the last line's end
  size_t at = 0;
  for (size_t end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    out_.append(text, at, end + 1 - at);
    out_.append(2 * size_t{depth_}, ' ');
  }
  out_.append(text, at);
  return {};
}

Result<> ComponentPrinter::print(const CoreInstance& d) {
  out_ += "(core instance";
  define(Space::CoreInstance);
  if (d.module) {
    out_ += " (instantiate ";
    index(Space::CoreModule, *d.module);
    for (const Argument& a : d.arguments) {
      out_ += " (with ";
      literal(a.name);
      out_ += ' ';
      item(a.item, false);
      out_ += ')';
    }
    out_ += ')';
  }
  for (const CoreExport& e : d.exports) {
    out_ += " (export ";
    literal(e.name);
    out_ += ' ';
    item(e.item, false);
    out_ += ')';
  }
  out_ += ')';
  return {};
}

// --- instances and aliases

Result<> ComponentPrinter::print(const Instance& d) {
  out_ += "(instance";
  define(Space::Instance);
  if (d.component) {
    out_ += " (instantiate ";
    index(Space::Component, *d.component);
    for (const Argument& a : d.arguments) {
      out_ += " (with ";
      literal(a.name);
      out_ += ' ';
      item(a.item, true);
      out_ += ')';
    }
    out_ += ')';
  }
  for (const InlineExport& e : d.exports) {
    out_ += " (export ";
    name(e.name);
    out_ += ' ';
    item(e.item, true);
    out_ += ')';
  }
  out_ += ')';
  return {};
}

Result<> ComponentPrinter::print(const Alias& d) {
  out_ += "(alias ";
  if (d.kind == Alias::Kind::Outer) {
    out_ += "outer " + std::to_string(d.count) + ' ';
    // What is outside may have a name there, which means something else here.
    out_ += std::to_string(d.index);
  } else {
    const bool is_core = d.kind == Alias::Kind::CoreExport;
    out_ += is_core ? "core export " : "export ";
    index(is_core ? Space::CoreInstance : Space::Instance, d.instance);
    out_ += ' ';
    literal(d.name);
  }
  out_ += std::string(" (") + to_string(d.space);
  define(d.space);
  out_ += "))";
  return {};
}

// --- imports and exports

Result<> ComponentPrinter::print(const Import& d) {
  out_ += "(import ";
  name(d.name);
  out_ += ' ';
  desc(d.desc, true);
  out_ += ')';
  return {};
}

Result<> ComponentPrinter::print(const Export& d) {
  out_ += "(export";
  const bool declares = scope().is_type;
  if (!declares) define(d.item.space);
  out_ += ' ';
  name(d.name);
  if (!declares) {
    out_ += ' ';
    item(d.item, true);
  }
  if (d.desc) {
    out_ += ' ';
    desc(*d.desc, declares);
  }
  out_ += ')';
  return {};
}

}  // namespace berth::component_model
