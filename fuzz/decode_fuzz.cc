// Any bytes, decoded and validated: an error or a module, and the same one however the bytes arrive.

#include <cstdlib>

#include "decode/decoder.h"
#include "validate/validate.h"

namespace berth::fuzz {
namespace {

using Module = Result<wasm::Module>;

Module decode_in_pieces(std::span<const u8> bytes, size_t piece) {
  decode::StreamDecoder decoder({}, {});
  while (!bytes.empty()) {
    const size_t size = std::min(piece, bytes.size());
    if (auto pushed = decoder.push(bytes.first(size)); !pushed) return std::unexpected(std::move(pushed.error()));
    bytes = bytes.subspan(size);
  }
  return decoder.finish();
}

// Whether both are the same error, or both modules.
bool agree(const Module& a, const Module& b) {
  if (a.has_value() != b.has_value()) return false;
  return a || (a.error().code() == b.error().code() && a.error().offset() == b.error().offset());
}

}  // namespace
}  // namespace berth::fuzz

extern "C" int LLVMFuzzerTestOneInput(const berth::u8* data, std::size_t size) {
  using namespace berth;
  const std::span<const u8> bytes(data, size);
  auto whole = decode::decode_module(std::vector<u8>(bytes.begin(), bytes.end()));
  const size_t piece = size == 0 ? 1 : 1 + data[size / 2] % 64;
  if (!fuzz::agree(whole, fuzz::decode_in_pieces(bytes, piece))) std::abort();
  if (whole) (void)validate::validate_module(*whole);
  return 0;
}
