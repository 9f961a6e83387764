#include "broker/jose.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <climits>

#include "attest/encoding.h"
#include "broker/problem.h"
#include "broker/seal.h"

namespace berth::broker {
namespace {

using attest::Blob;

struct Free {
  void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
  void operator()(OSSL_PARAM_BLD* p) const { OSSL_PARAM_BLD_free(p); }
  void operator()(OSSL_PARAM* p) const { OSSL_PARAM_free(p); }
  void operator()(BIGNUM* p) const { BN_free(p); }
};
template <typename T>
using Held = std::unique_ptr<T, Free>;

struct CurveInfo {
  std::string_view name;  // in a JWK
  const char* group;      // in OpenSSL
  size_t size;            // bytes of a coordinate
};
constexpr CurveInfo kCurves[] = {{"P-256", "P-256", 32}, {"P-384", "P-384", 48}, {"P-521", "P-521", 66}};

constexpr std::string_view kEcdhEs = "ECDH-ES+A256KW", kEncryption = "A256GCM";
constexpr size_t kKeySize = 32;

std::unexpected<Error> openssl_problem(const std::string& what) {
  return problem(what + ": " + attest::openssl_reason());
}

Result<Blob> member(const json::Value& jwk, std::string_view name) {
  const auto bytes = attest::from_base64url(jwk.text_at({name}));
  if (!bytes || bytes->empty()) return problem("its \"" + std::string(name) + "\" is missing, or no base64url");
  return *bytes;
}

Result<attest::Key> key_of(const char* type, OSSL_PARAM_BLD* builder) {
  const Held<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(builder));
  const Held<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return openssl_problem("the key cannot be used");
  attest::Key out(key);
  const Held<EVP_PKEY_CTX> check(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (!check || EVP_PKEY_public_check(check.get()) != 1) return openssl_problem("the key is not valid");
  return out;
}

Result<attest::Key> curve_key(const json::Value& jwk, const CurveInfo& curve) {
  const Blob x = TRY(member(jwk, "x")), y = TRY(member(jwk, "y"));
  if (x.size() != curve.size || y.size() != curve.size)
    return problem("its coordinates are not of " + std::to_string(curve.size) + " bytes, as on " +
                   std::string(curve.name));
  Blob point = {POINT_CONVERSION_UNCOMPRESSED};
  point.insert(point.end(), x.begin(), x.end());
  point.insert(point.end(), y.begin(), y.end());
  const Held<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group, 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1)
    return openssl_problem("no key was made");
  return key_of("EC", builder.get());
}

Result<attest::Key> rsa_key(const json::Value& jwk) {
  const Blob n = TRY(member(jwk, "n")), e = TRY(member(jwk, "e"));
  if (n.size() < 256 || n.size() > 1024) return problem("an RSA key has 2048 to 8192 bits");
  if (e.size() > 8) return problem("its exponent is too large");
  const Held<BIGNUM> modulus(BN_bin2bn(n.data(), static_cast<int>(n.size()), nullptr));
  const Held<BIGNUM> exponent(BN_bin2bn(e.data(), static_cast<int>(e.size()), nullptr));
  const Held<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (!modulus || !exponent || !builder ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1)
    return openssl_problem("no key was made");
  return key_of("RSA", builder.get());
}

void append_big_endian(Blob& out, size_t value) {
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<u8>(value >> shift));
}

// RFC 7518, 4.6.2, for one block of SHA-256 and no party information.
attest::Sha256 concat_kdf(std::span<const u8> secret) {
  Blob in;
  append_big_endian(in, 1);
  in.insert(in.end(), secret.begin(), secret.end());
  append_big_endian(in, kEcdhEs.size());
  in.insert(in.end(), kEcdhEs.begin(), kEcdhEs.end());
  append_big_endian(in, 0);
  append_big_endian(in, 0);
  append_big_endian(in, kKeySize * 8);
  return attest::sha256(in);
}

struct Agreement {
  Blob secret;
  json::Value ephemeral;  // the other half's JWK
};

Result<Agreement> agree(const attest::Key& recipient, const std::string& curve) {
  const auto info = std::ranges::find(kCurves, curve, &CurveInfo::name);
  const attest::Key own(EVP_EC_gen(info->group));
  if (!own.get()) return openssl_problem("no key was made");
  const Held<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(own.get(), nullptr));
  size_t size = 0;
  if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), recipient.get()) != 1 ||
      EVP_PKEY_derive(context.get(), nullptr, &size) != 1)
    return openssl_problem("keys do not go together");
  Blob secret(size);
  if (EVP_PKEY_derive(context.get(), secret.data(), &size) != 1) return openssl_problem("keys do not go together");
  secret.resize(size);
  u8 point[1 + 2 * 66];
  size_t length = 0;
  if (EVP_PKEY_get_octet_string_param(own.get(), OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &length) != 1 ||
      length != 1 + 2 * info->size)
    return openssl_problem("the key has no point");
  const auto half = [&](size_t at) { return attest::to_base64url(std::span(point).subspan(1 + at, info->size)); };
  return Agreement{std::move(secret),
                   json::Object{{"crv", info->name}, {"kty", "EC"}, {"x", half(0)}, {"y", half(info->size)}}};
}

