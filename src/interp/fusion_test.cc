// Whether fused handlers do what the instructions that they stand for do, one after the other.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <random>

#include "interp/fused_rows.h"

namespace berth::interp {
namespace {

struct Reached {
  const Word* pc;
  u64 acc;
  v128 vacc;
} reached;
BERTH_HANDLER_CC void stop(const Word* pc, Slot*, u8*, abi::InstanceContext*, abi::StoreContext*, u64 acc, v128 vacc) {
  reached = {pc, acc, vacc};
}

// Slots of a frame by what they hold, so that an operand meets a value of its type. Vectors take two.
struct Range {
  u32 locals, temporaries, count, width;
};
constexpr u32 kFirstTemporary = 100, kFrame = 300, kBranch = 200;
constexpr Range range_of(char kind) {
  switch (kind) {
    case 'i': return {0, 100, 24, 1};
    case 'f': return {24, 124, 24, 1};
    case 'd': return {48, 148, 24, 1};
    default: return {72, 172, 12, 2};
  }
}

class Memory {
 public:
  Memory() {
    base_ = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT_NE(base_, MAP_FAILED);
  }
  ~Memory() { munmap(base_, kSize); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  u8* base() const { return static_cast<u8*>(base_); }
  void clear() { madvise(base_, kSize, MADV_DONTNEED); }

 private:
  static constexpr size_t kSize = (size_t{2} << 32) + 65536;
  void* base_;
};

class Fusion : public testing::Test {
 protected:
  static constexpr size_t kCompared = 16384;
  const FusedRows& rows_ = fused_rows();
  std::mt19937 random_{1};
  Memory memory_[2];
  abi::StoreContext store_{};
  abi::InstanceContext instance_{};
  abi::GlobalCell globals_[2][256];
  u32 row_ = 0;
  Instruction sequence_[kMaxFused];

  u32 below(u32 n) { return static_cast<u32>(random_() % n); }
  u32 length() const { return rows_.length(row_); }
  const StepInfo& info(u32 step) const { return rows_.infos[rows_.parts[rows_.first[row_] + step]]; }
  Tuning tuning(u32 step) const { return row_ < rows_.tuned ? rows_.tunings[rows_.first[row_] + step] : Tuning{}; }

  u32 any_slot(char kind, u32 among) {
    const Range r = range_of(kind);
    return (below(2) != 0 ? r.locals : r.temporaries) + below(std::min(among, r.count)) * r.width;
  }

  // Operands at random: few slots, so that instructions meet each other's. A temporary that was popped is not read
  // again before it is written.
  void choose_any() {
    std::vector<bool> popped(kFrame);
    for (u32 k = 0; k < length(); ++k) {
      const StepInfo& i = info(k);
      Word w = Word{below(3)} << 32;
      auto read = [&](Field f, char kind) {
        if (f == Field::None) return;
        u32 slot = any_slot(kind, 2);
        while (popped[slot]) slot = any_slot(kind, 2);
        set(w, f, slot);
        if (i.pops && slot >= kFirstTemporary) popped[slot] = true;
      };
      auto write = [&](Field f, char kind) {
        const u32 slot = any_slot(kind, 2);
        set(w, f, slot);
        if (f != Field::None) popped[slot] = false;
      };
      // Copies move an f32 as if it were an f64.
      read(i.left, i.left_kind == 'd' && below(4) == 0 ? 'f' : i.left_kind);
      read(i.right, i.right_kind);
      for (const Field f : i.also_reads) read(f, 'i');
      write(i.result, i.result_kind);
      write(i.second_result, i.right_kind);
      finish(k, w);
    }
  }

