// Any text, parsed as a module and as a script: an error that can be shown, or bytes that can be decoded.

#include <string_view>

#include "decode/decoder.h"
#include "text/diagnostic.h"
#include "text/parser.h"
#include "text/script.h"
#include "validate/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const berth::u8* data, std::size_t size) {
  using namespace berth;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  if (auto parsed = text::parse_module(source)) {
    auto module = decode::decode_module(parsed->binary);
    const Result<> valid = module ? validate::validate_module(*module) : Result<>();
    if (!module) (void)text::render("fuzz.wat", source, module.error(), &parsed->map);
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
