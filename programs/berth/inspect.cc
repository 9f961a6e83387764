// berth inspect

#include <unistd.h>

#include <algorithm>
#include <array>

#include "berth/commands.h"
#include "berth/hand_over.h"
#include "berth/json.h"
#include "berth/needs.h"
#include "cli/output.h"
#include "cli/units.h"
#include "engine/demangle.h"
#include "engine/features_used.h"
#include "text/printer.h"

namespace berth::cli {
namespace {

using engine::printable;
using wasm::ExternKind;

std::string pages(u64 count, u8 page_size_log2) {
  if (count >= u64{1} << (63 - page_size_log2)) return std::to_string(count) + " pages";
  return std::to_string(count) + (count == 1 ? " page (" : " pages (") + format_size(count << page_size_log2) + ")";
}

std::string to_text(const wasm::MemoryType& type) {
  std::string out = pages(type.limits.min, type.page_size_log2);
  out += type.limits.max ? ", at most " + pages(*type.limits.max, type.page_size_log2) : ", may grow";
  if (type.page_size_log2 != 16) out += ", pages of " + format_size(u64{1} << type.page_size_log2);
  if (type.is_64) out += ", 64-bit";
  if (type.is_shared) out += ", shared";
  return out;
}
std::string to_text(const wasm::TableType& type) {
  std::string out = std::to_string(type.limits.min) + " elements";
  out += type.limits.max ? ", at most " + std::to_string(*type.limits.max) : ", may grow";
  return out + " of " + wasm::to_string(type.element) + (type.is_64 ? ", 64-bit" : "");
}
std::string to_text(const wasm::GlobalType& type) {
  return (type.is_mutable ? "mutable " : "") + wasm::to_string(type.type);
}

// The type of an entity of the module.
std::string type_of(const wasm::Module& m, ExternKind kind, u32 index) {
  switch (kind) {
    case ExternKind::Func: return wasm::to_string(m.func_type(wasm::FuncIdx(index)));
    case ExternKind::Table: return to_text(m.tables[index].type);
    case ExternKind::Memory: return to_text(m.memories[index].type);
    case ExternKind::Global: return to_text(m.globals[index].type);
    case ExternKind::Tag: return wasm::to_string(m.func_type(m.tags[index].type));
  }
  return {};
}

// Rows with their columns aligned, the last as long as it is.
class Rows {
 public:
  void add(std::string a, std::string b, std::string c) {
    width_[0] = std::max(width_[0], std::min<size_t>(a.size(), kWidest));
    width_[1] = std::max(width_[1], std::min<size_t>(b.size(), kWidest));
    rows_.push_back({std::move(a), std::move(b), std::move(c)});
  }
  bool empty() const { return rows_.empty(); }
  void print(Output& out, std::string_view indent) const {
    for (const auto& row : rows_) {
      std::string line(indent);
      for (size_t i = 0; i < 3; ++i) {
        if (row[i].empty()) continue;
        line += row[i];
        if (i < 2) line.append(row[i].size() < width_[i] ? width_[i] - row[i].size() + 2 : 2, ' ');
      }
      while (line.ends_with(' ')) line.pop_back();
      out << line << "\n";
    }
  }

