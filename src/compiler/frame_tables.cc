#include "compiler/frame_tables.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <string>
#include <unordered_map>

#include "compiler/byte_reader.h"

namespace berth::compiler {
namespace {

// DWARF exception header encodings, those that LLVM's small code model uses: on AArch64, wide ones for some.
constexpr u8 kOmitted = 0xFF, kAbsolute8 = 0x00, kLeb = 0x01, kFixed4 = 0x03, kRelativeSigned4 = 0x1B,
             kRelativeSigned8 = 0x1C, kIndirect = 0x80;

constexpr u32 kRegisters = 128;
constexpr i32 kUnsaved = std::numeric_limits<i32>::min();

struct Machine {
  u32 return_register;
  // Position in UnwindRule::saved of a DWARF register, or -1.
  int (*slot)(u32 reg);
};
constexpr Machine kX86{16, [](u32 reg) {
                         return reg == 3 ? 0 : reg == 6 ? 1 : reg >= 12 && reg <= 15 ? int(reg) - 10 : -1;
                       }};
constexpr Machine kAArch64{
    30, [](u32 reg) { return reg >= 19 && reg <= 30   ? int(reg) - 19
                             : reg >= 72 && reg <= 79 ? int(reg) - 60
                                                      : -1; }};

struct State {
  u32 cfa_register = 0;
  i64 cfa_offset = 0;
  std::array<i32, kRegisters> saved;
  State() { saved.fill(kUnsaved); }
};

struct CommonEntry {
  u64 code_factor = 1;
  i64 data_factor = 1;
  u8 lsda_encoding = kOmitted;
  State initial;
};

struct RuleHash {
  size_t operator()(const abi::UnwindRule& rule) const {
    return std::hash<std::string_view>()({reinterpret_cast<const char*>(&rule), sizeof rule});
  }
};
struct RuleEqual {
  bool operator()(const abi::UnwindRule& a, const abi::UnwindRule& b) const {
    return std::memcmp(&a, &b, sizeof a) == 0;
  }
};
static_assert(std::has_unique_object_representations_v<abi::UnwindRule>);

std::unexpected<Error> damaged(std::string what, u64 address) {
  char text[32];
  std::snprintf(text, sizeof text, " at code offset %#llx", static_cast<unsigned long long>(address));
  return fail(ErrorCode::CompilerFailed, "frame information: " + std::move(what) + text);
}

class Reader {
 public:
  explicit Reader(const ElfView& image)
      : image_(image), machine_(image.header().e_machine == EM_AARCH64 ? kAArch64 : kX86) {}

  Result<FrameTables> read() {
    const Elf64_Shdr* section = image_.section(".eh_frame");
    if (!section) return FrameTables();
    frame_address_ = section->sh_addr;
    const auto bytes = image_.contents(*section);
    ByteReader reader(bytes);
    while (!reader.at_end()) {
      const u32 length = reader.fixed<u32>();
      if (length == 0) break;
      if (length == 0xFFFFFFFF) return damaged("an entry of 64-bit DWARF", frame_address_ + reader.position());
      const size_t start = reader.position();
      ByteReader entry = reader.part(length);
      const u32 id = entry.fixed<u32>();
      if (id == 0) {
        TRY(read_common(entry, start - 4));
      } else {
        const auto common = commons_.find(start - id);
        if (common == commons_.end()) return damaged("a frame without its common entry", frame_address_ + start);
        TRY(read_frame(entry, common->second));
      }
    }
    TRY(finish());
    return std::move(out_);
  }

 private:
  struct Frame {
    CodeRange range;
    u32 first_row, rows;
  };

  Result<> read_common(ByteReader entry, size_t start) {
    CommonEntry common;
    const u8 version = entry.fixed<u8>();
    const std::string_view augmentation = entry.text();
    common.code_factor = entry.unsigned_leb();
    common.data_factor = entry.signed_leb();
    const u64 return_register = version == 1 ? entry.fixed<u8>() : entry.unsigned_leb();
    bool known =
        (version == 1 || version == 3) && augmentation.starts_with('z') && return_register == machine_.return_register;
    u8 pointers = kAbsolute8;
    entry.unsigned_leb();
    for (const char c : augmentation.substr(known ? 1 : 0)) {
      switch (c) {
        case 'R': pointers = entry.fixed<u8>(); break;
        case 'L': common.lsda_encoding = entry.fixed<u8>(); break;
        case 'P': {
          const u8 encoding = entry.fixed<u8>() & ~kIndirect;
          known &= encoding == kRelativeSigned4 || encoding == kRelativeSigned8;
          entry.skip(encoding == kRelativeSigned8 ? 8 : 4);
          break;
        }
        default: known = false;
      }
    }
    known &=
        pointers == kRelativeSigned4 && (common.lsda_encoding == kOmitted || common.lsda_encoding == kRelativeSigned4 ||
                                         common.lsda_encoding == kRelativeSigned8);
    if (!known || entry.overrun()) return damaged("an unknown kind of common entry", frame_address_ + start);
    u64 location = 0;
    State state;
    TRY(execute(entry, common, state, location, nullptr));
    common.initial = state;
    commons_.emplace(start, common);
    return {};
  }

