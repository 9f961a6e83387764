#include "keep/jwe.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <climits>

#include "keep/problem.h"

namespace berth::keep {
namespace {

struct Free {
  void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, Free>;

constexpr std::string_view kAlgorithm = "ECDH-ES+A256KW", kEncryption = "A256GCM";
constexpr size_t kKeySize = 32;

void append_big_endian(std::vector<u8>& out, u32 value) {
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<u8>(value >> shift));
}

// RFC 7518, 4.6.2, for one block of SHA-256 and no party information.
attest::Sha256 concat_kdf(std::span<const u8> secret) {
  std::vector<u8> in;
  append_big_endian(in, 1);
  in.insert(in.end(), secret.begin(), secret.end());
  append_big_endian(in, kAlgorithm.size());
  in.insert(in.end(), kAlgorithm.begin(), kAlgorithm.end());
  append_big_endian(in, 0);
  append_big_endian(in, 0);
  append_big_endian(in, kKeySize * 8);
  return attest::sha256(in);
}

Result<std::vector<u8>> agree(const attest::Key& own, const attest::Key& other) {
  const std::unique_ptr<EVP_PKEY_CTX, Free> context(EVP_PKEY_CTX_new(own.get(), nullptr));
  size_t size = 0;
  if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), other.get()) != 1 || EVP_PKEY_derive(context.get(), nullptr, &size) != 1)
    return problem("keys do not go together: " + attest::openssl_reason());
  std::vector<u8> secret(size);
  if (EVP_PKEY_derive(context.get(), secret.data(), &size) != 1)
    return problem("keys do not go together: " + attest::openssl_reason());
  secret.resize(size);
  return secret;
}

// RFC 3394.
Result<std::vector<u8>> unwrap_key(std::span<const u8> key, std::span<const u8> wrapped) {
  const Cipher cipher(EVP_CIPHER_CTX_new());
  if (wrapped.size() != kKeySize + 8) return problem("a wrapped key is not of 40 bytes");
  std::vector<u8> out(wrapped.size() + 16);
  int size = 0, more = 0;
  if (cipher) EVP_CIPHER_CTX_set_flags(cipher.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  if (!cipher || EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_wrap(), nullptr, key.data(), nullptr) != 1 ||
      EVP_DecryptUpdate(cipher.get(), out.data(), &size, wrapped.data(), static_cast<int>(wrapped.size())) != 1 ||
      EVP_DecryptFinal_ex(cipher.get(), out.data() + size, &more) != 1 || size + more != static_cast<int>(kKeySize)) {
    (void)attest::openssl_reason();
    return problem("it is not encrypted to this key");
  }
  out.resize(kKeySize);
  return out;
}

Result<std::vector<u8>> member(const json::Value& object, std::string_view name) {
  auto bytes = attest::from_base64url(object.text_at({name}));
  if (!bytes || !object.find(name)) return problem("\"" + std::string(name) + "\" is missing, or no base64url");
  return std::move(*bytes);
}

}  // namespace

Result<RecipientKey> RecipientKey::generate() { return RecipientKey(TRY(attest::Key::generate(attest::Curve::P256))); }

json::Value RecipientKey::public_jwk() const {
  const attest::Blob point = key_.point();
  const auto half = [&](size_t at) { return attest::to_base64url(std::span(point).subspan(at, 32)); };
  return json::Object{{"alg", kAlgorithm}, {"crv", "P-256"}, {"kty", "EC"}, {"x", half(0)}, {"y", half(32)}};
}

Result<std::vector<u8>> RecipientKey::decrypt(const json::Value& jwe) const {
  const std::string_view header_text = jwe.text_at({"protected"});
  const auto header_bytes = TRY(member(jwe, "protected"));
  const json::Value header = TRY(json::parse(attest::text_of(header_bytes)));
  if (header.text_at({"alg"}) != kAlgorithm || header.text_at({"enc"}) != kEncryption)
    return problem("it is encrypted with " + std::string(header.text_at({"alg"})) + " and " +
                   std::string(header.text_at({"enc"})) + "; ECDH-ES+A256KW and A256GCM was asked for");
  const json::Value* const epk = header.find("epk");
  if (!epk || epk->text_at({"crv"}) != "P-256") return problem("its header has no key of P-256");
  std::vector<u8> point = TRY(member(*epk, "x"));
  const auto y = TRY(member(*epk, "y"));
  if (point.size() != 32 || y.size() != 32) return problem("its header's key is not of P-256");
  point.insert(point.end(), y.begin(), y.end());
  const attest::Key other = TRY(attest::Key::from_point(attest::Curve::P256, point));
  const auto secret = TRY(agree(key_, other));
  const auto wrapped = TRY(member(jwe, "encrypted_key"));
  const auto key = TRY(unwrap_key(concat_kdf(secret), wrapped));
  return decrypt_gcm(key, TRY(member(jwe, "iv")), attest::bytes_of(header_text), TRY(member(jwe, "ciphertext")),
                     TRY(member(jwe, "tag")));
}

Result<std::vector<u8>> decrypt_gcm(std::span<const u8> key, std::span<const u8> nonce, std::span<const u8> additional,
                                    std::span<const u8> text, std::span<const u8> tag) {
  if (key.size() != kKeySize || nonce.size() != 12 || tag.size() != 16 || text.size() > INT_MAX ||
      additional.size() > INT_MAX)
    return problem("a key, nonce or tag of AES-256-GCM has a wrong size");
  const Cipher cipher(EVP_CIPHER_CTX_new());
  std::vector<u8> out(text.size());
  int size = 0;
  if (!cipher || EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), nonce.data()) != 1 ||
      EVP_DecryptUpdate(cipher.get(), nullptr, &size, additional.data(), static_cast<int>(additional.size())) != 1 ||
      EVP_DecryptUpdate(cipher.get(), out.data(), &size, text.data(), static_cast<int>(text.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, 16, const_cast<u8*>(tag.data())) != 1 ||
      EVP_DecryptFinal_ex(cipher.get(), out.data() + size, &size) != 1) {
    (void)attest::openssl_reason();
    return problem("it was changed, or is encrypted with another key");
  }
  return out;
}

Result<std::vector<u8>> crypt_ctr(std::span<const u8> key, std::span<const u8> counter, std::span<const u8> text) {
  if (key.size() != kKeySize || counter.size() != 16 || text.size() > INT_MAX)
    return problem("a key or counter of AES-256-CTR has a wrong size");
  const Cipher cipher(EVP_CIPHER_CTX_new());
  std::vector<u8> out(text.size());
  int size = 0;
  if (!cipher || EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_ctr(), nullptr, key.data(), counter.data()) != 1 ||
      EVP_DecryptUpdate(cipher.get(), out.data(), &size, text.data(), static_cast<int>(text.size())) != 1)
    return problem("AES-256-CTR failed: " + attest::openssl_reason());
  return out;
}

Result<std::vector<u8>> hmac_sha256(std::span<const u8> key, std::span<const u8> text) {
  std::vector<u8> out(32);
  unsigned size = 0;
  if (key.size() > INT_MAX ||
      !HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), text.data(), text.size(), out.data(), &size))
    return problem("HMAC failed: " + attest::openssl_reason());
  return out;
}

}  // namespace berth::keep
