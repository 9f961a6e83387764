// berth inspect

#include <unistd.h>

#include <algorithm>
#include <array>

#include "berth/commands.h"
#include "berth/hand_over.h"
#include "berth/inspect.h"
#include "berth/json.h"
#include "berth/needs.h"
#include "cli/output.h"
#include "cli/units.h"
#include "component_model/printer.h"
#include "component_model/wit.h"
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
    customs.add(printable(c.name), format_size(c.payload.size), std::string(meaning_of_custom(c.name)));
  customs.print(out, "  ");

  print_needs(out, needs_of(m), path);
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
  add_needs(json, needs_of(m));
  json.end_object();
  out << json.text() << "\n";
}

int cannot_print(const std::string& path, const Error& error) {
  print_error("cannot print " + printable(path) + ": " + error.to_string());
  return kExitFailure;
}

int inspect_component(const Arguments& arguments, const std::string& path, std::vector<u8> bytes,
                      const engine::Config& config) {
  const u64 size = bytes.size();
  auto loaded = component::load_component(std::move(bytes), path == "-" ? "standard input" : path, config);
  if (!loaded) return load_error(loaded.error());
  const bool is_full = arguments.has("--wit") || arguments.has("--json");
  auto text = arguments.has("--wat") ? component::cm::print_component(**loaded)
                                     : component::cm::to_wit(**loaded, is_full ? "" : "wasi");
  if (!text) return cannot_print(path, text.error());
  Output out;
  if (arguments.has("--wat") || arguments.has("--wit")) {
    out << *text;
  } else if (arguments.has("--json")) {
    print_component_json(out, **loaded, size, *text);
  } else {
    print_component_text(out, **loaded, size, *text, path);
  }
  return out.finish(0);
}

}  // namespace

int inspect_command(const Arguments& arguments) {
  engine::Config config;
  if (auto wrong = read_features(arguments, config.features)) return usage_error(*wrong);
  if (arguments.has("--wat") + arguments.has("--json") + arguments.has("--wit") > 1)
    return usage_error({"--wat, --wit and --json exclude each other", {}});
  const std::string path(arguments.operands()[0]);
  if (may_name_image(path) && access(path.c_str(), F_OK) != 0) {
    if (arguments.has("--wat") || arguments.has("--wit"))
      return usage_error(
          {"--wat and --wit go with a file", "`berth image unpack " + path + "` says where that of an image is"});
    std::vector<std::string> words = {"inspect"};
    if (arguments.has("--json")) words.emplace_back("--json");
    words.insert(words.end(), {"--", path});
    return hand_over_to_image(words);
  }
  engine::FileKind kind{};
  std::vector<u8> bytes;
  auto module = engine::read_module_file(path, config, &kind, &bytes);
  if (kind == engine::FileKind::Component && !bytes.empty())
    return inspect_component(arguments, path, std::move(bytes), config);
  if (arguments.has("--wit"))
    return usage_error({printable(path) + " is a module, and --wit goes with a component", {}});
  if (!module) return load_error(module.error());
  Output out;
  if (arguments.has("--wat")) {
    auto text = text::print_module(**module);
    if (!text) return cannot_print(path, text.error());
    out << *text;
  } else if (arguments.has("--json")) {
    print_json(out, **module);
  } else {
    print_text(out, **module, path);
  }
  return out.finish(0);
}

}  // namespace berth::cli
