// Vendors for tests: roots, certificates, revocation lists, reports, quotes and documents with keys made up on the
// spot. One thread.
#pragma once

#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "attest/verifier.h"

namespace berth::attest::testing {

// 2026-06-15; what is made holds a year before and after.
inline constexpr Time kNow = 1781481600;
inline constexpr Time kYear = 365 * 86400;

struct Extension {
  std::string oid;
  Blob value;
};

inline Blob der(u8 tag, std::span<const u8> content) {
  Blob out = {tag};
  if (content.size() < 128) {
    out.push_back(static_cast<u8>(content.size()));
  } else {
    out.push_back(0x82);
    out.push_back(static_cast<u8>(content.size() >> 8));
    out.push_back(static_cast<u8>(content.size()));
  }
  out.insert(out.end(), content.begin(), content.end());
  return out;
}
inline Blob der_integer(u32 value) {
  Blob content;
  for (int shift = 24; shift >= 0; shift -= 8)
    if (const u8 byte = static_cast<u8>(value >> shift); byte != 0 || !content.empty() || shift == 0)
      content.push_back(byte);
  if (content[0] & 0x80) content.insert(content.begin(), 0);
  return der(2, content);
}
inline Blob join(std::initializer_list<Blob> parts) {
  Blob out;
  for (const Blob& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}
inline Blob der_oid(const std::string& text) {
  ASN1_OBJECT* const object = OBJ_txt2obj(text.c_str(), 1);
  const Blob out = der(6, {OBJ_get0_data(object), OBJ_length(object)});
  ASN1_OBJECT_free(object);
  return out;
}

// Somebody with a key and a certificate.
struct Party {
  Key key;
  Certificate certificate;
};

struct CertificateSpec {
  std::string name;
  bool is_authority = false;
  u32 serial = 1;
  Time not_before = kNow - kYear, not_after = kNow + kYear;
  std::vector<Extension> extensions = {};
};

inline Certificate issue(const CertificateSpec& spec, const Key& key, const Party* issuer) {
  const Owned<X509> x509(X509_new());
  X509_set_version(x509.get(), 2);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509.get()), spec.serial);
  ASN1_TIME_set(X509_getm_notBefore(x509.get()), spec.not_before);
  ASN1_TIME_set(X509_getm_notAfter(x509.get()), spec.not_after);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const u8*>(spec.name.c_str()), -1, -1, 0);
  X509_set_issuer_name(x509.get(),
                       issuer ? X509_get_subject_name(issuer->certificate.get()) : X509_get_subject_name(x509.get()));
  X509_set_pubkey(x509.get(), key.get());
  const auto add = [&](int nid, const char* value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    CHECK(extension && X509_add_ext(x509.get(), extension, -1) == 1);
    X509_EXTENSION_free(extension);
  };
  if (spec.is_authority) {
    add(NID_basic_constraints, "critical,CA:TRUE");
    add(NID_key_usage, "critical,keyCertSign,cRLSign");
  }
  for (const Extension& extension : spec.extensions) {
    ASN1_OBJECT* const object = OBJ_txt2obj(extension.oid.c_str(), 1);
    ASN1_OCTET_STRING* const value = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(value, extension.value.data(), static_cast<int>(extension.value.size()));
    X509_EXTENSION* const made = X509_EXTENSION_create_by_OBJ(nullptr, object, 0, value);
    CHECK(made && X509_add_ext(x509.get(), made, -1) == 1);
    X509_EXTENSION_free(made);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
  }
  const Key& signer = issuer ? issuer->key : key;
  CHECK(X509_sign(x509.get(), signer.get(), signer.is(Curve::P384) ? EVP_sha384() : EVP_sha256()) > 0);
  u8* encoded = nullptr;
  const int n = i2d_X509(x509.get(), &encoded);
  auto out = Certificate::from_der({encoded, static_cast<size_t>(n)});
  OPENSSL_free(encoded);
  CHECK(out.has_value());
  return *out;
}

