#include "attest/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

namespace berth::attest {
namespace {

constexpr size_t kMostCertificate = 65536, kMostList = size_t{8} << 20, kMostCertificates = 64;

struct FreeChain {
  void operator()(X509_STORE* p) const { X509_STORE_free(p); }
  void operator()(X509_STORE_CTX* p) const { X509_STORE_CTX_free(p); }
  void operator()(STACK_OF(X509) * p) const { sk_X509_free(p); }
};

std::unexpected<Error> wrong(std::string what) { return fail(kBadCollateral, std::move(what)); }

std::string name_of(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at >= 0) {
    const ASN1_STRING* const text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    u8* utf8 = nullptr;
    const int n = ASN1_STRING_to_UTF8(&utf8, text);
    if (n >= 0) {
      std::string out(reinterpret_cast<const char*>(utf8), static_cast<size_t>(n));
      OPENSSL_free(utf8);
      // Names of an attacker's making end up on terminals.
      std::ranges::replace_if(out, [](char c) { return static_cast<u8>(c) < 0x20 || c == 0x7F; }, '?');
      if (out.size() > 128) out = out.substr(0, 128) + "…";
      return out;
    }
  }
  char whole[256];
  X509_NAME_oneline(name, whole, sizeof whole);
  ERR_clear_error();
  return whole;
}

std::optional<Time> time_of(const ASN1_TIME* time) {
  std::tm when{};
  if (!time || ASN1_TIME_to_tm(time, &when) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return static_cast<Time>(timegm(&when));
}

bool is_pinned(const Certificate& certificate, std::span<const Sha256> roots) {
  return std::ranges::find(roots, certificate.key_digest()) != roots.end();
}

bool is_signed_by(const Certificate& certificate, const Certificate& issuer) {
  EVP_PKEY* const key = X509_get0_pubkey(issuer.get());
  const bool good = key && X509_verify(certificate.get(), key) == 1;
  ERR_clear_error();
  return good;
}

// Why a chain was not accepted, in words that name the certificate and its dates.
std::string reason_of(int error, const Certificate& at, Time time) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "the certificate " + at.subject() + " was valid until " + format_time(at.not_after()) + ", and it is " +
             format_time(time);
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "the certificate " + at.subject() + " is valid from " + format_time(at.not_before()) + ", and it is " +
             format_time(time);
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return "the certificate " + at.subject() + " is not signed by " + at.issuer() + ": its signature does not fit";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "the certificate " + at.subject() + " leads to no known root: the one of its issuer, " + at.issuer() +
             ", is not there, or is another's of that name";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      if (!is_signed_by(at, at))
        return "the certificate " + at.subject() + " leads to no known root: it names itself as its issuer, and is not";
      return "the root " + at.subject() + " is none of the vendor's: its key has the digest " + to_hex(at.key_digest());
    default: return "the certificate " + at.subject() + " is not acceptable: " + X509_verify_cert_error_string(error);
  }
}

// What a list says that its issuer must have signed.
Result<> check_list(const RevocationList& list, const Certificate& issuer, Time time) {
  const std::string name = "the revocation list of " + list.issuer();
  const u32 usage = X509_get_key_usage(issuer.get());
  if (usage != ~u32{0} && !(usage & KU_CRL_SIGN)) return wrong(name + ": its issuer may not sign any");
  if (X509_CRL_verify(list.get(), X509_get0_pubkey(issuer.get())) != 1) {
    ERR_clear_error();
    return wrong(name + " is not signed by it: its signature does not fit");
  }
  if (X509_CRL_get_ext_by_critical(list.get(), 1, -1) >= 0)
    return wrong(name + " has an extension that must be understood and is not");
  if (time < list.this_update())
    return wrong(name + " is of " + format_time(list.this_update()) + ", and it is " + format_time(time));
  if (!list.next_update()) return wrong(name + " does not say how long it holds");
  if (time > *list.next_update())
    return wrong(name + " is stale: it held until " + format_time(*list.next_update()) + ", and it is " +
                 format_time(time));
  return {};
}

}  // namespace

Result<Certificate> Certificate::from_der(std::span<const u8> der) {
  if (der.size() > kMostCertificate) return wrong("a certificate of more than 64 KiB");
  const u8* p = der.data();
  Certificate out;
  out.x509_ = std::shared_ptr<X509>(d2i_X509(nullptr, &p, static_cast<long>(der.size())), OpensslFree());
  ERR_clear_error();
  if (!out.get() || p != der.data() + der.size()) return wrong("a certificate is malformed");
  const auto not_before = time_of(X509_get0_notBefore(out.get())), not_after = time_of(X509_get0_notAfter(out.get()));
  if (!not_before || !not_after || !X509_get0_pubkey(out.get())) {
    ERR_clear_error();
    return wrong("a certificate has malformed dates or a malformed key");
  }
  out.not_before_ = *not_before;
  out.not_after_ = *not_after;
  out.subject_ = name_of(X509_get_subject_name(out.get()));
  out.issuer_ = name_of(X509_get_issuer_name(out.get()));
  u8* key = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(out.get()), &key);
  if (length <= 0) return wrong("a certificate has a malformed key");
  out.key_digest_ = sha256({key, static_cast<size_t>(length)});
  OPENSSL_free(key);
  return out;
}

Result<std::vector<Certificate>> Certificate::from_pem(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----", kEnd = "-----END CERTIFICATE-----";
  std::vector<Certificate> out;
  for (size_t at = text.find(kBegin); at != std::string_view::npos; at = text.find(kBegin, at)) {
    if (out.size() == kMostCertificates) return wrong("there are more than 64 certificates in one file");
    at += kBegin.size();
    const size_t end = text.find(kEnd, at);
    if (end == std::string_view::npos) return wrong("PEM: a certificate does not end");
    const auto der = from_base64(text.substr(at, end - at));
    if (!der) return wrong("PEM: a certificate is not base64");
    out.push_back(TRY(from_der(*der)));
    at = end + kEnd.size();
  }
  return out;
}

