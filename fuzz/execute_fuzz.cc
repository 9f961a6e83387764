// A module made of the input (fuzz/generator.h), executed: it must be valid, must end within its fuel,
// and must do the same each time. What a run did is all that its functions returned or how they ended,
// and the bytes of its memories.

#include "fuzz/generator.h"
#include "fuzz/observe.h"

extern "C" int LLVMFuzzerTestOneInput(const berth::u8* data, std::size_t size) {
  using namespace berth;
  // Made once; the process ends with it.
  static const auto engine = [] {
    engine::Config config;
    config.fuel = true;
    config.deterministic = true;
    auto made = engine::Engine::create(config);
    if (!made) fuzz::fail(made.error().to_string());
    return std::move(*made);
  }();
  const auto module = engine::compile_binary(fuzz::generate_module({data, size}), engine->config());
  if (!module) fuzz::fail("the generator made an invalid module: " + module.error().to_string());
  const std::string first = fuzz::observe(*engine, *module);
  const std::string second = fuzz::observe(*engine, *module);
  if (first != second) fuzz::fail("two runs differ:\n" + first + "---\n" + second);
  return 0;
}
