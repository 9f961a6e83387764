#include "engine/backtrace.h"

#include <cstdio>
#include <map>

#include "engine/demangle.h"
#include "engine/dwarf_lines.h"
#include "wasm/names.h"

namespace berth::engine {
namespace {

constexpr size_t kFirstFrames = 24, kLastFrames = 8;
// An executor records the innermost frames only of a stack deeper than this.
constexpr size_t kMostRecorded = 100;

std::string name_of(const wasm::Module& module, const wasm::Names& names, u32 index) {
  if (const auto name = names.function(wasm::FuncIdx(index)); name && !name->empty()) {
    return printable(demangle(*name));
  }
  for (const wasm::Export& e : module.exports) {
    if (e.kind == wasm::ExternKind::Func && e.index == index) return printable(e.name);
  }
  for (const wasm::Import& i : module.imports) {
    if (i.kind == wasm::ExternKind::Func && i.index == index) return printable(i.module + "::" + i.name);
  }
  return "<wasm function " + std::to_string(index) + ">";
}

}  // namespace

std::string function_name(const wasm::Module& module, u32 index) {
  return name_of(module, wasm::Names::parse(module), index);
}

std::string render_backtrace(std::span<const runtime::Frame> frames, const ModuleNamer& namer) {
  const bool cut = frames.size() > kFirstFrames + kLastFrames + 1;
  const bool is_whole = frames.size() < kMostRecorded;
  const size_t last = frames.size() - (is_whole ? kLastFrames : 0);
  auto shown = [&](size_t i) { return !cut || i < kFirstFrames || i >= last; };

  // What is needed of each module is read once.
  struct ModuleFacts {
    wasm::Names names;
    std::string name;
    std::vector<u64> offsets;
    std::vector<std::optional<SourceLine>> lines;
    size_t next = 0;
  };
  std::map<const wasm::Module*, ModuleFacts> modules;
  for (size_t i = 0; i < frames.size(); ++i) {
    if (!shown(i)) continue;
    auto [entry, is_new] = modules.try_emplace(frames[i].module.get());
    ModuleFacts& facts = entry->second;
    if (is_new) {
      facts.names = wasm::Names::parse(*frames[i].module);
      if (namer) facts.name = namer(*frames[i].module);
      if (facts.name.empty()) facts.name = printable(facts.names.module().value_or("wasm"));
    }
    facts.offsets.push_back(frames[i].code_offset);
  }
  for (auto& [module, facts] : modules) facts.lines = find_source_lines(*module, facts.offsets);

  std::string out;
  for (size_t i = 0; i < frames.size(); ++i) {
    if (!shown(i)) {
      if (i == kFirstFrames) {
        out += is_whole ? "  ... " + std::to_string(last - i) + " more frames ...\n"
                        : std::string("  ... more frames ...\n");
      }
      continue;
    }
    const runtime::Frame& frame = frames[i];
    ModuleFacts& facts = modules.at(frame.module.get());
    char offset[32];
    std::snprintf(offset, sizeof offset, "!0x%llx)\n", static_cast<unsigned long long>(frame.code_offset));
    out += "  " + std::to_string(i) + ": " + name_of(*frame.module, facts.names, frame.function) + " (" + facts.name +
           offset;
    if (const auto& line = facts.lines[facts.next++]) {
      out += "       at " + printable(line->file) + ":" + std::to_string(line->line);
      if (line->column != 0) out += ":" + std::to_string(line->column);
      out += "\n";
    }
  }
  return out;
}

}  // namespace berth::engine