  // Operands such that the tuned row may apply.
  void choose_fitting() {
    u32 holder[kMaxValues] = {};  // the slot that has a value
    std::vector<u32> overwrite;   // results that were not stored and that nobody pops
    u32 fresh = below(24);
    for (u32 k = 0; k < length(); ++k) {
      const StepInfo& i = info(k);
      const Tuning t = tuning(k);
      Word w = t.adds_offset ? Word{below(3)} << 32 : 0;
      auto read = [&](Field f, char kind, u32 from, u32 value) {
        if (f == Field::None) return;
        const Range r = range_of(kind);
        const u32 slot = from != kNoValue ? holder[from] : r.locals + (++fresh % r.count) * r.width;
        if (from == kNoValue) holder[value] = slot;
        set(w, f, slot);
      };
      read(i.left, i.left_kind, t.left, left_of(k));
      read(i.right, i.right_kind, t.right, right_of(k));
      for (const Field f : i.also_reads) read(f, 'i', kNoValue, 0);
      // A result replaces one that was not stored, when nobody needs that any more.
      auto place = [&](char kind, u32 value, bool stores) {
        const Range r = range_of(kind);
        const auto old = std::ranges::find_if(overwrite, [&](u32 v) { return !read_later(v, k, false); });
        if (old != overwrite.end() && below(3) != 0) {
          holder[value] = holder[*old];
          overwrite.erase(old);
        } else {
          const bool temporary = (!stores && read_later(value, k, true)) || below(2) != 0;
          holder[value] = (temporary ? r.temporaries : r.locals) + (++fresh % r.count) * r.width;
        }
        if (!stores && !read_later(value, k, true)) overwrite.push_back(value);
        return holder[value];
      };
      if (i.result != Field::None) set(w, i.result, place(i.result_kind, result_of(k), t.stores));
      if (i.second_result != Field::None) set(w, i.second_result, place(i.right_kind, right_of(k), true));
      finish(k, w);
    }
  }
  bool read_later(u32 value, u32 after, bool by_popping) const {
    for (u32 k = after + 1; k < length(); ++k)
      if ((info(k).pops || !by_popping) && (tuning(k).left == value || tuning(k).right == value)) return true;
    return false;
  }

  static void set(Word& w, Field f, u32 slot) {
    if (f == Field::None) return;
    const u32 shift = 16 * (static_cast<u32>(f) - 1);
    w = (w & ~(Word{0xFFFF} << shift)) | Word{slot} << shift;
  }
  void finish(u32 step, Word w) {
    const bool is_immediate = w >> 32 <= 2 && tuning(step).adds_offset;
    if (step + 1 == length() && is_immediate) w = (w & 0xFFFFFFFF) | Word{kBranch} << 32;
    sequence_[step] = {rows_.instructions[rows_.parts[rows_.first[row_] + step]], w};
  }

  Handler fused() const {
    std::vector<Instruction> code(sequence_, sequence_ + length());
    fuse(code, kFirstTemporary);
    return code[0].handler;
  }

  std::vector<Slot> frame() {
    std::vector<Slot> fp(kFrame);
    std::uniform_real_distribution<f64> real(-8, 8);
    for (u32 i = 0; i < 24; ++i) {
      for (const u32 at : {0u, kFirstTemporary}) {
        fp[at + i] = below(2000);
        const f32 f = static_cast<f32>(real(random_));
        std::memcpy(&fp[at + 24 + i], &f, sizeof f);
        const f64 d = real(random_);
        std::memcpy(&fp[at + 48 + i], &d, sizeof d);
        fp[at + 72 + i] = random_();
      }
    }
    return fp;
  }

  void prepare(u32 side, bool fills) {
    memory_[side].clear();
    for (u32 i = 0; fills && i < kCompared; i += 7) memory_[side].base()[i] = static_cast<u8>(i);
    for (u32 i = 0; i < 256; ++i) globals_[side][i].value[0] = i;
    instance_.defined_globals = globals_[side];
  }

