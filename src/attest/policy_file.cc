// Policies as TOML.

#include <algorithm>
#include <functional>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#include <toml++/impl/preprocessor.h>
// toml++ 3.3 asserts things that do not hold of every text, such as "[*", and without assertions has the compiler
// assume them; a few lines below it has an error for the same. Found by fuzzing.
#undef TOML_ASSERT
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT(expr) static_assert(true)
#define TOML_ASSERT_ASSUME(expr) static_assert(true)
#include <toml++/toml.h>

#include "attest/policy.h"

namespace berth::attest {
namespace {

constexpr size_t kMostText = size_t{1} << 20;

// Reads the keys of one table, and knows which were not asked for.
class TableReader {
 public:
  TableReader(const std::string& source, const toml::table& table, std::string prefix)
      : source_(source), table_(table), prefix_(std::move(prefix)) {}

  std::unexpected<Error> wrong(std::string_view key, const std::string& what) const {
    const toml::node* const node = table_.get(key);
    const auto line = (node ? node->source() : table_.source()).begin.line;
    return fail(kBadPolicy, source_ + ":" + std::to_string(line) + ": " + prefix_ + std::string(key) + " " + what);
  }

  Result<> read(std::string_view key, bool& to) {
    const toml::node* const node = take(key);
    if (!node) return {};
    const auto value = node->value_exact<bool>();
    if (!value) return wrong(key, "is neither true nor false");
    to = *value;
    return {};
  }
  template <std::unsigned_integral T>
  Result<> read(std::string_view key, T& to) {
    const toml::node* const node = take(key);
    if (!node) return {};
    const auto value = node->value_exact<i64>();
    if (!value || *value < 0 || static_cast<u64>(*value) > static_cast<T>(~T{0}))
      return wrong(key, "is no number from 0 to " + std::to_string(static_cast<T>(~T{0})));
    to = static_cast<T>(*value);
    return {};
  }
  Result<> read(std::string_view key, std::string& to) {
    const toml::node* const node = take(key);
    if (!node) return {};
    const auto value = node->value_exact<std::string>();
    if (!value) return wrong(key, "is no string");
    to = *value;
    return {};
  }
  // Every item of a list through `one`, which gives what is expected when it does not like it.
  Result<> each(std::string_view key, const std::function<std::string(const toml::node&)>& one) {
    const toml::node* const node = take(key);
    if (!node) return {};
    const toml::array* const list = node->as_array();
    if (!list) return wrong(key, "is no list");
    if (list->empty()) return wrong(key, "is an empty list, which nothing would fit; leave it out to accept anything");
    for (const toml::node& item : *list)
      if (const std::string expected = one(item); !expected.empty())
        return wrong(key, "has an item that is " + expected);
    return {};
  }
  // Byte strings of that size, in hexadecimal.
  Result<> read(std::string_view key, OneOf& to, size_t size) {
    return each(key, [&](const toml::node& item) -> std::string {
      const auto text = item.value_exact<std::string>();
      auto bytes = text ? from_hex(*text) : std::nullopt;
      if (!bytes || bytes->size() != size)
        return "not hexadecimal of " + std::to_string(size) + " bytes (" + std::to_string(2 * size) + " digits)";
      to.push_back(std::move(*bytes));
      return {};
    });
  }
  Result<> read(std::string_view key, std::vector<std::string>& to) {
    return each(key, [&](const toml::node& item) -> std::string {
      const auto text = item.value_exact<std::string>();
      if (!text) return "no string";
      to.push_back(*text);
      return {};
    });
  }
  const toml::table* table(std::string_view key, Result<>& result) {
    const toml::node* const node = take(key);
    if (node && !node->as_table()) result = wrong(key, "is no table");
    return node ? node->as_table() : nullptr;
  }
  const toml::node* take(std::string_view key) {
    known_.push_back(key);
    return table_.get(key);
  }
  // Fails when there is a key that was not read.
  Result<> finish() const {
    for (const auto& [key, node] : table_) {
      if (std::ranges::find(known_, key.str()) == known_.end()) {
        std::string names;
        for (const std::string_view name : known_) names += (names.empty() ? "" : ", ") + std::string(name);
        return wrong(key.str(), "is not known; there are: " + names);
      }
    }
    return {};
  }