inline Party make_party(const CertificateSpec& spec, Curve curve, const Party* issuer) {
  const Key key = *Key::generate(curve);
  return {key, issue(spec, key, issuer)};
}

inline RevocationList make_list(const Party& issuer, const std::vector<u32>& revoked, Time since = kNow - 86400,
                                Time until = kNow + 86400) {
  const Owned<X509_CRL> crl(X509_CRL_new());
  X509_CRL_set_version(crl.get(), 1);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.certificate.get()));
  ASN1_TIME* const time = ASN1_TIME_new();
  ASN1_TIME_set(time, since);
  X509_CRL_set1_lastUpdate(crl.get(), time);
  for (const u32 serial : revoked) {
    X509_REVOKED* const entry = X509_REVOKED_new();
    ASN1_INTEGER* const number = ASN1_INTEGER_new();
    ASN1_INTEGER_set_uint64(number, serial);
    X509_REVOKED_set_serialNumber(entry, number);
    X509_REVOKED_set_revocationDate(entry, time);
    X509_CRL_add0_revoked(crl.get(), entry);
    ASN1_INTEGER_free(number);
  }
  ASN1_TIME_set(time, until);
  X509_CRL_set1_nextUpdate(crl.get(), time);
  ASN1_TIME_free(time);
  X509_CRL_sort(crl.get());
  CHECK(X509_CRL_sign(crl.get(), issuer.key.get(), issuer.key.is(Curve::P384) ? EVP_sha384() : EVP_sha256()) > 0);
  u8* encoded = nullptr;
  const int n = i2d_X509_CRL(crl.get(), &encoded);
  auto out = RevocationList::from_der({encoded, static_cast<size_t>(n)});
  OPENSSL_free(encoded);
  CHECK(out.has_value());
  return *out;
}

inline std::string to_pem(const Certificate& certificate) {
  const std::string base64 = to_base64(certificate.der());
  std::string out = "-----BEGIN CERTIFICATE-----\n";
  for (size_t i = 0; i < base64.size(); i += 64) out += base64.substr(i, 64) + "\n";
  return out + "-----END CERTIFICATE-----\n";
}

inline void put(Blob& to, size_t at, u64 value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) to[at + i] = static_cast<u8>(value >> (8 * i));
}

// AMD, with one processor. Reports that it signs have what the test wants in them.
struct Amd {
  SnpProduct product;
  std::string name;
  Party ark, ask, asvk;

  explicit Amd(SnpProduct of)
      : product(of),
        name(name_of(of)),
        ark(make_party({.name = "ARK-" + name, .is_authority = true, .serial = 0x30000}, Curve::P384, nullptr)),
        ask(make_party({.name = "SEV-" + name, .is_authority = true, .serial = 0x30001}, Curve::P384, &ark)),
        asvk(make_party({.name = "SEV-VLEK-" + name, .is_authority = true, .serial = 0x30002}, Curve::P384, &ark)) {}

  Roots roots() const { return {{{product, ark.certificate.key_digest()}}, {}}; }

  std::vector<Extension> tcb_extensions(const SnpTcb& tcb) const {
    const std::string base = "1.3.6.1.4.1.3704.1.";
    std::vector<Extension> out = {{base + "2", der(0x16, bytes_of(name))},
                                  {base + "3.1", der_integer(tcb.boot_loader)},
                                  {base + "3.2", der_integer(tcb.tee)},
                                  {base + "3.3", der_integer(tcb.snp)},
                                  {base + "3.8", der_integer(tcb.microcode)}};
    if (tcb.fmc) out.push_back({base + "3.9", der_integer(*tcb.fmc)});
    return out;
  }
  Party vcek(const SnpTcb& tcb, std::span<const u8> chip, const Party* issuer = nullptr) const {
    auto extensions = tcb_extensions(tcb);
    extensions.push_back({"1.3.6.1.4.1.3704.1.4", Blob(chip.begin(), chip.end())});
    return make_party({.name = "SEV-VCEK", .serial = 0, .extensions = extensions}, Curve::P384, issuer ? issuer : &ask);
  }
  Party vlek(const SnpTcb& tcb) const {
    auto extensions = tcb_extensions(tcb);
    extensions.push_back({"1.3.6.1.4.1.3704.1.5", der(0x16, bytes_of("CN=cloud.example"))});
    return make_party({.name = "SEV-VLEK", .serial = 0, .extensions = extensions}, Curve::P384, &asvk);
  }

