// Any bytes, decoded and validated: an error or a module, and the same one however the bytes arrive and
// whether functions are validated as they come or at the end. What legacy exception handling is
// translated into has to be valid.

#include <cstdlib>
#include <optional>
#include <string>

#include "decode/decoder.h"
#include "validate/validate.h"
#include "wasm/names.h"

namespace berth::fuzz {
namespace {

using wasm::Module;

// Not a limit of time but of what one input may take: seconds would hide in the noise.
wasm::ModuleLimits limits() {
  wasm::ModuleLimits l;
  l.nesting_depth = 10'000;
  return l;
}
validate::Options options() {
  validate::Options o;
  o.limits = limits();
  return o;
}

// Validates each part as soon as it is decoded.
struct Loader : decode::DecodeObserver {
  std::optional<validate::ModuleValidator> validator;
  validate::ModuleValidator& at(Module& m) {
    if (!validator) validator.emplace(m, options());
    return *validator;
  }
  Result<> on_section(Module& m, wasm::SectionId id) override {
    return id == wasm::SectionId::Type ? at(m).types() : Result<>();
  }
  Result<> on_code_start(Module& m) override { return at(m).declarations(); }
  Result<> on_body(Module& m, wasm::FuncIdx f) override { return at(m).function(f); }
  Result<> on_end(Module& m) override { return at(m).finish(); }
};

Result<Module> decode_in_pieces(std::span<const u8> bytes, size_t piece, decode::DecodeObserver* observer) {
  decode::StreamDecoder decoder({}, limits(), observer);
  while (!bytes.empty()) {
    const size_t size = std::min(piece, bytes.size());
    TRY(decoder.push(bytes.first(size)));
    bytes = bytes.subspan(size);
  }
  return decoder.finish();
}

std::string outcome(const Result<Module>& m) {
  return m ? std::to_string(m->functions.size()) + " " + std::to_string(m->translated.size()) : m.error().to_string();
}

void check(bool condition) {
  if (!condition) std::abort();
}

void run(std::span<const u8> bytes) {
  const size_t piece = bytes.empty() ? 1 : 1 + bytes[bytes.size() / 2] % 64;
  auto whole = decode::decode_module(std::vector<u8>(bytes.begin(), bytes.end()), {}, limits());
  check(outcome(whole) == outcome(decode_in_pieces(bytes, piece, nullptr)));

  Loader at_once;
  Loader in_pieces;
  auto loaded = decode_in_pieces(bytes, bytes.size() + 1, &at_once);
  check(outcome(loaded) == outcome(decode_in_pieces(bytes, piece, &in_pieces)));

  if (!whole) {
    check(!loaded);
    return;
  }
  (void)wasm::Names::parse(*whole);
  (void)wasm::branch_hints(*whole);
  auto valid = validate::validate_module(*whole, options());
  check(valid.has_value() == loaded.has_value());
  if (!valid) {
    // Of translated bodies only their size may be at fault.
    check(valid.error().context().empty() || valid.error().kind() == ErrorKind::Limit ||
          valid.error().context().back().find("translating") == std::string::npos);
    return;
  }
  check(outcome(whole) == outcome(loaded));
  (void)wasm::check_branch_hints(*whole);
  for (u32 i = whole->imported_functions; i < whole->functions.size(); ++i) {
    const wasm::Function& f = whole->functions[i];
    check(f.local_slots + f.stack_slots <= limits().function_slots);
    if (!f.is_translated) continue;
    for (u32 at = 0; at < f.body.size; ++at) check(whole->original_offset(wasm::FuncIdx(i), at) <= whole->bytes.size());
  }
}

}  // namespace
}  // namespace berth::fuzz

extern "C" int LLVMFuzzerTestOneInput(const berth::u8* data, std::size_t size) {
  berth::fuzz::run({data, size});
  return 0;
}
