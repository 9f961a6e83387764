// Any bytes as a component, text that starts with a parenthesis too: an error or a component, the same one each
// time, and validation that ends with an answer. What is decoded prints as text that comes back as the same component;
// what is valid has a world in WIT, and can be put together with itself or not.

#include <cstdlib>
#include <string>

#include "component_model/compose.h"
#include "component_model/decoder.h"
#include "component_model/printer.h"
#include "component_model/validator.h"
#include "component_model/wit.h"
#include "decode/decoder.h"
#include "text/component_parser.h"
#include "validate/validate.h"

namespace berth::fuzz {
namespace {

component_model::Limits limits() {
  component_model::Limits l;
  l.definitions = 10'000;
  l.type_size = 10'000;
  l.modules.nesting_depth = 10'000;
  return l;
}

const component_model::ModuleLoader& loader() {
  static const component_model::ModuleLoader load =
      [](std::vector<u8> bytes) -> Result<std::shared_ptr<const wasm::Module>> {
    auto module = std::make_shared<wasm::Module>(TRY(decode::decode_module(std::move(bytes), {}, limits().modules)));
    validate::Options options;
    options.limits = limits().modules;
    TRY(validate::validate_module(*module, options));
    return module;
  };
  return load;
}

void print_and_read(const component_model::Component& component) {
  text::PrintOptions options;
  options.max_bytes = 1 << 20;
  const auto printed = component_model::print_component(component, options);
  if (!printed) {
    if (printed.error().code() != ErrorCode::LimitExceeded) std::abort();
    return;
  }
  const auto parsed = text::parse_component(*printed);
  if (!parsed) std::abort();
  const auto again = component_model::decode_component(parsed->binary, loader(), {}, limits());
  if (!again) std::abort();
  const auto printed_again = component_model::print_component(*again, options);
  if (!printed_again || *printed_again != *printed) std::abort();
}

void put_together(const component_model::Component& component, std::span<const u8> binary) {
  const component_model::Part part{&component, binary, "part"};
  const component_model::Part parts[] = {part, part};
  for (const size_t count : {1, 2}) {
    const auto made = component_model::compose(std::span(parts).first(count), loader());
    // What comes of it is valid.
    if (made && !component_model::decode_component(made->binary, loader(), {}, limits())) std::abort();
  }
}

std::string outcome(std::span<const u8> binary) {
  auto component = component_model::decode_component(binary, loader(), {}, limits());
  if (!component) return component.error().to_string();
  print_and_read(*component);
  if (auto valid = component_model::validate_component(*component, {}, limits()); !valid)
    return valid.error().to_string();
  put_together(*component, binary);
  // What is valid has a type, and all of it can be spelled.
  const auto wit = component_model::to_wit(*component);
  if (!wit && wit.error().code() != ErrorCode::LimitExceeded) std::abort();
  std::string text = wit ? *wit : "";
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