  template <typename T>
  u64 relative(ByteReader& entry) const {
    const u64 at = frame_address_ + entry.position();
    return at + static_cast<u64>(i64{entry.fixed<T>()});
  }

  Result<> read_frame(ByteReader entry, const CommonEntry& common) {
    const u64 begin = relative<i32>(entry);
    const u64 end = begin + entry.fixed<u32>();
    const u64 augmentation = entry.unsigned_leb();
    ByteReader extra = entry.part(augmentation);
    u64 lsda = 0;
    if (common.lsda_encoding == kRelativeSigned4) {
      if (ByteReader(extra).fixed<i32>() != 0) lsda = relative<i32>(extra);
    } else if (common.lsda_encoding == kRelativeSigned8) {
      if (ByteReader(extra).fixed<i64>() != 0) lsda = relative<i64>(extra);
    }
    if (entry.overrun() || end > std::numeric_limits<u32>::max()) return damaged("a frame that is cut off", begin);
    const auto first_row = static_cast<u32>(out_.rows.size());
    State state = common.initial;
    u64 location = begin;
    has_arguments_ = false;
    TRY(execute(entry, common, state, location, &common.initial));
    TRY(add_row(location, state));
    if (location > end) return damaged("a frame that leaves its function", begin);
    if (lsda != 0) {
      if (has_arguments_) return damaged("pushed arguments where an exception may land", begin);
      TRY(read_landings(lsda, begin, end));
    }
    frames_.push_back(
        {{static_cast<u32>(begin), static_cast<u32>(end)}, first_row, static_cast<u32>(out_.rows.size()) - first_row});
    return {};
  }

  // Runs call frame instructions. `initial` is null for those of the common entry, which make no rows.
  Result<> execute(ByteReader code, const CommonEntry& common, State& state, u64& location, const State* initial) {
    std::vector<State> remembered;
    auto advance = [&](u64 delta) -> Result<> {
      if (!initial) return damaged("a common entry with rows", location);
      TRY(add_row(location, state));
      location += delta * common.code_factor;
      return {};
    };
    auto save = [&](u64 reg, i64 offset) -> Result<> {
      if (reg >= kRegisters || offset > 0x7FFF || offset < -0x8000)
        return damaged("a register saved far away", location);
      state.saved[reg] = static_cast<i32>(offset);
      return {};
    };
    auto restore = [&](u64 reg) -> Result<> {
      if (reg >= kRegisters || !initial) return damaged("an unknown register", location);
      state.saved[reg] = initial->saved[reg];
      return {};
    };
    while (!code.at_end()) {
      const u8 op = code.fixed<u8>();
      const u8 low = op & 0x3F;
      switch (op & 0xC0) {
        case 0x40: TRY(advance(low)); continue;
        case 0x80: TRY(save(low, static_cast<i64>(code.unsigned_leb()) * common.data_factor)); continue;
        case 0xC0: TRY(restore(low)); continue;
        default: break;
      }
      switch (op) {
        case 0x00: break;  // nop
        case 0x02: TRY(advance(code.fixed<u8>())); break;
        case 0x03: TRY(advance(code.fixed<u16>())); break;
        case 0x04: TRY(advance(code.fixed<u32>())); break;
        case 0x05: {  // offset_extended
          const u64 reg = code.unsigned_leb();
          TRY(save(reg, static_cast<i64>(code.unsigned_leb()) * common.data_factor));
          break;
        }
        case 0x06: TRY(restore(code.unsigned_leb())); break;  // restore_extended
        case 0x08: {                                          // same_value
          const u64 reg = code.unsigned_leb();
          if (reg >= kRegisters) return damaged("an unknown register", location);
          state.saved[reg] = kUnsaved;
          break;
        }
        case 0x0A: remembered.push_back(state); break;
        case 0x0B:
          if (remembered.empty()) return damaged("no state to restore", location);
          state = remembered.back();
          remembered.pop_back();
          break;
        case 0x0C:  // def_cfa
          state.cfa_register = static_cast<u32>(code.unsigned_leb());
          state.cfa_offset = static_cast<i64>(code.unsigned_leb());
          break;
        case 0x0D: state.cfa_register = static_cast<u32>(code.unsigned_leb()); break;
        case 0x0E: state.cfa_offset = static_cast<i64>(code.unsigned_leb()); break;
        case 0x11: {  // offset_extended_sf
          const u64 reg = code.unsigned_leb();
          TRY(save(reg, code.signed_leb() * common.data_factor));
          break;
        }
        case 0x12:  // def_cfa_sf
          state.cfa_register = static_cast<u32>(code.unsigned_leb());
          state.cfa_offset = code.signed_leb() * common.data_factor;
          break;
        case 0x13: state.cfa_offset = code.signed_leb() * common.data_factor; break;
        case 0x2E: has_arguments_ |= code.unsigned_leb() != 0; break;  // GNU_args_size
        default: return damaged("call frame instruction " + std::to_string(op), location);
      }
    }
    if (code.overrun()) return damaged("instructions that are cut off", location);
    return {};
  }