 private:
  const std::string& source_;
  const toml::table& table_;
  const std::string prefix_;
  std::vector<std::string_view> known_;
};

// Of a word, what it stands for.
template <typename T>
Result<> read_words(TableReader& in, std::string_view key, std::vector<T>& to,
                    std::initializer_list<std::pair<std::string_view, T>> words) {
  return in.each(key, [&](const toml::node& item) -> std::string {
    const auto text = item.value_exact<std::string>();
    std::string names;
    for (const auto& [word, value] : words) {
      if (text && *text == word) {
        to.push_back(value);
        return {};
      }
      names += (names.empty() ? "" : ", ") + std::string(word);
    }
    return "none of: " + names;
  });
}

// A technology is accepted for what it runs; to accept anything must be said.
Result<> require_identity(const TableReader& in, bool any, std::initializer_list<const OneOf*> lists,
                          std::string_view names) {
  // A key that is misspelled is the better reason.
  TRY(in.finish());
  if (any) return {};
  for (const OneOf* const list : lists)
    if (!list->empty()) return {};
  return in.wrong("any_measurement", "is not true, and none of " + std::string(names) +
                                         " says what may run; name the workload, or accept every one by it");
}

Result<> read_tcb(TableReader& outer, const std::string& source, SnpTcb& to) {
  Result<> result;
  const toml::table* const table = outer.table("minimum_tcb", result);
  TRY(std::move(result));
  if (!table) return {};
  TableReader in(source, *table, "snp.minimum_tcb.");
  u8 fmc = 0;
  TRY(in.read("fmc", fmc));
  if (table->contains("fmc")) to.fmc = fmc;
  TRY(in.read("boot_loader", to.boot_loader));
  TRY(in.read("tee", to.tee));
  TRY(in.read("snp", to.snp));
  TRY(in.read("microcode", to.microcode));
  return in.finish();
}

Result<> read_snp(TableReader& in, const std::string& source, SnpPolicy& to) {
  TRY(in.read("any_measurement", to.any_measurement));
  TRY(in.read("measurements", to.measurements, 48));
  TRY(in.read("id_key_digests", to.id_key_digests, 48));
  TRY(in.read("author_key_digests", to.author_key_digests, 48));
  TRY(in.read("host_data", to.host_data, 32));
  TRY(in.read("family_ids", to.family_ids, 16));
  TRY(in.read("image_ids", to.image_ids, 16));
  TRY(in.read("chip_ids", to.chip_ids, 64));
  TRY(read_words<SnpProduct>(
      in, "products", to.products,
      {{"Milan", SnpProduct::Milan}, {"Genoa", SnpProduct::Genoa}, {"Turin", SnpProduct::Turin}}));
  TRY(read_words<SnpSigningKey>(in, "signing_keys", to.signing_keys,
                                {{"VCEK", SnpSigningKey::Vcek}, {"VLEK", SnpSigningKey::Vlek}}));
  TRY(in.read("providers", to.providers));
  TRY(read_tcb(in, source, to.minimum_tcb));
  TRY(in.read("minimum_guest_svn", to.minimum_guest_svn));
  TRY(in.read("highest_vmpl", to.highest_vmpl));
  TRY(in.read("allow_smt", to.allow_smt));
  TRY(in.read("allow_migration_agent", to.allow_migration_agent));
  TRY(in.read("allow_provisional_firmware", to.allow_provisional_firmware));
  TRY(in.read("require_revocation_list", to.require_revocation_list));
  TRY(in.read("require_single_socket", to.require_single_socket));
  return require_identity(in, to.any_measurement, {&to.measurements, &to.id_key_digests, &to.author_key_digests},
                          "measurements, id_key_digests and author_key_digests");
}

Result<> read_intel(TableReader& in, IntelPolicy& to) {
  std::vector<TcbStatus> statuses;
  TRY(in.each("accepted_statuses", [&](const toml::node& item) -> std::string {
    const auto text = item.value_exact<std::string>();
    const auto status = text ? tcb_status_of(*text) : std::nullopt;
    if (!status) return "none of: " + tcb_status_names();
    if (*status == TcbStatus::Revoked) return "Revoked, which is never accepted";
    statuses.push_back(*status);
    return {};
  }));
  if (!statuses.empty()) to.accepted_statuses = std::move(statuses);
  if (const toml::node* const node = in.take("allowed_advisories")) {
    const toml::array* const list = node->as_array();
    if (!list) return in.wrong("allowed_advisories", "is no list");
    to.any_advisory = false;
    for (const toml::node& item : *list) {
      const auto text = item.value_exact<std::string>();
      if (!text) return in.wrong("allowed_advisories", "has an item that is no string");
      to.allowed_advisories.push_back(*text);
    }
  }
  return in.read("minimum_tcb_evaluation_data_number", to.minimum_evaluation_number);
}

Result<> read_sgx(TableReader& in, const std::string&, SgxPolicy& to) {
  TRY(read_intel(in, to));
  TRY(in.read("any_measurement", to.any_measurement));
  TRY(in.read("mr_enclaves", to.mr_enclaves, 32));
  TRY(in.read("mr_signers", to.mr_signers, 32));
  TRY(in.read("config_ids", to.config_ids, 64));
  TRY(in.each("isv_prod_ids", [&](const toml::node& item) -> std::string {
    const auto value = item.value_exact<i64>();
    if (!value || *value < 0 || *value > 65535) return "no number from 0 to 65535";
    to.isv_prod_ids.push_back(static_cast<u32>(*value));
    return {};
  }));
  TRY(in.read("minimum_isv_svn", to.minimum_isv_svn));
  return require_identity(in, to.any_measurement, {&to.mr_enclaves, &to.mr_signers}, "mr_enclaves and mr_signers");
}

Result<> read_tdx(TableReader& in, const std::string&, TdxPolicy& to) {
  TRY(read_intel(in, to));
  TRY(in.read("any_measurement", to.any_measurement));
  TRY(in.read("mr_tds", to.mr_tds, 48));
  TRY(in.read("mr_config_ids", to.mr_config_ids, 48));
  TRY(in.read("mr_owners", to.mr_owners, 48));
  TRY(in.read("mr_owner_configs", to.mr_owner_configs, 48));
  TRY(in.read("mr_seams", to.mr_seams, 48));
  TRY(in.read("mr_service_tds", to.mr_service_tds, 48));
  TRY(in.read("xfams", to.xfams, 8));
  constexpr std::string_view kRtmrs[] = {"rtmr0", "rtmr1", "rtmr2", "rtmr3"};
  for (size_t i = 0; i < to.rtmrs.size(); ++i) TRY(in.read(kRtmrs[i], to.rtmrs[i], 48));
  TRY(in.read("require_sept_ve_disable", to.require_sept_ve_disable));
  TRY(in.read("allow_service_td", to.allow_service_td));
  return require_identity(in, to.any_measurement, {&to.mr_tds}, "mr_tds");
}

Result<> read_simulated(TableReader& in, const std::string&, SimulatedPolicy& to) {
  TRY(in.read("any_measurement", to.any_measurement));
  TRY(in.read("measurements", to.measurements, 48));
  TRY(in.read("host_data", to.host_data, 32));
  TRY(in.read("keys", to.keys, 32));
  return require_identity(in, to.any_measurement, {&to.measurements}, "measurements");
}

template <typename T>
Result<> read_part(TableReader& outer, const std::string& source, std::string_view name, std::optional<T>& to,
                   Result<> (*read)(TableReader&, const std::string&, T&)) {
  Result<> result;
  const toml::table* const table = outer.table(name, result);
  TRY(std::move(result));
  if (!table) return {};
  TableReader in(source, *table, std::string(name) + ".");
  TRY(read(in, source, to.emplace()));
  return in.finish();
}

Result<> read_report_data(TableReader& in, Policy& to) {
  std::string text;
  TRY(in.read("report_data", text));
  if (text.empty()) return {};
  auto bytes = from_hex(text);
  if (!bytes || bytes->size() > 64) return in.wrong("report_data", "is not hexadecimal of up to 64 bytes");
  to.report_data = std::move(*bytes);
  return {};
}

// The text as toml++ 3.3 survives it. TOML has no control characters but tabs and line ends; and of some letters beyond
// ASCII the parser takes for granted that they are white space, so there are none but in lines of comments.
Result<std::string> readable(std::string_view text, const std::string& source) {
  std::string out(text);
  size_t line = 1;
  bool is_start = true, is_comment = false;
  for (char& c : out) {
    const u8 code = static_cast<u8>(c);
    const auto at = [&] { return source + ":" + std::to_string(line) + ": "; };
    if (c == '\n') {
      ++line;
      is_start = true;
      is_comment = false;
      continue;
    }
    if ((code < 0x20 && c != '\r' && c != '\t') || code == 0x7F)
      return fail(kBadPolicy, at() + "there is a control character, of code " + std::to_string(code));
    if (code >= 0x80 && !is_comment)
      return fail(kBadPolicy,
                  at() + "there is a character that is not ASCII; only lines that start with # may have some");
    if (code >= 0x80) c = '?';
    if (is_start && c == '#') is_comment = true;
    if (c != ' ' && c != '\t') is_start = false;
  }
  return out;
}

Result<> check_technologies(const TableReader& in, const Policy& policy) {
  for (const Technology technology : policy.technologies) {
    const bool has_table = technology == Technology::SevSnp ? policy.snp.has_value()
                           : technology == Technology::Sgx  ? policy.sgx.has_value()
                           : technology == Technology::Tdx  ? policy.tdx.has_value()
                                                            : policy.simulated.has_value();
    if (!has_table)
      return in.wrong("technologies", "has " + std::string(name_of(technology)) + ", but there is no table [" +
                                          std::string(name_of(technology)) + "] that says what may run");
    if (technology == Technology::Simulated && !policy.allow_simulated)
      return in.wrong("technologies", "has simulated, which allow_simulated = true must allow, too");
  }
  return {};
}

}  // namespace

Result<Policy> Policy::parse(std::string_view text, const std::string& source) {
  if (text.size() > kMostText) return fail(kBadPolicy, source + ": a policy of more than 1 MiB");
  const std::string ascii = TRY(readable(text, source));
  const auto table = toml::parse(std::string_view(ascii), source);
  if (!table) {
    return fail(kBadPolicy, source + ":" + std::to_string(table.error().source().begin.line) + ": " +
                                std::string(table.error().description()));
  }
  Policy out;
  TableReader in(source, table.table(), "");
  out.name = "berth";
  TRY(in.read("name", out.name));
  TRY(read_words<Technology>(in, "technologies", out.technologies,
                             {{"snp", Technology::SevSnp},
                              {"sgx", Technology::Sgx},
                              {"tdx", Technology::Tdx},
                              {"simulated", Technology::Simulated}}));
  if (out.technologies.empty())
    return in.wrong("technologies", "is missing: a list of snp, tdx, sgx and simulated that are accepted");
  TRY(in.read("allow_simulated", out.allow_simulated));
  TRY(in.read("allow_debug", out.allow_debug));
  TRY(read_report_data(in, out));
  TRY(read_part(in, source, "snp", out.snp, &read_snp));
  TRY(read_part(in, source, "sgx", out.sgx, &read_sgx));
  TRY(read_part(in, source, "tdx", out.tdx, &read_tdx));
  TRY(read_part(in, source, "simulated", out.simulated, &read_simulated));
  TRY(in.finish());
  TRY(check_technologies(in, out));
  return out;
}

}  // namespace berth::attest
