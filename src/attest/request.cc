#include "attest/request.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "attest/crypto.h"
#include "attest/der.h"

namespace berth::attest {
namespace {

constexpr std::string_view kEnarx = "1.3.6.1.4.1.58270.1.";
constexpr size_t kMostRequest = size_t{1} << 20;

struct FreeStack {
  void operator()(STACK_OF(X509_EXTENSION) * p) const { sk_X509_EXTENSION_pop_free(p, X509_EXTENSION_free); }
};

std::unexpected<Error> wrong(std::string what) { return fail(kBadEvidence, "certificate request: " + std::move(what)); }

std::string name_of(const ASN1_OBJECT* object) {
  char text[128];
  const int n = OBJ_obj2txt(text, sizeof text, object, 1);
  return n > 0 && static_cast<size_t>(n) < sizeof text ? std::string(text, static_cast<size_t>(n)) : std::string();
}

bool is_certificate(std::span<const u8> der) {
  const u8* p = der.data();
  const Owned<X509> certificate(d2i_X509(nullptr, &p, static_cast<long>(der.size())));
  ERR_clear_error();
  return certificate && p == der.data() + der.size();
}

// What Enarx puts beside evidence, within sequences of sequences: the processor's certificate, pairs of an address and
// the revocation list from there, and Intel's information on the TCB with its chain.
void add_beside(Evidence& evidence, const DerElement& element, int depth = 0) {
  if (element.tag == kDerOctets || element.tag == kDerUtf8) {
    if (!element.content.empty() && element.content[0] == '{')
      evidence.documents.emplace_back(text_of(element.content));
    return;
  }
  if (element.tag != kDerSequence || depth > 4) return;
  if (is_certificate(element.whole)) {
    evidence.certificates.emplace_back(element.whole.begin(), element.whole.end());
    return;
  }
  DerReader pair(element.content);
  if (pair.next(kDerUtf8)) {
    if (const auto list = pair.next(kDerSequence); list && pair.at_end()) {
      evidence.revocation_lists.emplace_back(list->whole.begin(), list->whole.end());
      return;
    }
  }
  DerReader in(element.content);
  while (const auto inner = in.next()) add_beside(evidence, *inner, depth + 1);
}

Result<Evidence> read_extension(std::span<const u8> value) {
  if (value.empty() || value[0] != kDerSequence) return read_raw_evidence(value);
  DerReader outer(value);
  const auto all = outer.next(kDerSequence);
  if (!all || !outer.at_end()) return wrong("its evidence is malformed");
  std::optional<Evidence> evidence;
  std::vector<DerElement> beside;
  DerReader in(all->content);
  while (!in.at_end()) {
    const auto element = in.next();
    if (!element) return wrong("its evidence is malformed");
    if (element->tag == kDerOctets && !evidence)
      evidence = TRY(read_raw_evidence(element->content));
    else
      beside.push_back(*element);
  }
  if (!evidence) return wrong("there is no report in its evidence");
  for (const DerElement& element : beside) add_beside(*evidence, element);
  return std::move(*evidence);
}

}  // namespace

Result<Evidence> read_certificate_request(std::span<const u8> der) {
  if (der.size() > kMostRequest) return wrong("it has more than 1 MiB");
  const u8* p = der.data();
  const Owned<X509_REQ> request(d2i_X509_REQ(nullptr, &p, static_cast<long>(der.size())));
  ERR_clear_error();
  if (!request) return wrong("it is malformed, or ends too early");
  if (p != der.data() + der.size())
    return wrong("there are " + std::to_string(der.data() + der.size() - p) + " bytes after its end");
  const std::unique_ptr<STACK_OF(X509_EXTENSION), FreeStack> extensions(X509_REQ_get_extensions(request.get()));
  ERR_clear_error();
  std::optional<Evidence> out;
  for (int i = 0; extensions && i < sk_X509_EXTENSION_num(extensions.get()); ++i) {
    X509_EXTENSION* const extension = sk_X509_EXTENSION_value(extensions.get(), i);
    const std::string name = name_of(X509_EXTENSION_get_object(extension));
    if (!name.starts_with(kEnarx)) continue;
    if (out) return wrong("it has more than one extension with evidence");
    const ASN1_OCTET_STRING* const data = X509_EXTENSION_get_data(extension);
    const std::span value(ASN1_STRING_get0_data(data), static_cast<size_t>(ASN1_STRING_length(data)));
    const std::string_view kind = std::string_view(name).substr(kEnarx.size());
    if (kind == "1") return wrong("it is of a keep under KVM, which has no evidence and proves nothing");
    if (kind != "2" && kind != "3") return wrong("its extension " + name + " is not known");
    out = TRY(read_extension(value));
    if (kind == "2" ? !out->sgx() : !out->snp())
      return wrong("its extension " + name + " holds evidence of " + std::string(title_of(out->technology())));
  }
  if (!out)
    return wrong("there is no evidence in it: no extension " + std::string(kEnarx) + "2 (SGX) or " +
                 std::string(kEnarx) + "3 (SNP)");
  EVP_PKEY* const key = X509_REQ_get0_pubkey(request.get());
  const X509_PUBKEY* const public_key = X509_REQ_get_X509_PUBKEY(request.get());
  u8* encoded = nullptr;
  const int length = i2d_X509_PUBKEY(public_key, &encoded);
  CertificateRequest& about = out->request.emplace();
  about.public_key.assign(encoded, encoded + std::max(length, 0));
  OPENSSL_free(encoded);
  about.is_signed = key && X509_REQ_verify(request.get(), key) == 1;
  ERR_clear_error();
  return std::move(*out);
}

Blob report_data_of_key(Technology technology, std::span<const u8> public_key_der) {
  Blob out;
  if (technology == Technology::SevSnp || technology == Technology::Simulated) {
    const Sha384 digest = sha384(public_key_der);
    out.assign(digest.begin(), digest.end());
  } else {
    const Sha256 digest = sha256(public_key_der);
    out.assign(digest.begin(), digest.end());
  }
  out.resize(64);
  return out;
}

}  // namespace berth::attest
