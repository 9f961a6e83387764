#include "engine/dwarf_lines.h"

#include <gtest/gtest.h>

#include <cstring>

namespace berth::engine {
namespace {

// Writes DWARF the way section 6.2 describes it.
struct Writer {
  std::vector<u8> bytes;
  Writer& u8_(u8 v) {
    bytes.push_back(v);
    return *this;
  }
  Writer& u16_(u16 v) { return raw(&v, 2); }
  Writer& u32_(u32 v) { return raw(&v, 4); }
  Writer& u64_(u64 v) { return raw(&v, 8); }
  Writer& text(const char* s) { return raw(s, std::strlen(s) + 1); }
  Writer& uleb(u64 v) {
    do u8_(static_cast<u8>((v & 0x7F) | (v > 0x7F ? 0x80 : 0)));
    while (v >>= 7);
    return *this;
  }
  Writer& append(const Writer& other) { return raw(other.bytes.data(), other.bytes.size()); }
  Writer& raw(const void* p, size_t n) {
    const auto* b = static_cast<const u8*>(p);
    bytes.insert(bytes.end(), b, b + n);
    return *this;
  }
};

constexpr u8 kLineBase = 0xFB, kLineRange = 14, kOpcodeBase = 13;

// Lines 10 at 0x100, 11 at 0x104, 20 (column 5, file 2) at 0x110, up to 0x120.
Writer program(u32 start = 0x100) {
  Writer p;
  p.u8_(0).uleb(5).u8_(2).u32_(start);                             // set_address
  p.u8_(3).uleb(9).u8_(1);                                         // advance_line 9, copy
  p.u8_(static_cast<u8>(kOpcodeBase + (1 + 5) + kLineRange * 4));  // special: address 4, line 1
  p.u8_(4).uleb(2).u8_(5).uleb(5);                                 // file 2, column 5
  p.u8_(3).uleb(9).u8_(2).uleb(12).u8_(1);                         // line 9, address 12, copy
  p.u8_(2).uleb(16).u8_(0).uleb(1).u8_(1);                         // end_sequence at 0x120
  return p;
}

Writer prologue(u16 version) {
  Writer h;
  h.u8_(1);
  if (version >= 4) h.u8_(1);
  h.u8_(1).u8_(kLineBase).u8_(kLineRange).u8_(kOpcodeBase);
  for (u8 n : {0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1}) h.u8_(n);
  return h;
}

Writer tables() {
  Writer t;
  t.text("src").text("/abs").u8_(0);
  t.text("main.c").uleb(1).uleb(0).uleb(0);
  t.text("lib.h").uleb(2).uleb(0).uleb(0).u8_(0);
  return t;
}

Writer tables_5() {
  Writer t;
  t.u8_(1).uleb(1).uleb(0x08);  // directories: path as string
  t.uleb(2).text("/build").text("src");
  t.u8_(3).uleb(1).uleb(0x1F).uleb(2).uleb(0x0B).uleb(5).uleb(0x1E);  // files: line_strp, data1, MD5
  t.uleb(3);
  for (u8 i = 0; i < 3; ++i) {
    t.u32_(i == 0 ? 0 : i == 1 ? 4 : 11).u8_(i == 2 ? 1 : 0).u64_(1).u64_(2);
  }
  return t;
}

std::vector<u8> unit(u16 version, const Writer& tables, const Writer& program, bool is_64 = false) {
  Writer header = prologue(version);
  header.append(tables);
  Writer body;
  body.u16_(version);
  if (version == 5) body.u8_(4).u8_(0);
  is_64 ? body.u64_(header.bytes.size()) : body.u32_(static_cast<u32>(header.bytes.size()));
  body.append(header).append(program);
  Writer out;
  if (is_64) {
    out.u32_(0xFFFFFFFF).u64_(body.bytes.size());
  } else {
    out.u32_(static_cast<u32>(body.bytes.size()));
  }
  return out.append(body).bytes;
}

std::string shown(const std::optional<SourceLine>& line) {
  if (!line) return "?";
  return line->file + ":" + std::to_string(line->line) + (line->column ? ":" + std::to_string(line->column) : "");
}
std::vector<std::string> look_up(const std::vector<u8>& line, std::vector<u64> addresses,
                                 std::span<const u8> line_strings = {}) {
  std::vector<std::string> out;
  for (const auto& answer : find_source_lines(DwarfLineSections{line, line_strings, {}}, addresses)) {
    out.push_back(shown(answer));
  }
  return out;
}

const std::vector<u64> kAddresses = {0x11F, 0x100, 0x103, 0x104, 0x110, 0xFF, 0x120};
using Answers = std::vector<std::string>;

TEST(DwarfLines, ReadsVersionsTwoToFour) {
  for (u16 version : {2, 3, 4}) {
    EXPECT_EQ(
        look_up(unit(version, tables(), program()), kAddresses),
        (Answers{"/abs/lib.h:20:5", "src/main.c:10", "src/main.c:10", "src/main.c:11", "/abs/lib.h:20:5", "?", "?"}))
        << version;
  }
}

TEST(DwarfLines, ReadsVersionFiveWithItsStringSection) {
  Writer strings;
  strings.text("x.c").text("main.c").text("lib.h");
  EXPECT_EQ(look_up(unit(5, tables_5(), program()), kAddresses, strings.bytes),
            (Answers{"/build/src/lib.h:20:5", "/build/main.c:10", "/build/main.c:10", "/build/main.c:11",
                     "/build/src/lib.h:20:5", "?", "?"}));
}

TEST(DwarfLines, Reads64BitUnitsAndSeveralUnits) {
  auto all = unit(4, tables(), program(0x1000));
  const auto second = unit(4, tables(), program(), true);
  all.insert(all.end(), second.begin(), second.end());
  EXPECT_EQ(look_up(all, {0x100, 0x1000}), (Answers{"src/main.c:10", "src/main.c:10"}));
}

TEST(DwarfLines, IgnoresSequencesOfDroppedFunctions) {
  EXPECT_EQ(look_up(unit(4, tables(), program(0)), {0x4}), (Answers{"?"}));
}

TEST(DwarfLines, SkipsUnitsOfUnknownVersions) {
  auto all = unit(9, tables(), program());
  const auto second = unit(4, tables(), program());
  all.insert(all.end(), second.begin(), second.end());
  EXPECT_EQ(look_up(all, {0x100}), (Answers{"src/main.c:10"}));
}

TEST(DwarfLines, SurvivesAnyDamage) {
  Writer strings;
  strings.text("x.c").text("main.c").text("lib.h");
  for (u16 version : {2, 4, 5}) {
    const auto whole = unit(version, version == 5 ? tables_5() : tables(), program());
    for (size_t cut = 0; cut < whole.size(); ++cut) {
      look_up({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(cut)}, kAddresses, strings.bytes);
    }
    for (size_t at = 0; at < whole.size(); ++at) {
      for (u8 value : {0x00, 0x7F, 0x80, 0xFF}) {
        auto damaged = whole;
        damaged[at] = value;
        look_up(damaged, kAddresses, strings.bytes);
      }
    }
  }
}

}  // namespace
}  // namespace berth::engine
