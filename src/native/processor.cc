#include "native/processor.h"

#include <algorithm>

#include "native/processor_features.h"

namespace berth::native {

bool is_target(std::string_view target) { return target == this_target(); }

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