  u64 raw_tcb(const SnpTcb& tcb) const {
    if (product == SnpProduct::Turin)
      return u64{tcb.fmc.value_or(0)} | u64{tcb.boot_loader} << 8 | u64{tcb.tee} << 16 | u64{tcb.snp} << 24 |
             u64{tcb.microcode} << 56;
    return u64{tcb.boot_loader} | u64{tcb.tee} << 8 | u64{tcb.snp} << 48 | u64{tcb.microcode} << 56;
  }
  // A report that is not signed yet.
  Blob report(u32 version, const SnpTcb& tcb, std::span<const u8> chip) const {
    Blob out(kSnpReportSize);
    put(out, 0, version, 4);
    put(out, 0x08, 0x30000, 8);
    put(out, 0x34, 1, 4);
    for (const size_t at : {0x38, 0x180, 0x1E0, 0x1F0}) put(out, at, raw_tcb(tcb), 8);
    std::fill_n(out.begin() + 0x50, 64, u8{0xAB});
    std::fill_n(out.begin() + 0x90, 48, u8{0xCD});
    if (version >= 3) {
      out[0x188] = product == SnpProduct::Turin ? 0x1A : 0x19;
      out[0x189] = product == SnpProduct::Genoa ? 0x11 : 0x01;
    }
    std::ranges::copy(chip, out.begin() + 0x1A0);
    return out;
  }
  static Evidence sign(Blob report, const Key& key) {
    const Blob signature = *key.sign(std::span(report).first(kSnpSignedSize));
    std::reverse_copy(signature.begin(), signature.begin() + 48, report.begin() + 0x2A0);
    std::reverse_copy(signature.begin() + 48, signature.end(), report.begin() + 0x2A0 + 72);
    auto out = read_evidence(report);
    CHECK(out.has_value());
    return std::move(*out);
  }
  Collateral collateral(const Party& signer) const {
    Collateral out;
    out.certificates = {signer.certificate, ask.certificate, asvk.certificate, ark.certificate};
    out.revocation_lists = {make_list(ark, {})};
    return out;
  }
};

// Intel, with one processor.
struct Intel {
  static constexpr u8 kCpuSvn[16] = {3, 3, 2, 2, 4, 1, 0, 5};
  Party root = make_party({.name = "Intel SGX Root CA", .is_authority = true}, Curve::P256, nullptr);
  Party ca = make_party({.name = "Intel SGX PCK Platform CA", .is_authority = true, .serial = 2}, Curve::P256, &root);
  Party signer = make_party({.name = "Intel SGX TCB Signing", .serial = 3}, Curve::P256, &root);
  Party pck = make_party(
      {.name = "Intel SGX PCK Certificate", .serial = 77, .extensions = {{"1.2.840.113741.1.13.1", pck_extension()}}},
      Curve::P256, &ca);
  Key attestation = *Key::generate(Curve::P256);

  Roots roots() const { return {{}, {root.certificate.key_digest()}}; }

  static Blob pck_extension() {
    const std::string base = "1.2.840.113741.1.13.1";
    const auto field = [&](const std::string& number, const Blob& value) {
      return der(0x30, join({der_oid(base + number), value}));
    };
    Blob tcb;
    for (int i = 0; i < 16; ++i) {
      const Blob one = field(".2." + std::to_string(i + 1), der_integer(kCpuSvn[i]));
      tcb.insert(tcb.end(), one.begin(), one.end());
    }
    tcb = join({tcb, field(".2.17", der_integer(13)), field(".2.18", der(4, kCpuSvn))});
    return der(0x30, join({field(".1", der(4, Blob(16, 9))), field(".2", der(0x30, tcb)), field(".3", der(4, Blob(2))),
                           field(".4", der(4, Blob{0, 0x90, 0x6E, 0xA1, 0, 0})), field(".5", der(10, Blob{1}))}));
  }