  Result<> add_row(u64 location, const State& state) {
    abi::UnwindRule rule{};
    rule.cfa_register = state.cfa_register;
    if (state.cfa_offset != static_cast<i32>(state.cfa_offset)) return damaged("a frame that is too large", location);
    rule.cfa_offset = static_cast<i32>(state.cfa_offset);
    for (u32 reg = 0; reg < kRegisters; ++reg) {
      if (state.saved[reg] == kUnsaved) continue;
      const int slot = machine_.slot(reg);
      if (slot >= 0) {
        rule.saved[slot] = static_cast<i16>(state.saved[reg]);
      } else if (reg != machine_.return_register || state.saved[reg] != -8) {
        return damaged("register " + std::to_string(reg) + " is saved", location);
      }
    }
    const auto [found, added] = rule_numbers_.try_emplace(rule, static_cast<u32>(out_.rules.size()));
    if (added) out_.rules.push_back(rule);
    out_.rows.push_back({static_cast<u32>(location), found->second});
    return {};
  }

  Result<> read_landings(u64 lsda, u64 begin, u64 end) {
    const Elf64_Shdr* section = image_.section(".gcc_except_table");
    if (!section || lsda < section->sh_addr || lsda >= section->sh_addr + section->sh_size) {
      return damaged("landing pads outside of their section", begin);
    }
    ByteReader reader(image_.contents(*section), lsda - section->sh_addr);
    if (reader.fixed<u8>() != kOmitted) return damaged("landing pads relative to elsewhere", begin);
    if (reader.fixed<u8>() != kOmitted) reader.unsigned_leb();
    const u8 encoding = reader.fixed<u8>();
    if (encoding != kLeb && encoding != kFixed4) return damaged("landing pads in an unknown encoding", begin);
    ByteReader sites = reader.part(reader.unsigned_leb());
    auto number = [&] { return encoding == kLeb ? sites.unsigned_leb() : u64{sites.fixed<u32>()}; };
    while (!sites.at_end()) {
      const u64 start = number(), size = number(), landing = number();
      sites.unsigned_leb();
      if (sites.overrun() || start + size > end - begin || landing >= end - begin) break;
      if (landing == 0 || size == 0) continue;
      const abi::LandingPad pad{static_cast<u32>(begin + start), static_cast<u32>(begin + start + size),
                                static_cast<u32>(begin + landing)};
      if (!out_.landings.empty() && out_.landings.back().end == pad.begin &&
          out_.landings.back().landing == pad.landing) {
        out_.landings.back().end = pad.end;
      } else {
        out_.landings.push_back(pad);
      }
    }
    if (!sites.at_end() || sites.overrun() || reader.overrun())
      return damaged("landing pads that make no sense", begin);
    return {};
  }

  // Frames may come in any order: rows are put in that of the code, those that change nothing left out, and gaps
  // between functions marked.
  Result<> finish() {
    std::ranges::sort(frames_, {}, [](const Frame& f) { return f.range.begin; });
    std::vector<abi::UnwindRow> rows;
    rows.reserve(out_.rows.size() + frames_.size());
    u32 end = 0;
    for (const Frame& frame : frames_) {
      if (frame.range.begin < end) return damaged("frames that overlap", frame.range.begin);
      if (frame.range.begin > end && !rows.empty()) rows.push_back({end, abi::kNoRule});
      for (u32 i = frame.first_row; i < frame.first_row + frame.rows; ++i) {
        const abi::UnwindRow row = out_.rows[i];
        // Of rows for the same place the last counts.
        if (!rows.empty() && rows.back().begin == row.begin) rows.pop_back();
        if (rows.empty() || rows.back().rule != row.rule) rows.push_back(row);
      }
      end = frame.range.end;
      out_.covered.push_back(frame.range);
    }
    if (!rows.empty()) rows.push_back({end, abi::kNoRule});
    out_.rows = std::move(rows);
    std::ranges::sort(out_.landings, {}, &abi::LandingPad::begin);
    return {};
  }

  const ElfView& image_;
  const Machine machine_;
  u64 frame_address_ = 0;
  std::unordered_map<u64, CommonEntry> commons_;
  std::unordered_map<abi::UnwindRule, u32, RuleHash, RuleEqual> rule_numbers_;
  std::vector<Frame> frames_;
  bool has_arguments_ = false;  // whether the present frame pushes arguments around calls
  FrameTables out_;
};

}  // namespace

Result<FrameTables> read_frame_tables(const ElfView& image) { return Reader(image).read(); }

}  // namespace berth::compiler
