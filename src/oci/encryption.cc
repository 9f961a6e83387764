#include "oci/encryption.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "oci/credentials.h"

namespace berth::oci {
namespace {

constexpr std::string_view kProvider = "org.opencontainers.image.enc.keys.provider.attestation-agent";
constexpr std::string_view kJwe = "org.opencontainers.image.enc.keys.jwe";
constexpr std::string_view kPublicOptions = "org.opencontainers.image.enc.pubopts";
constexpr std::string_view kCipher = "AES_256_CTR_HMAC_SHA256";

struct Free {
  void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_MAC_CTX* p) const { EVP_MAC_CTX_free(p); }
  void operator()(EVP_MAC* p) const { EVP_MAC_free(p); }
  void operator()(BIO* p) const { BIO_free_all(p); }
};
template <typename T>
using Held = std::unique_ptr<T, Free>;

using Key = std::array<u8, 32>;

std::unexpected<Error> openssl_problem(const std::string& what) {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  ERR_clear_error();
  return fail(ErrorCode::System, what + ": " + text);
}

template <size_t N>
Result<> fill(std::array<u8, N>& bytes) {
  if (RAND_bytes(bytes.data(), static_cast<int>(N)) != 1) return openssl_problem("no randomness");
  return {};
}

std::string_view text_of(std::span<const u8> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string to_base64url(std::string_view bytes) {
  std::string out = to_base64(bytes);
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

struct Sealed {
  std::array<u8, 12> nonce{};
  std::string text;
  std::array<u8, 16> tag{};
};

// AES-256-GCM with a nonce of its own.
Result<Sealed> seal(const Key& key, std::string_view additional, std::string_view plain) {
  Sealed out;
  TRY(fill(out.nonce));
  out.text.resize(plain.size());
  const Held<EVP_CIPHER_CTX> cipher(EVP_CIPHER_CTX_new());
  auto* const to = reinterpret_cast<u8*>(out.text.data());
  int size = 0;
  if (!cipher || EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), out.nonce.data()) != 1 ||
      EVP_EncryptUpdate(cipher.get(), nullptr, &size, reinterpret_cast<const u8*>(additional.data()),
                        static_cast<int>(additional.size())) != 1 ||
      EVP_EncryptUpdate(cipher.get(), to, &size, reinterpret_cast<const u8*>(plain.data()),
                        static_cast<int>(plain.size())) != 1 ||
      EVP_EncryptFinal_ex(cipher.get(), to + size, &size) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, 16, out.tag.data()) != 1)
    return openssl_problem("encryption failed");
  return out;
}

Result<std::string> wrap_by_rsa(EVP_PKEY* key, std::string_view options) {
  Key content_key;
  TRY(fill(content_key));
  const Held<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key, nullptr));
  size_t size = static_cast<size_t>(EVP_PKEY_get_size(key));
  std::string wrapped(size, '\0');
  if (!context || EVP_PKEY_encrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_encrypt(context.get(), reinterpret_cast<u8*>(wrapped.data()), &size, content_key.data(),
                       content_key.size()) != 1)
    return openssl_problem("a key cannot be encrypted");
  wrapped.resize(size);
  const std::string header = to_base64url(R"({"alg":"RSA-OAEP","enc":"A256GCM"})");
  const Sealed sealed = TRY(seal(content_key, header, options));
  return json::to_text(json::Object{
      {"protected", header},
      {"encrypted_key", to_base64url(wrapped)},
      {"iv", to_base64url(text_of(sealed.nonce))},
      {"ciphertext", to_base64url(sealed.text)},
      {"tag", to_base64url(text_of(sealed.tag))},
  });
}

// A layer on its way through cipher and HMAC; the same bytes each time.
class Encryption {
 public:
  Key key{};
  std::array<u8, 16> counter{};

  static Result<Encryption> make() {
    Encryption out;
    TRY(fill(out.key));
    TRY(fill(out.counter));
    return out;
  }

