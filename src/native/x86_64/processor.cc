// See native/processor_features.h.
#include "native/processor_features.h"

#include <cpuid.h>

namespace berth::native {
namespace {

enum class State : u8 { None, Avx, Avx512 };

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

}  // namespace

std::string_view this_target() { return "x86_64-linux"; }

std::span<const Feature> features() {
  static Processor processor;
  static const Feature table[] = {
#define BERTH_X86_FEATURE(name, leaf, subleaf, reg, bit, state) \
  {name, (processor.ask(leaf, subleaf).reg >> (bit) & 1) != 0 && processor.keeps(State::state)},
#include "spec/cpu_features.def"
  };
  return table;
}

}  // namespace berth::native
