#include "native/perf_map.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "wasm/names.h"

namespace berth::native {

void write_perf_map(const Artifact& artifact, const wasm::Module& module) {
  const char* const wanted = std::getenv("BERTH_PERF");
  if (wanted == nullptr || std::string_view(wanted) != "map") return;
  struct Symbol {
    u64 address;
    u32 function;
  };
  std::vector<Symbol> symbols;
  const u32 defined = artifact.header().defined_functions;
  for (u32 i = 0; i < defined; ++i) {
    if (const void* const code = artifact.function_code(i))
      symbols.push_back({reinterpret_cast<u64>(code), module.imported_functions + i});
  }
  std::ranges::sort(symbols, {}, &Symbol::address);

  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::FILE* const file = std::fopen(("/tmp/perf-" + std::to_string(getpid()) + ".map").c_str(), "ae");
  if (file == nullptr) return;
  const auto names = wasm::Names::parse(module);
  for (size_t i = 0; i < symbols.size(); ++i) {
    const u64 end = i + 1 < symbols.size() ? symbols[i + 1].address : artifact.text_end();
    const auto name = names.function(wasm::FuncIdx(symbols[i].function));
    std::string text = name ? std::string(*name) : "wasm-function[" + std::to_string(symbols[i].function) + "]";
    std::ranges::replace_if(text, [](char c) { return c == '\n' || c == '\r'; }, '?');
    std::fprintf(file, "%llx %llx %s\n", static_cast<unsigned long long>(symbols[i].address),
                 static_cast<unsigned long long>(end - symbols[i].address), text.c_str());
  }
  std::fclose(file);
}

}  // namespace berth::native
