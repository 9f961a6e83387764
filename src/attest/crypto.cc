#include "attest/crypto.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <climits>

namespace berth::attest {
namespace {

struct FreeMore {
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
  void operator()(ECDSA_SIG* p) const { ECDSA_SIG_free(p); }
  void operator()(BIGNUM* p) const { BN_free(p); }
};
template <typename T>
using Own = std::unique_ptr<T, FreeMore>;

// What a password is asked with: there is none.
int no_password(char*, int, int, void*) { return 0; }

size_t size_of(Curve curve) { return curve == Curve::P256 ? 32 : 48; }
const char* name_of(Curve curve) { return curve == Curve::P256 ? "prime256v1" : "secp384r1"; }

Blob to_der(EVP_PKEY* key) {
  u8* out = nullptr;
  const int n = i2d_PUBKEY(key, &out);
  Blob der(out, out + (n > 0 ? n : 0));
  OPENSSL_free(out);
  return der;
}

std::string drain(BIO* bio) {
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio, &data);
  return n > 0 ? std::string(data, static_cast<size_t>(n)) : std::string();
}

}  // namespace

Sha256 sha256(std::span<const u8> bytes) {
  Sha256 out;
  SHA256(bytes.data(), bytes.size(), out.data());
  return out;
}

Sha384 sha384(std::span<const u8> bytes) {
  Sha384 out;
  SHA384(bytes.data(), bytes.size(), out.data());
  return out;
}

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* const reason = code ? ERR_reason_error_string(code) : nullptr;
  return reason ? reason : "";
}

Result<Key> Key::from_public_der(std::span<const u8> der) {
  if (der.size() > 16384) return fail(kBadEvidence, "a public key of more than 16 KiB");
  const u8* p = der.data();
  Key key(d2i_PUBKEY(nullptr, &p, static_cast<long>(der.size())));
  if (!key.get() || p != der.data() + der.size()) {
    ERR_clear_error();
    return fail(kBadEvidence, "the public key is malformed");
  }
  return key;
}

Result<Key> Key::from_point(Curve curve, std::span<const u8> coordinates) {
  const auto refuse = [&] {
    ERR_clear_error();
    return fail(kBadEvidence, "the public key is no point of its curve");
  };
  if (coordinates.size() != 2 * size_of(curve)) return refuse();
  Blob point = {4};
  point.insert(point.end(), coordinates.begin(), coordinates.end());
  std::string group = name_of(curve);
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_end(),
  };
  const Own<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
    return refuse();
  }
  return Key(key);
}

Result<Key> Key::from_private_pem(std::string_view pem) {
  if (pem.size() > 65536) return fail(ErrorCode::BadArgument, "a private key of more than 64 KiB");
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  if (!key.get()) return fail(ErrorCode::BadArgument, "no private key in PEM (encrypted ones are not read)");
  return key;
}

Result<Key> Key::generate(Curve curve) {
  EVP_PKEY* key = EVP_EC_gen(name_of(curve));
  if (!key) return fail(ErrorCode::System, "no key could be made: " + openssl_reason());
  return Key(key);
}

std::string Key::to_private_pem() const {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  CHECK(bio && PEM_write_bio_PKCS8PrivateKey(bio.get(), get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return drain(bio.get());
}

Blob Key::public_der() const { return to_der(get()); }

bool Key::is(Curve curve) const {
  char group[64];
  size_t length = 0;
  return EVP_PKEY_get_base_id(get()) == EVP_PKEY_EC &&
         EVP_PKEY_get_group_name(get(), group, sizeof group, &length) == 1 &&
         std::string_view(group, length) == name_of(curve);
}

Blob Key::point() const {
  u8 encoded[2 * 66 + 1];
  size_t length = 0;
  if (!EVP_PKEY_get_octet_string_param(get(), OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof encoded, &length) ||
      length < 1 || encoded[0] != 4) {
    ERR_clear_error();
    return {};
  }
  return {encoded + 1, encoded + length};
}

bool Key::verify(std::span<const u8> message, std::span<const u8> signature) const {
  const bool is_p256 = is(Curve::P256);
  if (!is_p256 && !is(Curve::P384)) return false;
  const size_t half = size_of(is_p256 ? Curve::P256 : Curve::P384);
  if (signature.size() != 2 * half) return false;
  const Own<ECDSA_SIG> parts(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(signature.data(), static_cast<int>(half), nullptr);
  BIGNUM* s = BN_bin2bn(signature.data() + half, static_cast<int>(half), nullptr);
  if (!parts || !r || !s || ECDSA_SIG_set0(parts.get(), r, s) != 1) return false;
  u8* der = nullptr;
  const int length = i2d_ECDSA_SIG(parts.get(), &der);
  if (length <= 0) return false;
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const bool good =
      context &&
      EVP_DigestVerifyInit(context.get(), nullptr, is_p256 ? EVP_sha256() : EVP_sha384(), nullptr, get()) == 1 &&
      EVP_DigestVerify(context.get(), der, static_cast<size_t>(length), message.data(), message.size()) == 1;
  OPENSSL_free(der);
  ERR_clear_error();
  return good;
}

Result<Blob> Key::sign(std::span<const u8> message) const {
  const bool is_p256 = is(Curve::P256);
  if (!is_p256 && !is(Curve::P384)) return fail(ErrorCode::BadArgument, "a key that is on neither P-256 nor P-384");
  const size_t half = size_of(is_p256 ? Curve::P256 : Curve::P384);
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  u8 der[256];
  size_t length = sizeof der;
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, is_p256 ? EVP_sha256() : EVP_sha384(), nullptr, get()) != 1 ||
      EVP_DigestSign(context.get(), der, &length, message.data(), message.size()) != 1) {
    return fail(ErrorCode::System, "signing failed: " + openssl_reason());
  }
  const u8* p = der;
  const Own<ECDSA_SIG> parts(d2i_ECDSA_SIG(nullptr, &p, static_cast<long>(length)));
  Blob out(2 * half);
  CHECK(parts && BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), out.data(), static_cast<int>(half)) > 0 &&
        BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), out.data() + half, static_cast<int>(half)) > 0);
  return out;
}

}  // namespace berth::attest