std::string Certificate::serial() const {
  const ASN1_INTEGER* const number = X509_get0_serialNumber(get());
  return to_hex({ASN1_STRING_get0_data(number), static_cast<size_t>(ASN1_STRING_length(number))});
}

Key Certificate::key() const {
  EVP_PKEY* const key = X509_get0_pubkey(get());
  EVP_PKEY_up_ref(key);
  return Key(key);
}

Blob Certificate::der() const {
  u8* encoded = nullptr;
  const int n = i2d_X509(get(), &encoded);
  Blob out(encoded, encoded + std::max(n, 0));
  OPENSSL_free(encoded);
  return out;
}

std::optional<Blob> Certificate::extension(const char* oid) const {
  ASN1_OBJECT* const object = OBJ_txt2obj(oid, 1);
  const int at = X509_get_ext_by_OBJ(get(), object, -1);
  ASN1_OBJECT_free(object);
  if (at < 0) return std::nullopt;
  const ASN1_OCTET_STRING* const data = X509_EXTENSION_get_data(X509_get_ext(get(), at));
  const u8* const bytes = ASN1_STRING_get0_data(data);
  return Blob(bytes, bytes + ASN1_STRING_length(data));
}

Result<RevocationList> RevocationList::from_der(std::span<const u8> der) {
  if (der.size() > kMostList) return wrong("a revocation list of more than 8 MiB");
  const u8* p = der.data();
  RevocationList out;
  out.crl_ = std::shared_ptr<X509_CRL>(d2i_X509_CRL(nullptr, &p, static_cast<long>(der.size())), OpensslFree());
  ERR_clear_error();
  if (!out.get() || p != der.data() + der.size()) return wrong("a revocation list is malformed");
  const auto since = time_of(X509_CRL_get0_lastUpdate(out.get()));
  if (!since) return wrong("a revocation list has malformed dates");
  out.this_update_ = *since;
  out.next_update_ = time_of(X509_CRL_get0_nextUpdate(out.get()));
  out.issuer_ = name_of(X509_CRL_get_issuer(out.get()));
  return out;
}

Result<Chain> find_chain(const Certificate& leaf, std::span<const Certificate> pool, std::span<const Sha256> roots,
                         Time time) {
  const std::unique_ptr<STACK_OF(X509), FreeChain> trusted(sk_X509_new_null()), others(sk_X509_new_null());
  const std::unique_ptr<X509_STORE, FreeChain> store(X509_STORE_new());
  const std::unique_ptr<X509_STORE_CTX, FreeChain> context(X509_STORE_CTX_new());
  CHECK(trusted && others && store && context);
  for (const Certificate& certificate : pool) {
    if (!is_pinned(certificate, roots)) {
      CHECK(sk_X509_push(others.get(), certificate.get()) > 0);
      continue;
    }
    // That of a root is its own; a byte of it that was changed would go unnoticed else.
    if (!is_signed_by(certificate, certificate))
      return wrong("the root " + certificate.subject() + " was changed: its own signature does not fit");
    CHECK(sk_X509_push(trusted.get(), certificate.get()) > 0);
  }
  CHECK(X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), others.get()) == 1);
  X509_STORE_CTX_set0_trusted_stack(context.get(), trusted.get());
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, static_cast<time_t>(time));
  X509_VERIFY_PARAM_set_depth(parameters, 8);
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  const auto known = [&](X509* x509) -> Certificate {
    for (const Certificate& certificate : pool)
      if (certificate.get() == x509) return certificate;
    return leaf;
  };
  if (!good) {
    X509* const at = X509_STORE_CTX_get_current_cert(context.get());
    return wrong(reason_of(X509_STORE_CTX_get_error(context.get()), at ? known(at) : leaf, time));
  }
  Chain out;
  STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(context.get());
  for (int i = 0; i < sk_X509_num(chain); ++i) out.push_back(known(sk_X509_value(chain, i)));
  if (!is_pinned(out.back(), roots)) return wrong("the chain ends at " + out.back().subject() + ", which is no root");
  return out;
}

Result<Revocation> check_revocation(const Chain& chain, std::span<const RevocationList> lists, Time time) {
  Revocation out;
  for (size_t i = 0; i + 1 < chain.size(); ++i) {
    const Certificate &certificate = chain[i], &issuer = chain[i + 1];
    bool is_covered = false;
    std::optional<Error> unusable;
    for (const RevocationList& list : lists) {
      if (X509_NAME_cmp(X509_CRL_get_issuer(list.get()), X509_get_subject_name(issuer.get())) != 0) continue;
      if (auto checked = check_list(list, issuer, time); !checked) {
        unusable = std::move(checked).error();
        continue;
      }
      X509_REVOKED* entry = nullptr;
      // 2 is an entry that takes a revocation back.
      if (X509_CRL_get0_by_serial(list.get(), &entry, X509_get_serialNumber(certificate.get())) == 1) {
        const auto since = time_of(X509_REVOKED_get0_revocationDate(entry));
        return wrong("the certificate " + certificate.subject() + " (serial number " + certificate.serial() +
                     ") is revoked by " + list.issuer() + (since ? " since " + format_time(*since) : std::string()));
      }
      is_covered = true;
      if (!out.next_update || *list.next_update() < *out.next_update) out.next_update = list.next_update();
    }
    if (is_covered) continue;
    if (unusable) return fail(std::move(*unusable));
    out.uncovered.push_back(certificate.subject());
  }
  return out;
}

}  // namespace berth::attest