// RFC 3394.
Result<Blob> wrap_key(std::span<const u8> key, std::span<const u8> plain) {
  const Held<EVP_CIPHER_CTX> cipher(EVP_CIPHER_CTX_new());
  Blob out(plain.size() + 16);
  int size = 0, more = 0;
  if (cipher) EVP_CIPHER_CTX_set_flags(cipher.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  if (!cipher || EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_wrap(), nullptr, key.data(), nullptr) != 1 ||
      EVP_EncryptUpdate(cipher.get(), out.data(), &size, plain.data(), static_cast<int>(plain.size())) != 1 ||
      EVP_EncryptFinal_ex(cipher.get(), out.data() + size, &more) != 1)
    return openssl_problem("a key cannot be wrapped");
  out.resize(static_cast<size_t>(size + more));
  return out;
}

Result<Blob> encrypt_rsa(const attest::Key& key, const EVP_MD* digest, std::span<const u8> plain) {
  const Held<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key.get(), nullptr));
  size_t size = 0;
  if (!context || EVP_PKEY_encrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), digest) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), digest) != 1 ||
      EVP_PKEY_encrypt(context.get(), nullptr, &size, plain.data(), plain.size()) != 1)
    return openssl_problem("a key cannot be encrypted");
  Blob out(size);
  if (EVP_PKEY_encrypt(context.get(), out.data(), &size, plain.data(), plain.size()) != 1)
    return openssl_problem("a key cannot be encrypted");
  out.resize(size);
  return out;
}

}  // namespace

Result<Recipient> Recipient::parse(const json::Value& jwk) {
  const std::string_view type = jwk.text_at({"kty"}), algorithm = jwk.text_at({"alg"});
  if (type == "EC") {
    const std::string_view name = jwk.text_at({"crv"});
    const auto curve = std::ranges::find(kCurves, name, &CurveInfo::name);
    if (curve == std::end(kCurves)) return problem("its curve is none of P-256, P-384 and P-521");
    if (algorithm != kEcdhEs) return problem("its \"alg\" is not " + std::string(kEcdhEs));
    return Recipient(Algorithm::EcdhEs, TRY(curve_key(jwk, *curve)), std::string(name));
  }
  if (type == "RSA") {
    if (algorithm != "RSA-OAEP-256" && algorithm != "RSA-OAEP")
      return problem("its \"alg\" is neither RSA-OAEP-256 nor RSA-OAEP");
    return Recipient(algorithm == "RSA-OAEP" ? Algorithm::RsaOaep : Algorithm::RsaOaep256, TRY(rsa_key(jwk)), {});
  }
  return problem("its \"kty\" is neither EC nor RSA");
}

Result<json::Value> Recipient::encrypt(std::span<const u8> plain) const {
  const Blob key = TRY(random_bytes(kKeySize));
  json::Value header;
  Blob wrapped;
  if (algorithm_ == Algorithm::EcdhEs) {
    Agreement agreement = TRY(agree(key_, curve_));
    wrapped = TRY(wrap_key(concat_kdf(agreement.secret), key));
    header = json::Object{{"alg", kEcdhEs}, {"enc", kEncryption}, {"epk", std::move(agreement.ephemeral)}};
  } else {
    const bool is_newer = algorithm_ == Algorithm::RsaOaep256;
    wrapped = TRY(encrypt_rsa(key_, is_newer ? EVP_sha256() : EVP_sha1(), key));
    header = json::Object{{"alg", is_newer ? "RSA-OAEP-256" : "RSA-OAEP"}, {"enc", kEncryption}};
  }
  const std::string protected_header = attest::to_base64url(attest::bytes_of(json::to_text(header)));
  const Sealed sealed = TRY(seal(key, attest::bytes_of(protected_header), plain));
  return json::Object{
      {"protected", protected_header},
      {"encrypted_key", attest::to_base64url(wrapped)},
      {"iv", attest::to_base64url(sealed.nonce)},
      {"ciphertext", attest::to_base64url(sealed.text)},
      {"tag", attest::to_base64url(sealed.tag)},
  };
}

std::string canonical(const json::Value& value) {
  // Names compare by their bytes, which for names without characters beyond the basic plane is RFC 8785's order.
  struct Sorter {
    static json::Value sorted(const json::Value& in) {
      if (in.is(json::Kind::Array)) {
        json::Array items;
        for (const json::Value& item : in.items()) items.push_back(sorted(item));
        return items;
      }
      if (!in.is(json::Kind::Object)) return in;
      json::Object members;
      for (const json::Member& member : in.members()) members.push_back({member.name, sorted(member.value)});
      std::ranges::sort(members, {}, &json::Member::name);
      return members;
    }
  };
  return json::to_text(Sorter::sorted(value));
}

}  // namespace berth::broker