 private:
  static constexpr size_t kWidest = 40;
  std::vector<std::array<std::string, 3>> rows_;
  size_t width_[2] = {};
};

std::string plural(size_t n, std::string_view one) {
  return std::to_string(n) + " " + std::string(one) + (n == 1 ? "" : "s");
}

std::string list_of(const std::vector<std::string>& names) {
  constexpr size_t kMost = 4;
  std::string out;
  for (size_t i = 0; i < names.size() && i < kMost; ++i) out += (i ? ", " : "") + names[i];
  if (names.size() > kMost) out += " and " + std::to_string(names.size() - kMost) + " more";
  return out;
}

std::string_view meaning(std::string_view custom) {
  static constexpr std::pair<std::string_view, std::string_view> kKnown[] = {
      {"name", "names of functions and more, for backtraces"},
      {"producers", "which tools made it"},
      {"target_features", "features it was compiled for"},
      {"sourceMappingURL", "where a source map is"},
      {"external_debug_info", "where debug information is"},
      {"metadata.code.branch_hint", "which way branches mostly go"},
      {"dylink.0", "for dynamic linking"},
      {"linking", "for linking: this is an object file"},
  };
  for (const auto& [name, text] : kKnown) {
    if (name == custom) return text;
  }
  if (custom.starts_with(".debug_")) return "DWARF debug information";
  if (custom.starts_with("reloc.")) return "for linking";
  if (custom.starts_with("component-type")) return "a component's interface";
  return {};
}

u64 code_bytes(const wasm::Module& m) {
  u64 sum = 0;
  for (const auto& f : m.functions) sum += f.body.size;
  return sum;
}

std::vector<std::string_view> feature_names(const wasm::Module& m) {
  std::vector<std::string_view> out;
  const auto used = engine::features_used(m);
  for (const auto& f : wasm::all_features()) {
    if (used.has(f.feature)) out.push_back(f.name);
  }
  return out;
}

std::string_view entry_text(Needs::Entry entry) {
  switch (entry) {
    case Needs::Entry::Program: return "It is a program: `berth run` calls its _start.";
    case Needs::Entry::Reactor: return "It is a reactor: `berth run --invoke NAME` calls _initialize, then the export.";
    case Needs::Entry::Start: return "It has a start function, which runs when it is instantiated.";
    case Needs::Entry::Library: return "It is a library: `berth run --invoke NAME` calls one of its exports.";
  }
  return {};
}

void print_needs(Output& out, const Needs& needs, std::string_view path) {
  out << "\nWhat it needs\n  " << entry_text(needs.entry) << "\n";
  Rows rows;
  for (const Need& n : needs.granted) rows.add(n.what, "always there", n.means);
  for (const Need& n : needs.asked)
    rows.add(n.what, "to be granted", n.means + " (" + list_of(n.shown_by) + "): " + n.grant);
  for (const Need& n : needs.foreign)
    rows.add(n.what, "not Berth's", n.means + " (" + list_of(n.shown_by) + "): " + n.grant);
  if (rows.empty()) {
    out << "  It needs nothing.\n";
    return;
  }
  rows.print(out, "  ");
  if (needs.asked.empty() || needs.entry != Needs::Entry::Program) return;
  out << "  For example:\n    berth run";
  for (const Need& n : needs.asked) out << " " << std::string_view(n.grant).substr(0, n.grant.find(','));
  out << " " << printable(path) << "\n";
}

void print_text(Output& out, const wasm::Module& m, std::string_view path) {
  const size_t functions = m.functions.size() - m.imported_functions;
  out << printable(path) << ": WebAssembly module, " << format_size(m.bytes.size()) << ", "
      << plural(functions, "function");
  if (functions > 0) out << " in " << format_size(code_bytes(m)) << " of code";
  out << "\n";

  // Imports by module, in the order of first mention.
  std::vector<std::string_view> from;
  for (const auto& i : m.imports) {
    if (std::ranges::find(from, i.module) == from.end()) from.push_back(i.module);
  }
  if (!from.empty()) out << "\nImports\n";
  for (std::string_view module : from) {
    out << "  " << printable(module) << "\n";
    Rows rows;
    for (const auto& i : m.imports) {
      if (i.module == module) rows.add(printable(i.name), wasm::to_string(i.kind), type_of(m, i.kind, i.index));
    }
    rows.print(out, "    ");
  }
  if (!m.exports.empty()) out << "\nExports\n";
  Rows exports;
  for (const auto& e : m.exports) exports.add(printable(e.name), wasm::to_string(e.kind), type_of(m, e.kind, e.index));
  exports.print(out, "  ");

  if (!m.memories.empty()) out << "\nMemories\n";
  for (size_t i = 0; i < m.memories.size(); ++i) {
    out << "  " << to_text(m.memories[i].type) << (i < m.imported_memories ? ", imported" : "") << "\n";
  }
  const auto features = feature_names(m);
  if (!features.empty()) out << "\nFeatures used\n ";
  for (auto f : features) out << " " << f;
  if (!features.empty()) out << "\n";

  if (!m.customs.empty()) out << "\nCustom sections\n";
  Rows customs;
  for (const auto& c : m.customs)
    customs.add(printable(c.name), format_size(c.payload.size), std::string(meaning(c.name)));
  customs.print(out, "  ");

  print_needs(out, needs_of(m), path);
}

void add_needs(Json& json, const char* key, const std::vector<Need>& needs) {
  json.begin_array(key);
  for (const Need& n : needs) {
    json.begin_object()
        .string("what", n.what)
        .string("means", n.means)
        .string("grant", n.grant)
        .begin_array("shown_by");
    for (const auto& name : n.shown_by) json.string(name);
    json.end_array().end_object();
  }
  json.end_array();
}

void print_json(Output& out, const wasm::Module& m) {
  Json json;
  json.begin_object().number("bytes", m.bytes.size());
  json.number("functions", m.functions.size() - m.imported_functions).number("code_bytes", code_bytes(m));
  json.begin_array("imports");
  for (const auto& i : m.imports) {
    json.begin_object().string("module", i.module).string("name", i.name).string("kind", wasm::to_string(i.kind));
    json.string("type", type_of(m, i.kind, i.index)).end_object();
  }
  json.end_array().begin_array("exports");
  for (const auto& e : m.exports) {
    json.begin_object().string("name", e.name).string("kind", wasm::to_string(e.kind));
    json.string("type", type_of(m, e.kind, e.index)).end_object();
  }
  json.end_array().begin_array("memories");
  for (const auto& memory : m.memories) {
    json.begin_object().number("min_pages", memory.type.limits.min);
    if (memory.type.limits.max) json.number("max_pages", *memory.type.limits.max);
    json.number("page_bytes", u64{1} << memory.type.page_size_log2);
    json.boolean("is_64", memory.type.is_64).boolean("is_shared", memory.type.is_shared).end_object();
  }
  json.end_array().begin_array("features");
  for (auto f : feature_names(m)) json.string(f);
  json.end_array().begin_array("custom_sections");
  for (const auto& c : m.customs) {
    json.begin_object()
        .string("name", c.name)
        .number("offset", c.payload.offset)
        .number("bytes", c.payload.size)
        .end_object();
  }
  json.end_array();
  const Needs needs = needs_of(m);
  static constexpr const char* kEntries[] = {"program", "reactor", "start", "library"};
  json.begin_object("needs").string("entry", kEntries[static_cast<size_t>(needs.entry)]);
  add_needs(json, "always_there", needs.granted);
  add_needs(json, "to_be_granted", needs.asked);
  add_needs(json, "foreign", needs.foreign);
  json.end_object().end_object();
  out << json.text() << "\n";
}

}  // namespace

int inspect_command(const Arguments& arguments) {
  engine::Config config;
  if (auto wrong = read_features(arguments, config.features)) return usage_error(*wrong);
  if (arguments.has("--wat") && arguments.has("--json"))
    return usage_error({"--wat and --json exclude each other", {}});
  const std::string path(arguments.operands()[0]);
  if (may_name_image(path) && access(path.c_str(), F_OK) != 0) {
    if (arguments.has("--wat"))
      return usage_error(
          {"--wat goes with a module", "`berth image unpack " + path + "` says where that of an image is"});
    std::vector<std::string> words = {"inspect"};
    if (arguments.has("--json")) words.emplace_back("--json");
    words.insert(words.end(), {"--", path});
    return hand_over_to_image(words);
  }
  auto module = engine::read_module_file(path, config);
  if (!module) return load_error(module.error());
  Output out;
  if (arguments.has("--wat")) {
    auto text = text::print_module(**module);
    if (!text) {
      print_error("cannot print " + path + ": " + text.error().to_string());
      return kExitFailure;
    }
    out << *text;
  } else if (arguments.has("--json")) {
    print_json(out, **module);
  } else {
    print_text(out, **module, path);
  }
  return out.finish(0);
}

}  // namespace berth::cli
