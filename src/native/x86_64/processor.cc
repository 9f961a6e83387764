// What this processor has, as spec/cpu_features.def says to ask for it. See native/processor.h.
#include "native/processor.h"

#include <cpuid.h>

#include <algorithm>

namespace berth::native {
namespace {

enum class State : u8 { None, Avx, Avx512 };

struct Feature {
  std::string_view name;
  bool here;
};

struct Answer {
  u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// Each question is put to the processor once: under a hypervisor every one is a way out of the guest and back.
class Processor {
 public:
  Answer ask(u32 leaf, u32 subleaf) {
    for (u32 i = 0; i < asked_; ++i)
      if (questions_[i].leaf == leaf && questions_[i].subleaf == subleaf) return questions_[i].answer;
    Answer a;
    if (__get_cpuid_count(leaf, subleaf, &a.eax, &a.ebx, &a.ecx, &a.edx) == 0) a = {};
    if (asked_ < std::size(questions_)) questions_[asked_++] = {leaf, subleaf, a};
    return a;
  }
  // Whether the operating system keeps the registers across switches of threads.
  bool keeps(State state) {
    if (state == State::None) return true;
    if ((ask(1, 0).ecx & bit_OSXSAVE) == 0) return false;
    u32 low = 0, high = 0;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    const u32 needed = state == State::Avx ? 0x06u : 0xE6u;
    return (low & needed) == needed;
  }

 private:
  struct {
    u32 leaf, subleaf;
    Answer answer;
  } questions_[8];
  u32 asked_ = 0;
};

const auto& features() {
  static Processor processor;
  static const Feature table[] = {
#define BERTH_X86_FEATURE(name, leaf, subleaf, reg, bit, state) \
  {name, (processor.ask(leaf, subleaf).reg >> (bit) & 1) != 0 && processor.keeps(State::state)},
#include "spec/cpu_features.def"
#undef BERTH_X86_FEATURE
  };
  return table;
}

}  // namespace

bool is_target(std::string_view target) { return target == this_target(); }

std::string_view this_target() { return "x86_64-linux"; }

bool has_feature(std::string_view feature) {
  for (const Feature& f : features())
    if (f.name == feature) return f.here;
  return false;
}

std::string processor_features() {
  std::string out;
  for (const Feature& f : features()) {
    if (!f.here) continue;
    out += out.empty() ? "+" : " +";
    out += f.name;
  }
  return out;
}

std::string_view missing_feature(std::string_view cpu) {
  while (!cpu.empty()) {
    const size_t end = std::min(cpu.find(' '), cpu.size());
    const std::string_view word = cpu.substr(0, end);
    if (word.starts_with('+') && !has_feature(word.substr(1))) return word.substr(1);
    cpu.remove_prefix(std::min(end + 1, cpu.size()));
  }
  return {};
}

}  // namespace berth::native
