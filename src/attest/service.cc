#include "attest/service.h"

#include <algorithm>

#include "attest/intel_tcb.h"

namespace berth::attest {
namespace {

std::string url_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      if (const auto byte = from_hex(text.substr(i + 1, 2))) {
        out += static_cast<char>(byte->front());
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

std::string without_slash(std::string base) {
  while (base.ends_with('/')) base.pop_back();
  return base;
}

// Fetches one thing, adds it, and the chain that a header has.
Result<> add(Collateral& to, const std::string& url, const Fetch& fetch, std::initializer_list<const char*> chains) {
  const Fetched got = TRY(fetch(url));
  const size_t documents = to.tcb_infos.size() + to.identities.size(), ignored = to.ignored.size();
  TRY(to.add(bytes_of(got.body), url));
  if (to.ignored.size() > ignored) return fail(kBadCollateral, url + " answers nothing that is known");
  for (const char* const name : chains) {
    const auto header = got.headers.find(name);
    if (header == got.headers.end()) continue;
    auto chain = TRY(Certificate::from_pem(url_decode(header->second)));
    if (to.tcb_infos.size() + to.identities.size() > documents) {
      // What was added is the last of its kind.
      auto& kind = url.find("/tcb?") != std::string::npos ? to.tcb_infos : to.identities;
      if (!kind.empty()) kind.back().chain = chain;
    }
    to.certificates.insert(to.certificates.end(), chain.begin(), chain.end());
    break;
  }
  return {};
}

std::string two_digits(u32 value) { return (value < 10 ? "0" : "") + std::to_string(value); }

// Where AMD keeps the key of this chip and TCB.
std::string vcek_url(const std::string& base, const SnpReport& report, SnpProduct product) {
  const SnpTcb tcb = snp_tcb_of(report.reported_tcb, product);
  const size_t id_size = product == SnpProduct::Turin ? 8 : report.chip_id.size();
  std::string out =
      base + "/vcek/v1/" + std::string(name_of(product)) + "/" + to_hex(std::span(report.chip_id).first(id_size)) + "?";
  if (tcb.fmc) out += "fmcSPL=" + two_digits(*tcb.fmc) + "&";
  return out + "blSPL=" + two_digits(tcb.boot_loader) + "&teeSPL=" + two_digits(tcb.tee) +
         "&snpSPL=" + two_digits(tcb.snp) + "&ucodeSPL=" + two_digits(tcb.microcode);
}

}  // namespace

Result<> fetch_for_quote(Collateral& to, const Evidence& evidence, const std::string& base, const Fetch& fetch) {
  const Quote& quote = *evidence.quote();
  const auto chain = TRY(Certificate::from_pem(text_of(quote.certification_data)));
  if (quote.certification_type != 5 || chain.empty())
    return fail(kBadCollateral, "the quote has no PCK certificate, so that the service cannot be asked for its family");
  const PckExtension pck = TRY(parse_pck_extension(chain.front()));
  const std::string sgx = without_slash(base) + "/sgx/certification/v4";
  const std::string own = without_slash(base) + (quote.is_tdx ? "/tdx" : "/sgx") + "/certification/v4";
  TRY(add(to, own + "/tcb?fmspc=" + to_hex(pck.fmspc), fetch, {"tcb-info-issuer-chain", "sgx-tcb-info-issuer-chain"}));
  TRY(add(to, own + "/qe/identity", fetch, {"sgx-enclave-identity-issuer-chain"}));
  const bool is_platform = chain.front().issuer().find("Platform") != std::string::npos;
  TRY(add(to, sgx + "/pckcrl?ca=" + (is_platform ? "platform" : "processor") + "&encoding=der", fetch,
          {"sgx-pck-crl-issuer-chain"}));
  return add(to, sgx + "/rootcacrl", fetch, {});
}

Result<> fetch_for_snp(Collateral& to, const Evidence& evidence, const std::string& base, const Fetch& fetch) {
  const SnpReport& report = *evidence.snp();
  const std::string root = without_slash(base);
  const std::string kind = report.signing_key() == SnpSigningKey::Vlek ? "vlek" : "vcek";
  std::vector<SnpProduct> products = {report.product()};
  // Reports of version 2 do not say, and were made by these.
  if (products[0] == SnpProduct::Unknown) products = {SnpProduct::Milan, SnpProduct::Genoa};
  std::optional<Error> failure;
  for (const SnpProduct product : products) {
    Collateral found;
    const auto get = [&]() -> Result<> {
      if (kind == "vcek" && evidence.certificates.empty()) TRY(add(found, vcek_url(root, report, product), fetch, {}));
      const std::string folder = root + "/" + kind + "/v1/" + std::string(name_of(product));
      TRY(add(found, folder + "/cert_chain", fetch, {}));
      return add(found, folder + "/crl", fetch, {});
    };
    if (auto got = get(); !got) {
      if (!failure) failure = std::move(got).error();
      continue;
    }
    to.certificates.insert(to.certificates.end(), found.certificates.begin(), found.certificates.end());
    to.revocation_lists.insert(to.revocation_lists.end(), found.revocation_lists.begin(), found.revocation_lists.end());
    return {};
  }
  return fail(std::move(*failure));
}

}  // namespace berth::attest
