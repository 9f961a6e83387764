#include "broker/seal.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <climits>
#include <memory>

#include "attest/crypto.h"
#include "broker/problem.h"

namespace berth::broker {
namespace {

struct Free {
  void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, Free>;

constexpr size_t kKeySize = 32;

Result<> check_sizes(std::span<const u8> key, std::span<const u8> additional, std::span<const u8> text) {
  if (key.size() != kKeySize) return problem("a key of AES-256-GCM has 32 bytes");
  if (additional.size() > INT_MAX || text.size() > INT_MAX) return problem("there is too much to encrypt");
  return {};
}

}  // namespace

Result<Sealed> seal(std::span<const u8> key, std::span<const u8> additional, std::span<const u8> plain) {
  TRY(check_sizes(key, additional, plain));
  Sealed out;
  std::ranges::copy(TRY(random_bytes(out.nonce.size())), out.nonce.begin());
  out.text.resize(plain.size());
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  if (!cipher || EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), out.nonce.data()) != 1 ||
      EVP_EncryptUpdate(cipher.get(), nullptr, &size, additional.data(), static_cast<int>(additional.size())) != 1 ||
      EVP_EncryptUpdate(cipher.get(), out.text.data(), &size, plain.data(), static_cast<int>(plain.size())) != 1 ||
      EVP_EncryptFinal_ex(cipher.get(), out.text.data() + size, &size) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, 16, out.tag.data()) != 1)
    return problem("encryption failed: " + attest::openssl_reason());
  return out;
}

Result<attest::Blob> unseal(std::span<const u8> key, std::span<const u8> additional, const Sealed& sealed) {
  TRY(check_sizes(key, additional, sealed.text));
  attest::Blob out(sealed.text.size());
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  std::array<u8, 16> tag = sealed.tag;
  if (!cipher || EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), sealed.nonce.data()) != 1 ||
      EVP_DecryptUpdate(cipher.get(), nullptr, &size, additional.data(), static_cast<int>(additional.size())) != 1 ||
      EVP_DecryptUpdate(cipher.get(), out.data(), &size, sealed.text.data(), static_cast<int>(sealed.text.size())) !=
          1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, 16, tag.data()) != 1 ||
      EVP_DecryptFinal_ex(cipher.get(), out.data() + size, &size) != 1) {
    (void)attest::openssl_reason();
    return problem("it was changed, or is encrypted with another key");
  }
  return out;
}

Result<attest::Blob> random_bytes(size_t count) {
  attest::Blob out(count);
  if (count > INT_MAX || RAND_bytes(out.data(), static_cast<int>(count)) != 1)
    return problem("no randomness: " + attest::openssl_reason());
  return out;
}

}  // namespace berth::broker