  // What a test changes of documents and quotes.
  struct Spec {
    u16 version = 4;
    bool is_tdx = true, is_15 = false;
    std::array<u8, 16> tee_tcb_svn = {5, 0, 3}, tee_tcb_svn2 = {5, 0, 3};
    u8 attributes = 0, qe_attributes = 0x11;
    u16 qe_svn = 8, qe_product = 0;  // 0: the one of the technology
    std::string platform_status = "UpToDate", lower_status = "OutOfDate", qe_status = "UpToDate", advisories = "";
    std::string modules = "";
    std::string fmspc = "00906EA10000";
    Time next_update = kNow + 86400;
    std::string levels = "";  // instead of the usual ones
  };

  static std::string components(std::string_view name, std::initializer_list<int> svns) {
    std::string out = "\"" + std::string(name) + "\":[";
    size_t n = 0;
    for (const int svn : svns) out += (n++ ? "," : "") + ("{\"svn\":" + std::to_string(svn) + "}");
    for (; n < 16; ++n) out += std::string(n ? "," : "") + "{\"svn\":0}";
    return out + "]";
  }
  static std::string level(std::initializer_list<int> sgx, std::initializer_list<int> tdx, int pce,
                           const std::string& status, const std::string& advisories = "") {
    return "{\"tcb\":{" + components("sgxtcbcomponents", sgx) + "," + components("tdxtcbcomponents", tdx) +
           ",\"pcesvn\":" + std::to_string(pce) + "},\"tcbDate\":\"2026-03-13T00:00:00Z\",\"tcbStatus\":\"" + status +
           "\"" + (advisories.empty() ? "" : ",\"advisoryIDs\":[\"" + advisories + "\"]") + "}";
  }
  std::string dates(const Spec& spec) const {
    return "\"issueDate\":\"" + format_time(kNow - 86400) + "\",\"nextUpdate\":\"" + format_time(spec.next_update) +
           "\",\"tcbEvaluationDataNumber\":17";
  }
  std::string tcb_info(const Spec& spec) const {
    const std::string levels =
        !spec.levels.empty() ? spec.levels
                             : level({3, 3, 2, 2, 4, 1, 0, 5}, {5, 0, 3}, 13, spec.platform_status, spec.advisories) +
                                   "," + level({1, 1}, {3, 0, 2}, 5, spec.lower_status, "INTEL-SA-00001");
    const std::string module = R"("tdxModule":{"mrsigner":")" + std::string(96, '0') +
                               R"(","attributes":"0000000000000000","attributesMask":"FFFFFFFFFFFFFFFF"},)";
    return "{\"id\":\"" + std::string(spec.is_tdx ? "TDX" : "SGX") + "\",\"version\":3," + dates(spec) +
           ",\"fmspc\":\"" + spec.fmspc + "\",\"pceId\":\"0000\",\"tcbType\":0," + (spec.is_tdx ? module : "") +
           (spec.modules.empty() ? "" : "\"tdxModuleIdentities\":[" + spec.modules + "],") + "\"tcbLevels\":[" +
           levels + "]}";
  }
  std::string identity(const Spec& spec) const {
    return "{\"id\":\"" + std::string(spec.is_tdx ? "TD_QE" : "QE") + "\",\"version\":2," + dates(spec) +
           R"(,"miscselect":"00000000","miscselectMask":"FFFFFFFF","attributes":"11000000000000000000000000000000",)"
           R"("attributesMask":"FBFFFFFFFFFFFFFF0000000000000000","mrsigner":")" +
           std::string(64, '7') + "\",\"isvprodid\":" + (spec.is_tdx ? "2" : "1") +
           R"(,"tcbLevels":[{"tcb":{"isvsvn":8},"tcbDate":"2026-03-13T00:00:00Z","tcbStatus":")" + spec.qe_status +
           R"("},{"tcb":{"isvsvn":6},"tcbDate":"2021-11-10T00:00:00Z","tcbStatus":"OutOfDate"}]})";
  }
  Collateral collateral(const Spec& spec) const {
    Collateral out;
    out.certificates = {signer.certificate, ca.certificate, root.certificate};
    out.revocation_lists = {make_list(root, {}), make_list(ca, {})};
    for (const std::string& text : {tcb_info(spec), identity(spec)})
      CHECK(out.add_document(text, to_hex(*signer.key.sign(bytes_of(text))), {}, "test").has_value());
    return out;
  }

  Blob quote(const Spec& spec) const {
    Blob out(kQuoteHeaderSize);
    put(out, 0, spec.version, 2);
    put(out, 2, 2, 2);
    put(out, 4, spec.is_tdx ? 0x81 : 0, 4);
    std::ranges::copy(*from_hex("939a7233f79c4ca9940a0db3957f0607"), out.begin() + 12);
    Blob body(spec.is_tdx ? (spec.is_15 ? kTdReport15Size : kTdReport10Size) : kSgxReportSize);
    if (spec.is_tdx) {
      std::ranges::copy(spec.tee_tcb_svn, body.begin());
      body[120] = spec.attributes;
      body[123] = 0x10;
      std::fill_n(body.begin() + 136, 48, u8{0xCD});
      std::fill_n(body.begin() + 520, 64, u8{0xAB});
      if (spec.is_15) std::ranges::copy(spec.tee_tcb_svn2, body.begin() + 584);
    } else {
      body[48] = static_cast<u8>(5 | spec.attributes);
      std::fill_n(body.begin() + 64, 32, u8{0xCD});
      std::fill_n(body.begin() + 128, 32, u8{0xEE});
      put(body, 256, 3, 2);
      put(body, 258, 4, 2);
      std::fill_n(body.begin() + 320, 64, u8{0xAB});
    }
    if (spec.version == 5) {
      out.resize(kQuoteHeaderSize + 6);
      put(out, 48, spec.is_tdx ? (spec.is_15 ? 3 : 2) : 1, 2);
      put(out, 50, body.size(), 4);
    }
    out.insert(out.end(), body.begin(), body.end());
    const Blob signature = *attestation.sign(out);

    Blob qe(kSgxReportSize);
    qe[48] = static_cast<u8>(spec.qe_attributes);
    std::fill_n(qe.begin() + 128, 32, u8{0x77});
    put(qe, 256, spec.qe_product ? spec.qe_product : spec.is_tdx ? 2 : 1, 2);
    put(qe, 258, spec.qe_svn, 2);
    const Blob authentication(32, 5);
    const Sha256 vouched = sha256(join({attestation.point(), authentication}));
    std::ranges::copy(vouched, qe.begin() + 320);
    const auto number = [](u64 value, size_t bytes) {
      Blob blob(bytes);
      put(blob, 0, value, bytes);
      return blob;
    };
    const std::string pem = to_pem(pck.certificate) + to_pem(ca.certificate) + to_pem(root.certificate);
    const Blob part = join({qe, *pck.key.sign(qe), number(32, 2), authentication, number(5, 2), number(pem.size(), 4),
                            Blob(pem.begin(), pem.end())});
    Blob data = join({signature, attestation.point()});
    data = spec.version == 3 ? join({data, part}) : join({data, number(6, 2), number(part.size(), 4), part});
    return join({out, number(data.size(), 4), data});
  }
};

// The reasons why a verdict is no good, one a line.
inline std::string failures(const Checks& checks) {
  std::string out;
  for (const Check& check : checks)
    if (check.outcome == Outcome::Failed) out += check.name + ": " + check.reason + "\n";
  return out;
}

}  // namespace berth::attest::testing