  // Hands the encrypted bytes of the layer to `take`, and gives their HMAC.
  Result<std::array<u8, 32>> run(const Store& store, const Descriptor& layer,
                                 const std::function<Result<>(std::string_view)>& take) const {
    const File file = TRY(store.open_blob(layer));
    const Held<EVP_CIPHER_CTX> cipher(EVP_CIPHER_CTX_new());
    const Held<EVP_MAC> algorithm(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
    const Held<EVP_MAC_CTX> mac(algorithm ? EVP_MAC_CTX_new(algorithm.get()) : nullptr);
    char hash[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", hash, 0), OSSL_PARAM_construct_end()};
    if (!cipher || !mac ||
        EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_ctr(), nullptr, key.data(), counter.data()) != 1 ||
        EVP_MAC_init(mac.get(), key.data(), key.size(), params) != 1)
      return openssl_problem("encryption cannot begin");
    std::vector<u8> in(1 << 16), out(1 << 16);
    while (true) {
      const ssize_t n = read(file.get(), in.data(), in.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return std::unexpected(os_error(errno, "cannot read the layer " + layer.digest.to_string()));
      if (n == 0) break;
      int size = 0;
      if (EVP_EncryptUpdate(cipher.get(), out.data(), &size, in.data(), static_cast<int>(n)) != 1 ||
          EVP_MAC_update(mac.get(), out.data(), static_cast<size_t>(size)) != 1)
        return openssl_problem("encryption failed");
      TRY(take(text_of(std::span(out).first(static_cast<size_t>(size)))));
    }
    std::array<u8, 32> digest{};
    size_t size = 0;
    if (EVP_MAC_final(mac.get(), digest.data(), &size, digest.size()) != 1) return openssl_problem("encryption failed");
    return digest;
  }
};

Result<Descriptor> encrypt_layer(const Store& store, const Descriptor& layer, std::span<const KeyWrapper> wrappers) {
  if (layer.media_type.ends_with(kEncryptedSuffix))
    return fail(ErrorCode::BadArgument, "the layer " + layer.digest.to_string() + " is encrypted already");
  if (!media::is_tar(layer.media_type))
    return fail(ErrorCode::BadArgument, "a layer of type " + layer.media_type +
                                            " cannot be encrypted, only archives; build the image without --format");
  const Encryption encryption = TRY(Encryption::make());
  Descriptor out = layer;
  out.media_type = std::string(layer.media_type == media::kDockerTarGzip ? media::kTarGzip : layer.media_type) +
                   std::string(kEncryptedSuffix);
  // The store wants to know a blob's digest before it comes, and layers are too large to keep.
  Hasher hasher;
  const auto hmac = TRY(encryption.run(store, layer, [&](std::string_view bytes) -> Result<> {
    hasher.update(bytes);
    return {};
  }));
  out.digest = hasher.finish();
  BlobWriter writer = TRY(BlobWriter::open(store, out));
  if (!store.has(out)) {
    TRY(writer.restart());
    TRY(encryption.run(store, layer, [&](std::string_view bytes) { return writer.write(bytes); }));
    TRY(writer.finish());
  }
  const std::string options = json::to_text(json::Object{
      {"symkey", to_base64(text_of(encryption.key))},
      {"digest", layer.digest.to_string()},
      {"cipheroptions", json::Object{{"nonce", to_base64(text_of(encryption.counter))}}},
  });
  for (const KeyWrapper& wrapper : wrappers) {
    std::string& annotation = out.annotations[wrapper.annotation];
    if (!annotation.empty()) annotation += ',';
    annotation += to_base64(TRY(wrapper.wrap(options)));
  }
  out.annotations[std::string(kPublicOptions)] = to_base64(json::to_text(
      json::Object{{"cipher", kCipher}, {"hmac", to_base64(text_of(hmac))}, {"cipheroptions", json::Object{}}}));
  return out;
}

}  // namespace

KeyWrapper wrap_for_broker(std::string name, std::span<const u8> key) {
  Key own{};
  CHECK(key.size() == own.size());
  std::copy(key.begin(), key.end(), own.begin());
  return {std::string(kProvider), [name = std::move(name), own](std::string_view options) -> Result<std::string> {
            const Sealed sealed = TRY(seal(own, {}, options));
            return json::to_text(json::Object{
                {"kid", "kbs:///" + name},
                {"wrapped_data", to_base64(sealed.text + std::string(text_of(sealed.tag)))},
                {"iv", to_base64(text_of(sealed.nonce))},
                {"wrap_type", "A256GCM"},
            });
          }};
}

Result<KeyWrapper> wrap_for_public_key(std::string_view pem) {
  const Held<BIO> memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const std::shared_ptr<EVP_PKEY> key(memory ? PEM_read_bio_PUBKEY(memory.get(), nullptr, nullptr, nullptr) : nullptr,
                                      Free());
  ERR_clear_error();
  if (!key) return fail(ErrorCode::BadArgument, "there is no public key in PEM; `openssl pkey -pubout` writes one");
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key.get()) < 2048)
    return fail(ErrorCode::BadArgument, "the public key is not RSA of 2048 bits or more");
  return KeyWrapper{std::string(kJwe), [key](std::string_view options) { return wrap_by_rsa(key.get(), options); }};
}

Result<Descriptor> encrypt_image(const Store& store, const Descriptor& image, std::span<const KeyWrapper> wrappers) {
  const auto parsed = TRY(store.read_manifest(image));
  std::string text, type;
  if (const auto* index = std::get_if<Index>(&parsed)) {
    Index out = *index;
    for (Descriptor& child : out.manifests) {
      const Descriptor encrypted = TRY(encrypt_image(store, child, wrappers));
      child.digest = encrypted.digest;
      child.size = encrypted.size;
      child.media_type = encrypted.media_type;
    }
    out.media_type = media::kIndex;
    text = to_text(out);
    type = out.media_type;
  } else {
    Manifest out = std::get<Manifest>(parsed);
    if (out.layers.empty()) return fail(ErrorCode::BadArgument, "the image has no layers to encrypt");
    for (Descriptor& layer : out.layers) layer = TRY(encrypt_layer(store, layer, wrappers));
    out.media_type = media::kManifest;
    if (out.config.media_type == media::kDockerConfig) out.config.media_type = media::kConfig;
    text = to_text(out);
    type = out.media_type;
  }
  Descriptor out = describe(text, type);
  TRY(store.add(text, out.digest));
  return out;
}

}  // namespace berth::oci
