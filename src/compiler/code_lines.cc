#include "compiler/code_lines.h"

#include <llvm/DebugInfo/DWARF/DWARFContext.h>
#include <llvm/DebugInfo/DWARF/DWARFDie.h>
#include <llvm/DebugInfo/DWARF/DWARFUnit.h>
#include <llvm/Object/ObjectFile.h>

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>

#include "abi/line_table.h"

namespace berth::compiler {
namespace {

using abi::CodeLine;
using abi::kNoLine;

std::unexpected<Error> damaged(llvm::Error error) {
  return fail(ErrorCode::CompilerFailed, "debug information: " + llvm::toString(std::move(error)));
}

// A function inlined at one place into another.
struct Scope {
  u32 parent;  // index of the scope around it, kNoScope when it is in the function itself
  u32 depth;
  u32 function;    // what was inlined
  u32 call_line;   // where
  u32 number = 0;  // in the artifact's table plus 1, once it has one
};
constexpr u32 kNoScope = 0xFFFFFFFF;

struct ScopeRange {
  u32 begin, end, scope;
};

class Collector {
 public:
  Collector(llvm::DWARFContext& context, std::span<const CodeSymbol> symbols) : context_(context), symbols_(symbols) {}

  Result<> add(llvm::DWARFUnit& unit) {
    if (auto error = unit.tryExtractDIEsIfNeeded(false)) return damaged(std::move(error));
    llvm::Error trouble = llvm::Error::success();
    auto keep = [&](llvm::Error error) { trouble = llvm::joinErrors(std::move(trouble), std::move(error)); };
    auto table = context_.getLineTableForUnit(&unit, keep);
    if (!table) return damaged(llvm::joinErrors(std::move(trouble), table.takeError()));
    if (trouble) return damaged(std::move(trouble));
    if (!*table) return {};
    TRY(read_scopes(unit));
    std::vector<llvm::DWARFDebugLine::Sequence> sequences = (*table)->Sequences;
    std::ranges::sort(sequences, {}, &llvm::DWARFDebugLine::Sequence::LowPC);
    ScopeCursor cursor(*this);
    for (const auto& sequence : sequences) {
      runs_.push_back({static_cast<u32>(sequence.LowPC), lines_.size(), 0});
      for (u32 i = sequence.FirstRowIndex; i < sequence.LastRowIndex; ++i) add_row((*table)->Rows[i], cursor);
      runs_.back().end = lines_.size();
    }
    context_.clearLineTableForUnit(&unit);
    return {};
  }

  Result<CodeLines> finish() {
    // Units lie one behind the other unless somebody gave functions sections of their own.
    if (!std::ranges::is_sorted(runs_, {}, &Run::begin)) {
      std::ranges::sort(runs_, {}, &Run::begin);
      std::vector<CodeLine> sorted;
      sorted.reserve(lines_.size());
      for (const Run& run : runs_) {
        sorted.insert(sorted.end(), lines_.begin() + static_cast<i64>(run.first),
                      lines_.begin() + static_cast<i64>(run.end));
      }
      lines_ = std::move(sorted);
    }
    abi::LineEncoder encoder;
    CodeLine last{};
    size_t symbol = 0;
    u32 end = 0;  // of the function that `last` lies in
    auto put = [&](const CodeLine& line) {
      if (line.function == last.function && line.wasm_offset == last.wasm_offset &&
          line.inlined_at == last.inlined_at) {
        return;
      }
      encoder.add(line);
      last = line;
    };
    last.function = last.wasm_offset = kNoLine;
    for (size_t i = 0; i < lines_.size(); ++i) {
      const CodeLine& line = lines_[i];
      if (i + 1 < lines_.size() && lines_[i + 1].begin == line.begin) continue;
      if (end != 0 && line.begin > end) put({end, kNoLine, kNoLine, 0});
      while (symbol < symbols_.size() && symbols_[symbol].end <= line.begin) ++symbol;
      end = symbol < symbols_.size() && symbols_[symbol].begin <= line.begin ? symbols_[symbol].end : 0;
      put(line);
    }
    if (end != 0) put({end, kNoLine, kNoLine, 0});
    return CodeLines{encoder.blocks(), encoder.data(), std::move(inlined_)};
  }

 private:
  // Finds the innermost scope at ascending addresses.
  class ScopeCursor {
   public:
    explicit ScopeCursor(const Collector& collector) : ranges_(collector.ranges_) {}
    u32 at(u32 address) {
      while (!open_.empty() && ranges_[open_.back()].end <= address) open_.pop_back();
      for (; next_ < ranges_.size() && ranges_[next_].begin <= address; ++next_) {
        while (!open_.empty() && ranges_[open_.back()].end <= ranges_[next_].begin) open_.pop_back();
        open_.push_back(next_);
      }
      while (!open_.empty() && ranges_[open_.back()].end <= address) open_.pop_back();
      return open_.empty() ? kNoScope : ranges_[open_.back()].scope;
    }

   private:
    const std::vector<ScopeRange>& ranges_;
    std::vector<size_t> open_;
    size_t next_ = 0;
  };

