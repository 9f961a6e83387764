// Any bytes as a component, text that starts with a parenthesis too: an error or a component, the same one each
// time, and validation that ends with an answer.

#include <cstdlib>
#include <string>

#include "component_model/decoder.h"
#include "component_model/validator.h"
#include "engine/engine.h"
#include "text/component_parser.h"

namespace berth::fuzz {
namespace {

component_model::Limits limits() {
  component_model::Limits l;
  l.definitions = 10'000;
  l.type_size = 10'000;
  l.modules.nesting_depth = 10'000;
  return l;
}

std::string outcome(std::span<const u8> binary) {
  engine::Config config;
  config.limits = limits().modules;
  config.validation_threads = 1;
  const component_model::ModuleLoader load = [&](std::vector<u8> bytes) {
    return engine::compile_binary(std::move(bytes), config);
  };
  auto component = component_model::decode_component(binary, load, {}, limits());
  if (!component) return component.error().to_string();
  if (auto valid = component_model::validate_component(*component, {}, limits()); !valid)
    return valid.error().to_string();
  // What is valid has a type, and all of it can be spelled.
  std::string text;
  for (const auto* list : {&component->type->imports, &component->type->exports}) {
    for (const component_model::NamedExtern& e : *list) {
      text += e.name + component_model::to_string(e.type.sort);
      if (e.type.sort != component_model::Sort::Func || e.type.type.func->result == nullptr) continue;
      if (e.type.type.func->result->depth < 10) text += component_model::to_string(*e.type.type.func->result);
    }
  }
  return text;
}

void run(std::span<const u8> bytes) {
  if (!bytes.empty() && bytes[0] == '(') {
    const std::string_view source(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    auto parsed = text::parse_component(source);
    if (parsed) {
      outcome(parsed->binary);
    } else if (parsed.error().offset().value_or(0) > bytes.size()) {
      std::abort();  // errors point into the text
    }
    return;
  }
  if (outcome(bytes) != outcome(bytes)) std::abort();
}

}  // namespace
}  // namespace berth::fuzz

extern "C" int LLVMFuzzerTestOneInput(const berth::u8* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const berth::u8* data, size_t size) {
  berth::fuzz::run({data, size});
  return 0;
}
