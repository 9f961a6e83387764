#include "text/words.h"

#include <array>

namespace berth::text {

namespace {
constexpr std::string_view kTexts[] = {
#define BERTH_OP(id, prefix, code, mnemonic, imm, sig, feature, width, constant) mnemonic,
#include "spec/opcodes.def"
#undef BERTH_OP
#define BERTH_WORD(id, text) text,
    BERTH_WORDS
#undef BERTH_WORD
};
static_assert(std::size(kTexts) == kw::kEnd);

constexpr u32 kSlots = 4096;  // a power of two, several times the number of words

constexpr u32 hash(std::string_view s) {
  u32 h = static_cast<u32>(s.size());
  for (const char c : s) h = (h ^ static_cast<u8>(c)) * 0x01000193;
  return h ^ h >> 15;
}

struct Slots {
  std::array<Word, kSlots> word;
  constexpr Slots() : word() {
    word.fill(kw::kUnknown);
    for (Word w = 0; w < kw::kEnd; ++w) {
      u32 i = hash(kTexts[w]) % kSlots;
      while (word[i] != kw::kUnknown && kTexts[word[i]] != kTexts[w]) i = (i + 1) % kSlots;
      if (word[i] == kw::kUnknown) word[i] = w;
    }
  }
};
constexpr Slots kWordSlots;
}  // namespace

Word find_word(std::string_view text) {
  for (u32 i = hash(text) % kSlots;; i = (i + 1) % kSlots) {
    const Word w = kWordSlots.word[i];
    if (w == kw::kUnknown || kTexts[w] == text) return w;
  }
}

}  // namespace berth::text