  Result<> read_scopes(llvm::DWARFUnit& unit) {
    scopes_.clear();
    ranges_.clear();
    functions_.clear();
    std::vector<u32> scope_of;  // by index of the entry: the innermost scope that it is or lies in
    u32 index = 0;
    for (const llvm::DWARFDebugInfoEntry& entry : unit.dies()) {
      const auto parent = entry.getParentIdx();
      const u32 around = parent ? scope_of[*parent] : kNoScope;
      scope_of.push_back(around);
      if (entry.getTag() == llvm::dwarf::DW_TAG_inlined_subroutine) {
        const llvm::DWARFDie die(&unit, &entry);
        const u32 function = origin(die);
        if (function != kNoLine) {
          const auto number = static_cast<u32>(scopes_.size());
          const u32 depth = around == kNoScope ? 0 : scopes_[around].depth + 1;
          const auto line = llvm::dwarf::toUnsigned(die.find(llvm::dwarf::DW_AT_call_line), kNoLine);
          scopes_.push_back({around, depth, function, static_cast<u32>(line)});
          scope_of[index] = number;
          auto ranges = die.getAddressRanges();
          if (!ranges) return damaged(ranges.takeError());
          for (const auto& range : *ranges) {
            ranges_.push_back({static_cast<u32>(range.LowPC), static_cast<u32>(range.HighPC), number});
          }
        }
      }
      ++index;
    }
    std::ranges::sort(ranges_, [this](const ScopeRange& a, const ScopeRange& b) {
      return a.begin != b.begin ? a.begin < b.begin : scopes_[a.scope].depth < scopes_[b.scope].depth;
    });
    return {};
  }

  // The function that an inlined call is of; kNoLine for one of unknown name.
  u32 origin(const llvm::DWARFDie& inlined) {
    const llvm::DWARFDie die = inlined.getAttributeValueAsReferencedDie(llvm::dwarf::DW_AT_abstract_origin);
    if (!die) return kNoLine;
    const auto [place, added] = functions_.try_emplace(die.getOffset(), kNoLine);
    if (added) {
      for (const char* name : {die.getLinkageName(), die.getShortName()}) {
        const auto symbol = name ? parse_symbol(name) : std::nullopt;
        if (symbol && symbol->kind == CodeSymbol::Kind::Function) {
          place->second = symbol->index;
          break;
        }
      }
    }
    return place->second;
  }

  // The function whose code contains `address`, kNoLine when it is of no function.
  u32 function_at(u32 address) {
    if (symbol_ < symbols_.size() && (address < symbols_[symbol_].begin || address >= symbols_[symbol_].end)) {
      const auto after = std::ranges::upper_bound(symbols_, address, {}, &CodeSymbol::begin);
      symbol_ = after == symbols_.begin() ? symbols_.size() : static_cast<size_t>(after - symbols_.begin()) - 1;
    }
    if (symbol_ >= symbols_.size()) {
      symbol_ = 0;
      if (symbols_.empty() || address < symbols_[0].begin) return kNoLine;
    }
    const CodeSymbol& found = symbols_[symbol_];
    if (address < found.begin || address >= found.end) return kNoLine;
    return found.kind == CodeSymbol::Kind::Function || found.kind == CodeSymbol::Kind::Loop ? found.index : kNoLine;
  }

  // Position in the artifact's table, plus 1, of the call that `scope` is; gives it one.
  u32 number_of(u32 scope, u32 outer) {
    if (scope == kNoScope) return 0;
    if (scopes_[scope].number == 0) {
      const u32 parent = scopes_[scope].parent;
      const u32 around = number_of(parent, outer);
      inlined_.push_back({scopes_[scope].call_line, parent == kNoScope ? outer : scopes_[parent].function, around});
      scopes_[scope].number = static_cast<u32>(inlined_.size());
    }
    return scopes_[scope].number;
  }

  // Code that the optimizer has no line for counts as the function's start.
  void add_row(const llvm::DWARFDebugLine::Row& row, ScopeCursor& cursor) {
    const auto begin = static_cast<u32>(row.Address.Address);
    const u32 outer = row.EndSequence ? kNoLine : function_at(begin);
    if (outer == kNoLine) {
      lines_.push_back({begin, kNoLine, kNoLine, 0});
      return;
    }
    if (row.Line != 0 && begin == symbols_[symbol_].begin) start_ = {symbol_, row.Line};
    if (row.Line == 0) {
      const bool has_start = start_.first == symbol_;
      lines_.push_back({begin, has_start ? start_.second : kNoLine, has_start ? outer : kNoLine, 0});
      return;
    }
    const u32 scope = cursor.at(begin);
    lines_.push_back({begin, row.Line, scope == kNoScope ? outer : scopes_[scope].function, number_of(scope, outer)});
  }

  // Lines of ascending addresses.
  struct Run {
    u32 begin;
    size_t first, end;  // in lines_
  };

  llvm::DWARFContext& context_;
  const std::span<const CodeSymbol> symbols_;
  size_t symbol_ = 0;
  std::pair<size_t, u32> start_{SIZE_MAX, 0};  // the symbol of the first row of a function, and its line
  std::unordered_map<u64, u32> functions_;     // of the present unit, by offset of the entry that names it
  std::vector<Scope> scopes_;                  // of the present unit
  std::vector<ScopeRange> ranges_;             // ascending, outer before inner
  std::vector<CodeLine> lines_;
  std::vector<Run> runs_;
  std::vector<abi::InlinedCall> inlined_;
};

}  // namespace

Result<CodeLines> read_code_lines(const ElfView& image, std::span<const CodeSymbol> symbols) {
  if (!image.section(".debug_line")) return CodeLines();
  const llvm::StringRef bytes(reinterpret_cast<const char*>(image.file().data()), image.file().size());
  auto object = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(bytes, "artifact"));
  if (!object) return damaged(object.takeError());
  const auto context = llvm::DWARFContext::create(**object);
  Collector collector(*context, symbols);
  for (const auto& unit : context->compile_units()) TRY(collector.add(*unit));
  return collector.finish();
}

}  // namespace berth::compiler
