#include "berth/inspect.h"

#include <algorithm>

#include "engine/demangle.h"

namespace berth::cli {

using engine::printable;

std::string plural(size_t n, std::string_view one) {
  return std::to_string(n) + " " + std::string(one) + (n == 1 ? "" : "s");
}

std::string_view meaning_of_custom(std::string_view custom) {
  static constexpr std::pair<std::string_view, std::string_view> kKnown[] = {
      {"name", "names of functions and more, for backtraces"},
      {"component-name", "names of what it is made of"},
      {"package-docs", "documentation of its interfaces"},
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

namespace {

std::string list_of(const std::vector<std::string>& names) {
  constexpr size_t kMost = 4;
  std::string out;
  for (size_t i = 0; i < names.size() && i < kMost; ++i) out += (i ? ", " : "") + names[i];
  if (names.size() > kMost) out += " and " + std::to_string(names.size() - kMost) + " more";
  return out;
}

std::string_view entry_text(Needs::Entry entry) {
  switch (entry) {
    case Needs::Entry::Program: return "It is a program: `berth run` calls its _start.";
    case Needs::Entry::Reactor: return "It is a reactor: `berth run --invoke NAME` calls _initialize, then the export.";
    case Needs::Entry::Start: return "It has a start function, which runs when it is instantiated.";
    case Needs::Entry::Library: return "It is a library: `berth run --invoke NAME` calls one of its exports.";
    case Needs::Entry::Command: return "It is a program: `berth run` calls its wasi:cli/run.";
    case Needs::Entry::Proxy:
      return "It answers HTTP requests: `berth serve` gives them to its wasi:http/incoming-handler.";
    case Needs::Entry::Plug:
      return "It is a library: `berth compose` gives its exports to components that import them.";
  }
  return {};
}

}  // namespace

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
  const bool is_run = needs.entry == Needs::Entry::Program || needs.entry == Needs::Entry::Command;
  if (needs.asked.empty() || (!is_run && needs.entry != Needs::Entry::Proxy)) return;
  out << "  For example:\n    berth " << (is_run ? "run" : "serve");
  for (const Need& n : needs.asked) out << " " << std::string_view(n.grant).substr(0, n.grant.find(','));
  out << " " << printable(path) << "\n";
}

namespace {

void add_list(Json& json, const char* key, const std::vector<Need>& needs) {
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

}  // namespace

void add_needs(Json& json, const Needs& needs) {
  static constexpr const char* kEntries[] = {"program", "reactor", "start", "library", "command", "proxy", "plug"};
  json.begin_object("needs").string("entry", kEntries[static_cast<size_t>(needs.entry)]);
  add_list(json, "always_there", needs.granted);
  add_list(json, "to_be_granted", needs.asked);
  add_list(json, "foreign", needs.foreign);
  json.end_object();
}

}  // namespace berth::cli
