// Any text, parsed as a module and as a script: an error that can be shown, or bytes that can be decoded.
// What was decoded is printed, and the print has to be read back to what prints the same.

#include <optional>
#include <string>
#include <string_view>

#include "decode/decoder.h"
#include "text/diagnostic.h"
#include "text/parser.h"
#include "text/printer.h"
#include "text/script.h"
#include "validate/validate.h"

namespace {

using namespace berth;

constexpr u64 kMaxText = 16 << 20;

// What `module` is printed as, read back; nothing if a body is malformed or there is too much.
std::optional<wasm::Module> print_and_read(const wasm::Module& module, const text::PrintOptions& options,
                                           std::string& out) {
  auto printed = text::print_module(module, options);
  if (!printed) return std::nullopt;
  out = std::move(*printed);
  auto parsed = text::parse_module(out);
  CHECK(parsed);
  auto read = decode::decode_module(std::move(parsed->binary));
  CHECK(read);
  return std::move(*read);
}

void check_print(const wasm::Module& module, text::PrintOptions options) {
  std::string first, second, third;
  // The first time may put in order what can be encoded in more than one way.
  const auto once = print_and_read(module, options, first);
  if (!once) return;
  options.max_bytes = ~u64{0};
  const auto twice = print_and_read(*once, options, second);
  CHECK(twice);
  CHECK(print_and_read(*twice, options, third));
  CHECK(second == third);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  if (auto parsed = text::parse_module(source)) {
    auto module = decode::decode_module(std::move(parsed->binary));
    const Result<> valid = module ? validate::validate_module(*module) : Result<>();
    if (!module) (void)text::render("fuzz.wat", source, module.error(), &parsed->map);
    if (module) {
      check_print(*module, {.max_bytes = kMaxText});
      check_print(*module, {.folded = true, .names = false, .max_bytes = kMaxText});
    }
    if (!valid) (void)text::render("fuzz.wat", source, valid.error(), &parsed->map);
  } else {
    (void)text::render("fuzz.wat", source, parsed.error());
  }
  if (const auto script = text::parse_script(source)) {
    for (const text::Command& command : script->commands) {
      (void)text::command_name(command);
      if (const auto* module = std::get_if<text::ScriptModule>(&command.body)) (void)module->parse(source);
    }
  } else {
    (void)text::render("fuzz.wast", source, script.error());
  }
  return 0;
}
