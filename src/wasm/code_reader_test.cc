#include "wasm/code_reader.h"

#include <gtest/gtest.h>

namespace berth::wasm {
namespace {

struct Case {
  std::vector<u8> bytes;
  std::optional<ErrorCode> error;
  u64 value = 0;
  u64 error_offset = 0;
};

template <typename Read>
void check(const Case& c, Read read) {
  CodeReader reader(c.bytes, 100);
  const u64 value = static_cast<u64>(read(reader));
  ASSERT_EQ(reader.ok(), !c.error);
  if (c.error) {
    EXPECT_EQ(reader.error_code(), *c.error);
    EXPECT_EQ(reader.error_offset(), 100 + c.error_offset);
  } else {
    EXPECT_EQ(value, c.value);
    EXPECT_TRUE(reader.at_end());
  }
}

TEST(LebReader, ReadsU32) {
  const Case cases[] = {
      {{0x00}, {}, 0},
      {{0x7F}, {}, 127},
      {{0x80, 0x01}, {}, 128},
      {{0x80, 0x80, 0x80, 0x80, 0x00}, {}, 0},
      {{0xFF, 0xFF, 0xFF, 0xFF, 0x0F}, {}, 0xFFFFFFFF},
      {{0xFF, 0xFF, 0xFF, 0xFF, 0x1F}, ErrorCode::IntegerTooLarge, 0, 4},
      {{0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, ErrorCode::IntegerTooLong, 0, 4},
      {{0x80, 0x80}, ErrorCode::UnexpectedEnd, 0, 2},
      {{}, ErrorCode::UnexpectedEnd, 0, 0},
  };
  for (const Case& c : cases) check(c, [](CodeReader& r) { return r.leb_u32(); });
}

TEST(LebReader, ReadsI32) {
  const Case cases[] = {
      {{0x7F}, {}, static_cast<u64>(-1)},
      {{0x40}, {}, static_cast<u64>(-64)},
      {{0x80, 0x80, 0x80, 0x80, 0x78}, {}, static_cast<u64>(i64{INT32_MIN})},
      {{0xFF, 0xFF, 0xFF, 0xFF, 0x07}, {}, 0x7FFFFFFF},
      {{0xFF, 0xFF, 0xFF, 0xFF, 0x0F}, ErrorCode::IntegerTooLarge, 0, 4},
      {{0x80, 0x80, 0x80, 0x80, 0x70}, ErrorCode::IntegerTooLarge, 0, 4},
  };
  for (const Case& c : cases) check(c, [](CodeReader& r) { return i64{r.leb_i32()}; });
}

TEST(LebReader, ReadsI64AndS33) {
  const Case wide[] = {
      {{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7F}, {}, u64{1} << 63},
      {{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}, ErrorCode::IntegerTooLarge, 0, 9},
  };
  for (const Case& c : wide) check(c, [](CodeReader& r) { return r.leb_i64(); });
  const Case s33[] = {
      {{0xFF, 0xFF, 0xFF, 0xFF, 0x0F}, {}, 0xFFFFFFFF},
      {{0x80, 0x80, 0x80, 0x80, 0x70}, {}, static_cast<u64>(-(i64{1} << 32))},
      {{0x80, 0x80, 0x80, 0x80, 0x10}, ErrorCode::IntegerTooLarge, 0, 4},
  };
  for (const Case& c : s33) check(c, [](CodeReader& r) { return r.leb_s33(); });
}

struct Names {
  std::string name;
  template <Op O>
  bool on(const ImmOf<O>&) {
    name = info(O).mnemonic();
    return true;
  }
};

TEST(DecodeOp, KnowsEveryRowOfTheTable) {
  for (const OpInfo& i : kOpInfo) {
    std::vector<u8> bytes;
    if (i.prefix != 0) {
      bytes.push_back(i.prefix);
      bytes.push_back(static_cast<u8>((i.code & 0x7F) | 0x80));
      bytes.push_back(static_cast<u8>(i.code >> 7));
    } else {
      bytes.push_back(static_cast<u8>(i.code));
    }
    // Enough zero bytes for any immediate; a value type is never zero.
    if (i.imm == Imm::SelectTypes) {
      bytes.insert(bytes.end(), {1, 0x7F});
    } else if (i.imm == Imm::TryTable) {
      bytes.insert(bytes.end(), {0x40, 0});
    } else {
      bytes.resize(bytes.size() + 24);
    }
    CodeReader reader(bytes);
    Names names;
    ASSERT_TRUE(decode_op(reader, names)) << i.mnemonic();
    EXPECT_EQ(names.name, i.mnemonic());
  }
}

TEST(DecodeOp, RefusesWhatNoRowHas) {
  for (const std::vector<u8>& bytes :
       {std::vector<u8>{0xFF}, {0x27}, {0xFD, 0xFF, 0xFF, 0x03}, {0xFC, 0x80, 0x80, 0x04}}) {
    CodeReader reader(bytes, 7);
    Names names;
    EXPECT_FALSE(decode_op(reader, names));
    EXPECT_EQ(reader.error_code(), ErrorCode::IllegalOpcode);
    EXPECT_EQ(reader.error_offset(), 7u);
  }
}

}  // namespace
}  // namespace berth::wasm
