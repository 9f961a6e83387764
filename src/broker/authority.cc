#include "broker/authority.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "broker/problem.h"
#include "broker/seal.h"

namespace berth::broker {
namespace {

using attest::Blob;
using attest::Owned;

std::unexpected<Error> openssl_problem(const std::string& what) {
  return problem(what + ": " + attest::openssl_reason());
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  const bool added = extension && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// Serial number, version and dates.
Result<Owned<X509>> begin_certificate(attest::Time now, attest::Time lifetime) {
  Owned<X509> out(X509_new());
  Blob serial = TRY(random_bytes(16));
  serial[0] &= 0x7f;
  BIGNUM* const number = BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr);
  const bool made = out && number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(out.get())) &&
                    X509_set_version(out.get(), X509_VERSION_3) == 1 &&
                    ASN1_TIME_set(X509_getm_notBefore(out.get()), now) &&
                    ASN1_TIME_set(X509_getm_notAfter(out.get()), now + lifetime);
  BN_free(number);
  if (!made) return openssl_problem("no certificate was made");
  return out;
}

std::string pem_of(X509* certificate) {
  const Owned<BIO> memory(BIO_new(BIO_s_mem()));
  char* text = nullptr;
  if (!memory || PEM_write_bio_X509(memory.get(), certificate) != 1) return {};
  const long size = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<size_t>(size)};
}

Result<Blob> der_of(X509* certificate) {
  const int size = i2d_X509(certificate, nullptr);
  if (size <= 0) return openssl_problem("a certificate cannot be written");
  Blob out(static_cast<size_t>(size));
  u8* at = out.data();
  i2d_X509(certificate, &at);
  return out;
}

bool is_dns_name(const std::string& name) {
  return !name.empty() && name.size() <= 253 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.*") ==
             std::string::npos;
}

// DER's head of a SEQUENCE of that many bytes.
Blob sequence_head(size_t size) {
  Blob out = {0x30};
  if (size < 128) {
    out.push_back(static_cast<u8>(size));
    return out;
  }
  Blob digits;
  for (size_t rest = size; rest; rest >>= 8) digits.insert(digits.begin(), static_cast<u8>(rest));
  out.push_back(static_cast<u8>(0x80 | digits.size()));
  out.insert(out.end(), digits.begin(), digits.end());
  return out;
}

}  // namespace

Result<Authority> Authority::generate(const std::string& name, attest::Time now) {
  attest::Key key = TRY(attest::Key::generate(attest::Curve::P256));
  Owned<X509> certificate = TRY(begin_certificate(now, attest::Time{10} * 365 * 86400));
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const u8*>(name.data()),
                                 static_cast<int>(name.size()), -1, 0) != 1 ||
      X509_set_issuer_name(certificate.get(), subject) != 1 || X509_set_pubkey(certificate.get(), key.get()) != 1 ||
      !add_extension(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash") ||
      X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0)
    return openssl_problem("no authority was made");
  return Authority(std::move(key), std::move(certificate));
}

Result<Authority> Authority::from_pem(std::string_view pem) {
  attest::Key key = TRY(attest::Key::from_private_pem(pem));
  const Owned<BIO> memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Owned<X509> certificate(memory ? PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr) : nullptr);
  if (!certificate) return openssl_problem("the authority has no certificate");
  if (X509_check_private_key(certificate.get(), key.get()) != 1)
    return openssl_problem("the authority's key and certificate do not belong together");
  return Authority(std::move(key), std::move(certificate));
}

std::string Authority::to_pem() const { return key_.to_private_pem() + certificate_pem(); }

std::string Authority::certificate_pem() const { return pem_of(certificate_.get()); }

Result<Blob> Authority::issue(std::span<const u8> request, attest::Time now, attest::Time lifetime,
                              const std::vector<std::string>& names) const {
  const u8* at = request.data();
  const Owned<X509_REQ> asked(d2i_X509_REQ(nullptr, &at, static_cast<long>(request.size())));
  EVP_PKEY* const key = asked ? X509_REQ_get0_pubkey(asked.get()) : nullptr;
  if (!key) return openssl_problem("the request has no key");
  const Owned<X509> certificate = TRY(begin_certificate(now, lifetime));
  X509* const issuer = certificate_.get();
  std::string alternatives;
  for (const std::string& name : names) {
    if (!is_dns_name(name)) return problem(name + " is no DNS name");
    alternatives += (alternatives.empty() ? "DNS:" : ",DNS:") + name;
  }
  if (X509_set_subject_name(certificate.get(), X509_REQ_get_subject_name(asked.get())) != 1 ||
      X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer)) != 1 ||
      X509_set_pubkey(certificate.get(), key) != 1 ||
      !add_extension(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(certificate.get(), issuer, NID_ext_key_usage, "serverAuth,clientAuth") ||
      !add_extension(certificate.get(), issuer, NID_authority_key_identifier, "keyid") ||
      (!alternatives.empty() && !add_extension(certificate.get(), issuer, NID_subject_alt_name, alternatives)) ||
      X509_sign(certificate.get(), key_.get(), EVP_sha256()) == 0)
    return openssl_problem("no certificate was made");
  const Blob first = TRY(der_of(issuer)), second = TRY(der_of(certificate.get()));
  Blob out = sequence_head(first.size() + second.size());
  out.insert(out.end(), first.begin(), first.end());
  out.insert(out.end(), second.begin(), second.end());
  return out;
}

}  // namespace berth::broker
