#include "attest/collateral.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "attest/json_span.h"
#include "json/json.h"
#include "os/file.h"

namespace berth::attest {
namespace {

constexpr u64 kMostFile = u64{16} << 20;
constexpr size_t kMostFiles = 1024;

std::unexpected<Error> wrong(const std::string& name, const std::string& what) {
  return fail(kBadCollateral, name + ": " + what);
}

Error&& named(Error&& error, const std::string& name) { return std::move(error).with_context("in " + name); }

template <typename T>
Result<T> named(Result<T> result, const std::string& name) {
  if (!result) return fail(named(std::move(result).error(), name));
  return result;
}

Result<> add_pem_lists(Collateral& to, std::string_view text, const std::string& name) {
  constexpr std::string_view kBegin = "-----BEGIN X509 CRL-----", kEnd = "-----END X509 CRL-----";
  for (size_t at = text.find(kBegin); at != std::string_view::npos; at = text.find(kBegin, at)) {
    at += kBegin.size();
    const size_t end = text.find(kEnd, at);
    if (end == std::string_view::npos) return wrong(name, "a revocation list in PEM does not end");
    const auto der = from_base64(text.substr(at, end - at));
    if (!der) return wrong(name, "a revocation list in PEM is not base64");
    to.revocation_lists.push_back(TRY(named(RevocationList::from_der(*der), name)));
    at = end + kEnd.size();
  }
  return {};
}

Result<> add_list_text(Collateral& to, std::string_view text, const std::string& name) {
  if (text.find("-----BEGIN X509 CRL-----") != std::string_view::npos) return add_pem_lists(to, text, name);
  auto der = from_hex(text);
  if (!der) der = from_base64(text);
  if (!der) return wrong(name, "a revocation list is neither PEM nor hexadecimal");
  to.revocation_lists.push_back(TRY(named(RevocationList::from_der(*der), name)));
  return {};
}

// The one-file form: texts within JSON.
Result<> add_one_file(Collateral& to, const json::Value& value, const std::string& name) {
  for (const char* const member : {"root_ca_crl", "pck_crl"}) {
    if (const std::string_view text = value.text_at({member}); !text.empty())
      TRY(add_list_text(to, text, name + ": " + member));
  }
  for (const char* const member : {"pck_crl_issuer_chain", "pck_certificate_chain"}) {
    for (Certificate& certificate : TRY(named(Certificate::from_pem(value.text_at({member})), name)))
      to.certificates.push_back(std::move(certificate));
  }
  for (const char* const member : {"tcb_info", "qe_identity"}) {
    const std::string_view text = value.text_at({member});
    if (text.empty()) continue;
    auto chain = TRY(named(Certificate::from_pem(value.text_at({std::string(member) + "_issuer_chain"})), name));
    TRY(to.add_document(std::string(text), value.text_at({std::string(member) + "_signature"}), std::move(chain),
                        name + ": " + member));
  }
  return {};
}

Result<> add_json(Collateral& to, std::string_view text, const std::string& name) {
  const auto value = json::parse(text);
  if (!value) return wrong(name, "it is malformed: " + value.error().to_string());
  if (value->find("tcb_info") || value->find("qe_identity") || value->find("pck_crl"))
    return add_one_file(to, *value, name);
  for (const std::string_view member : {"tcbInfo", "enclaveIdentity"}) {
    if (!value->find(member)) continue;
    // What is signed is the bytes as they are, not what they mean.
    const std::string_view span = member_span(text, member);
    return to.add_document(std::string(span), value->text_at({"signature"}), {}, name);
  }
  to.ignored.push_back(name);
  return {};
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace{" \t\r\n\0", 5};
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Result<std::vector<std::string>> files_in(const std::string& folder) {
  struct Close {
    void operator()(DIR* d) const { closedir(d); }
  };
  const std::unique_ptr<DIR, Close> open(opendir(folder.c_str()));
  if (!open) return fail(os_error(errno, "cannot read the folder " + folder));
  std::vector<std::string> out;
  while (true) {
    errno = 0;
    const dirent* const entry = readdir(open.get());
    if (!entry) {
      if (errno != 0) return fail(os_error(errno, "cannot read the folder " + folder));
      break;
    }
    const std::string path = folder + "/" + entry->d_name;
    struct stat status{};
    if (entry->d_name[0] == '.' || stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    out.push_back(path);
    if (out.size() > kMostFiles) return fail(kBadCollateral, "the folder " + folder + " has more than 1024 files");
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace

Result<> Collateral::add_document(std::string text, std::string_view signature, std::vector<Certificate> chain,
                                  const std::string& name) {
  const auto bytes = from_hex(signature);
  if (!bytes || bytes->size() != 64) return wrong(name, "its signature is not hexadecimal of 64 bytes");
  const auto value = json::parse(text);
  if (!value) return wrong(name, "it is malformed: " + value.error().to_string());
  SignedDocument document{std::move(text), {}, std::move(chain), name};
  std::ranges::copy(*bytes, document.signature.begin());
  // Identities say whose they are; information on the TCB has a processor's family in it.
  (value->find("fmspc") ? tcb_infos : identities).push_back(std::move(document));
  return {};
}

Result<> Collateral::add(std::span<const u8> bytes, const std::string& name) {
  if (bytes.size() > 4 && bytes[0] == 0x30 && (bytes[1] & 0x80)) {
    if (auto certificate = Certificate::from_der(bytes)) {
      certificates.push_back(std::move(*certificate));
    } else if (auto list = RevocationList::from_der(bytes)) {
      revocation_lists.push_back(std::move(*list));
    } else {
      ignored.push_back(name);
    }
    return {};
  }
  const std::string_view text = trim(text_of(bytes));
  if (text.starts_with('{')) return add_json(*this, text, name);
  const bool has_certificates = text.find("-----BEGIN CERTIFICATE-----") != std::string_view::npos;
  const bool has_lists = text.find("-----BEGIN X509 CRL-----") != std::string_view::npos;
  if (has_certificates) {
    for (Certificate& certificate : TRY(named(Certificate::from_pem(text), name)))
      certificates.push_back(std::move(certificate));
  }
  if (has_lists) TRY(add_pem_lists(*this, text, name));
  if (has_certificates || has_lists) return {};
  if (const auto der = from_hex(text); der && !der->empty() && der->front() == 0x30) return add(*der, name);
  ignored.push_back(name);
  return {};
}

Result<Collateral> Collateral::load(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return fail(os_error(errno, "cannot read " + path));
  Collateral out;
  std::vector<std::string> files = {path};
  if (S_ISDIR(status.st_mode)) files = TRY(files_in(path));
  for (const std::string& file : files) {
    const auto bytes = TRY(os::read_file(file, kMostFile));
    TRY(out.add(bytes, file));
  }
  return out;
}

}  // namespace berth::attest
