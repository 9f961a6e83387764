#include "measure/hash.h"

#include <openssl/evp.h>

#include "base/result.h"

namespace berth::measure {
namespace {

template <typename Digest>
Digest digest(const EVP_MD* algorithm, std::initializer_list<std::span<const u8>> parts) {
  Digest out;
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  CHECK(context != nullptr && EVP_DigestInit_ex(context, algorithm, nullptr) == 1);
  for (const auto part : parts) CHECK(EVP_DigestUpdate(context, part.data(), part.size()) == 1);
  CHECK(EVP_DigestFinal_ex(context, out.data(), nullptr) == 1);
  EVP_MD_CTX_free(context);
  return out;
}

}  // namespace

Sha256 sha256(std::initializer_list<std::span<const u8>> parts) { return digest<Sha256>(EVP_sha256(), parts); }
Sha384 sha384(std::initializer_list<std::span<const u8>> parts) { return digest<Sha384>(EVP_sha384(), parts); }

Sha384Stream::Sha384Stream() : context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr && EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), EVP_sha384(), nullptr) == 1);
}

Sha384Stream::~Sha384Stream() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }

void Sha384Stream::update(std::span<const u8> bytes) {
  CHECK(EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size()) == 1);
}

Sha384 Sha384Stream::finish() {
  Sha384 out;
  CHECK(EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), out.data(), nullptr) == 1);
  return out;
}

std::string to_hex(std::span<const u8> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const u8 byte : bytes) out += {kDigits[byte >> 4], kDigits[byte & 15]};
  return out;
}

u64 read_le(std::span<const u8> bytes, size_t offset, size_t size) {
  CHECK(size <= 8 && offset <= bytes.size() && size <= bytes.size() - offset);
  u64 value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | bytes[offset + i];
  return value;
}

void append_le(std::vector<u8>& out, u64 value, size_t size) {
  for (size_t i = 0; i < size; ++i) out.push_back(static_cast<u8>(value >> (8 * i)));
}

void store_le(std::span<u8> bytes, size_t offset, u64 value, size_t size) {
  CHECK(size <= 8 && offset <= bytes.size() && size <= bytes.size() - offset);
  for (size_t i = 0; i < size; ++i) bytes[offset + i] = static_cast<u8>(value >> (8 * i));
}

}  // namespace berth::measure