  // Runs `handler` in place of the first instruction, and the instructions; says whether they could be compared.
  bool compare(Handler handler) {
    std::vector<Word> code;
    std::vector<u32> starts;
    for (u32 k = 0; k < length(); ++k) {
      starts.push_back(static_cast<u32>(code.size()));
      code.push_back(reinterpret_cast<Word>(sequence_[k].handler));
      code.push_back(sequence_[k].operands);
      for (u32 i = 2; i < info(k).words; ++i) code.push_back(below(100));
    }
    const size_t end = code.size();
    code.resize(end + kBranch + 300, reinterpret_cast<Word>(&stop));
    const std::vector<Slot> before = frame();
    const u64 acc = below(2000);
    const v128 vacc = std::bit_cast<v128>(std::array{1.25, 2.5});

    std::vector<Slot> plain = before;
    const bool fills = below(2) != 0;
    prepare(0, fills);
    std::vector<bool> popped(kFrame);
    reached = {code.data(), acc, vacc};
    for (u32 k = 0; k < length(); ++k) {
      const StepInfo& i = info(k);
      std::vector<Word> one(code.begin() + starts[k], code.begin() + starts[k] + i.words);
      one.resize(i.words + kBranch + 300, reinterpret_cast<Word>(&stop));
      sequence_[k].handler(one.data(), plain.data(), memory_[0].base(), &instance_, &store_, reached.acc, reached.vacc);
      reached.pc = code.data() + starts[k] + (reached.pc - one.data());
      auto slot = [&](Field f) { return static_cast<u16>(sequence_[k].operands >> 16 * (static_cast<u32>(f) - 1)); };
      for (const Field f : {i.left, i.right})
        if (f != Field::None && i.pops && slot(f) >= kFirstTemporary) popped[slot(f)] = true;
      if (i.result != Field::None) {
        popped[slot(i.result)] = false;
        // Code that was validated never takes an i64 for an i32; here it could, of a value that is no i32.
        if (i.result_kind == 'i' && plain[slot(i.result)] >> 32 != 0) return false;
      }
    }
    const Reached expected = reached;

    std::vector<Slot> fused = before;
    prepare(1, fills);
    code[0] = reinterpret_cast<Word>(handler);
    handler(code.data(), fused.data(), memory_[1].base(), &instance_, &store_, acc, vacc);
    EXPECT_EQ(reached.pc - code.data(), expected.pc - code.data()) << "row " << row_;
    EXPECT_EQ(reached.acc, expected.acc) << "row " << row_;
    EXPECT_EQ(std::memcmp(&reached.vacc, &expected.vacc, 4), 0) << "row " << row_;
    for (u32 i = 0; i < kFrame; ++i)
      if (!popped[i]) EXPECT_EQ(fused[i], plain[i]) << "row " << row_ << " slot " << i;
    EXPECT_EQ(std::memcmp(memory_[0].base(), memory_[1].base(), kCompared), 0) << "row " << row_;
    for (u32 i = 0; i < 256; ++i) EXPECT_EQ(globals_[0][i].value[0], globals_[1][i].value[0]) << "row " << row_;
    return true;
  }
};

TEST_F(Fusion, EveryRowDoesWhatItsInstructionsDo) {
  for (row_ = 0; row_ < rows_.fused.size() && !HasFailure(); ++row_) {
    u32 compared = 0;
    for (u32 attempt = 0; attempt < 500 && compared < 3; ++attempt) {
      choose_fitting();
      const Handler handler = row_ < rows_.tuned ? fused() : rows_.fused[row_];
      if (handler == rows_.fused[row_] && compare(handler)) ++compared;
    }
    EXPECT_GT(compared, 0u) << "row " << row_ << " never applied";
  }
}

TEST_F(Fusion, NoRowIsChosenThatDoesNotFit) {
  u32 compared = 0;
  for (row_ = 0; row_ < rows_.fused.size() && !HasFailure(); ++row_) {
    for (u32 attempt = 0; attempt < 20; ++attempt) {
      choose_any();
      if (const Handler handler = fused(); handler != sequence_[0].handler) compared += compare(handler);
    }
  }
  EXPECT_GT(compared, rows_.fused.size());
}

}  // namespace
}  // namespace berth::interp
