#include "attest/intel_tcb.h"

#include <algorithm>
#include <tuple>

#include "attest/der.h"
#include "json/json.h"

namespace berth::attest {
namespace {

constexpr std::string_view kNames[] = {"UpToDate",
                                       "SWHardeningNeeded",
                                       "ConfigurationNeeded",
                                       "ConfigurationAndSWHardeningNeeded",
                                       "TDRelaunchAdvised",
                                       "TDRelaunchAdvisedConfigurationNeeded",
                                       "OutOfDate",
                                       "OutOfDateConfigurationNeeded",
                                       "Revoked"};
constexpr size_t kMostLevels = 1024;

std::unexpected<Error> wrong(std::string what) { return fail(kBadCollateral, std::move(what)); }

// Reads members of one object, whose place in the document is `where`.
class Members {
 public:
  Members(const json::Value& value, std::string where) : value_(value), where_(std::move(where)) {}

  std::unexpected<Error> bad(std::string_view name, std::string_view expected) const {
    return wrong(where_ + "." + std::string(name) + " is not " + std::string(expected));
  }
  const json::Value* find(std::string_view name) const { return value_.find(name); }
  const std::string& where() const { return where_; }

  Result<std::string> text(std::string_view name) const {
    const json::Value* const member = value_.find(name);
    const auto out = member ? member->string() : std::nullopt;
    if (!out) return bad(name, "a string");
    return std::string(*out);
  }
  Result<u32> number(std::string_view name, u32 most = ~u32{0}) const {
    const json::Value* const member = value_.find(name);
    const auto out = member ? member->size() : std::nullopt;
    if (!out || *out > most) return bad(name, "a number up to " + std::to_string(most));
    return static_cast<u32>(*out);
  }
  Result<Time> time(std::string_view name) const {
    const auto out = parse_time(TRY(text(name)));
    if (!out) return bad(name, "a time");
    return *out;
  }
  template <size_t N>
  Result<> hex(std::string_view name, std::array<u8, N>& to) const {
    const auto bytes = from_hex(TRY(text(name)));
    if (!bytes || bytes->size() != N) return bad(name, "hexadecimal of " + std::to_string(N) + " bytes");
    std::ranges::copy(*bytes, to.begin());
    return {};
  }
  Result<u32> hex_number(std::string_view name) const {
    std::array<u8, 4> bytes{};
    TRY(hex(name, bytes));
    return u32{bytes[0]} << 24 | u32{bytes[1]} << 16 | u32{bytes[2]} << 8 | bytes[3];
  }
  Result<const json::Array*> array(std::string_view name) const {
    const json::Value* const member = value_.find(name);
    if (!member || !member->is(json::Kind::Array)) return bad(name, "an array");
    if (member->items().size() > kMostLevels) return bad(name, "an array of at most 1024 items");
    return &member->items();
  }

 private:
  const json::Value& value_;
  const std::string where_;
};

Result<TcbVerdict> read_verdict(const Members& in) {
  TcbVerdict out;
  const std::string name = TRY(in.text("tcbStatus"));
  const auto status = tcb_status_of(name);
  if (!status) return wrong(in.where() + ".tcbStatus is " + name + ", which is not known");
  out.status = *status;
  if (in.find("tcbDate")) out.date = TRY(in.text("tcbDate"));
  if (in.find("advisoryIDs")) {
    for (const json::Value& id : *TRY(in.array("advisoryIDs"))) {
      const auto text = id.string();
      if (!text || text->size() > 64) return in.bad("advisoryIDs", "an array of names");
      out.advisories.emplace_back(*text);
    }
  }
  return out;
}

Result<std::vector<SvnLevel>> read_svn_levels(const Members& in) {
  std::vector<SvnLevel> out;
  size_t i = 0;
  for (const json::Value& item : *TRY(in.array("tcbLevels"))) {
    const Members level(item, in.where() + ".tcbLevels[" + std::to_string(i++) + "]");
    const json::Value* const tcb = level.find("tcb");
    if (!tcb) return level.bad("tcb", "an object");
    out.push_back({TRY(Members(*tcb, level.where() + ".tcb").number("isvsvn", 65535)), TRY(read_verdict(level))});
  }
  std::ranges::sort(out, [](const SvnLevel& a, const SvnLevel& b) {
    return std::tie(a.isv_svn, a.verdict.status) > std::tie(b.isv_svn, b.verdict.status);
  });
  return out;
}

Result<> read_components(const Members& in, std::string_view name, std::array<u8, 16>& to) {
  const json::Array& items = *TRY(in.array(name));
  if (items.size() != to.size()) return in.bad(name, "an array of 16");
  for (size_t i = 0; i < to.size(); ++i)
    to[i] = static_cast<u8>(TRY(
        Members(items[i], in.where() + "." + std::string(name) + "[" + std::to_string(i) + "]").number("svn", 255)));
  return {};
}

// Version 2 names every component.
Result<> read_named_components(const Members& in, std::array<u8, 16>& to) {
  for (size_t i = 0; i < to.size(); ++i) {
    const std::string digits = std::to_string(i + 1);
    to[i] =
        static_cast<u8>(TRY(in.number("sgxtcbcomp" + std::string(digits.size() < 2 ? "0" : "") + digits + "svn", 255)));
  }
  return {};
}

Result<TcbLevel> read_level(const Members& in, const TcbInfo& info) {
  TcbLevel out;
  const json::Value* const object = in.find("tcb");
  if (!object) return in.bad("tcb", "an object");
  const Members tcb(*object, in.where() + ".tcb");
  if (info.version >= 3)
    TRY(read_components(tcb, "sgxtcbcomponents", out.sgx));
  else
    TRY(read_named_components(tcb, out.sgx));
  if (info.is_tdx) TRY(read_components(tcb, "tdxtcbcomponents", out.tdx));
  out.pce_svn = TRY(tcb.number("pcesvn", 65535));
  out.verdict = TRY(read_verdict(in));
  return out;
}

Result<TdxModule> read_module(const Members& in, bool is_named) {
  TdxModule out;
  TRY(in.hex("mrsigner", out.mr_signer));
  TRY(in.hex("attributes", out.attributes));
  TRY(in.hex("attributesMask", out.attributes_mask));
  if (is_named) {
    out.id = TRY(in.text("id"));
    out.levels = TRY(read_svn_levels(in));
  }
  return out;
}

bool covers(std::span<const u8> have, std::span<const u8> wanted, size_t from = 0) {
  for (size_t i = from; i < have.size(); ++i)
    if (have[i] < wanted[i]) return false;
  return true;
}

std::string dotted(std::span<const u8> numbers) {
  std::string out;
  for (const u8 number : numbers) out += (out.empty() ? "" : ".") + std::to_string(number);
  return out;
}

bool equal_no_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

const TdxModule* find_module(const TcbInfo& info, u8 version) {
  const std::string id = "TDX_" + to_hex({&version, 1});
  for (const TdxModule& module : info.modules)
    if (equal_no_case(module.id, id)) return &module;
  return nullptr;
}

const SvnLevel* find_level(const std::vector<SvnLevel>& levels, u32 svn) {
  for (const SvnLevel& level : levels)
    if (svn >= level.isv_svn) return &level;
  return nullptr;
}

// The module that runs the trust domain: it must be Intel's, and has a status of its own from version 1 on.
Result<std::optional<TcbVerdict>> match_module(const TcbInfo& info, const TdReport& td) {
  const u8 version = td.tee_tcb_svn[1], svn = td.tee_tcb_svn[0];
  const TdxModule* module = info.module ? &*info.module : nullptr;
  if (version > 0) {
    module = find_module(info, version);
    if (!module)
      return wrong("the TDX module is of version " + std::to_string(version) +
                   ", of which the TCB information does not know");
  }
  if (!module) return wrong("the TCB information says nothing of TDX modules");
  if (td.mr_signer_seam != module->mr_signer)
    return wrong("the TDX module is signed by " + to_hex(td.mr_signer_seam) + ", expected " +
                 to_hex(module->mr_signer));
  for (size_t i = 0; i < td.seam_attributes.size(); ++i) {
    const u8 mask = module->attributes_mask[i];
    if ((td.seam_attributes[i] & mask) != (module->attributes[i] & mask) || (td.seam_attributes[i] & ~mask))
      return wrong("the attributes of the TDX module are " + to_hex(td.seam_attributes) + ", expected " +
                   to_hex(module->attributes));
  }
  if (version == 0) return std::nullopt;
  const SvnLevel* const level = find_level(module->levels, svn);
  if (!level)
    return wrong("the TDX module has version " + std::to_string(version) + "." + std::to_string(svn) +
                 ", which is below every level that is known, and so out of date");
  return level->verdict;
}

bool is_one_of(TcbStatus status, std::initializer_list<TcbStatus> list) {
  return std::ranges::find(list, status) != list.end();
}

// TDX 1.5: the module was updated after the trust domain started, which only has to start again.
std::optional<TcbStatus> relaunch_status(const TcbInfo& info, const TdReport& td, TcbStatus sgx, TcbStatus tdx,
                                         TcbStatus module, TcbStatus enclave) {
  using enum TcbStatus;
  if (!td.tee_tcb_svn2 || is_one_of(enclave, {OutOfDate, Revoked}) ||
      !is_one_of(sgx, {UpToDate, SWHardeningNeeded, ConfigurationNeeded, ConfigurationAndSWHardeningNeeded}) ||
      !is_one_of(tdx, {OutOfDate, OutOfDateConfigurationNeeded}) || module != OutOfDate) {
    return std::nullopt;
  }
  const auto& now = *td.tee_tcb_svn2;
  const TcbLevel& latest = info.levels.front();
  u32 wanted = latest.tdx[0];
  if (now[1] > 0) {
    const TdxModule* const running = find_module(info, now[1]);
    if (!running || running->levels.empty()) return std::nullopt;
    wanted = running->levels.front().isv_svn;
  }
  if (now[0] < wanted || now[2] < latest.tdx[2]) return std::nullopt;
  const bool needs_configuration =
      is_one_of(sgx, {ConfigurationNeeded, ConfigurationAndSWHardeningNeeded}) || tdx == OutOfDateConfigurationNeeded;
  return needs_configuration ? TDRelaunchAdvisedConfigurationNeeded : TDRelaunchAdvised;
}

}  // namespace

std::string_view name_of(TcbStatus status) { return kNames[static_cast<size_t>(status)]; }

std::optional<TcbStatus> tcb_status_of(std::string_view name) {
  const auto at = std::ranges::find(kNames, name);
  if (at == std::end(kNames)) return std::nullopt;
  return static_cast<TcbStatus>(at - std::begin(kNames));
}

std::string tcb_status_names() {
  std::string out;
  for (const std::string_view name : kNames) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

Result<TcbInfo> parse_tcb_info(std::string_view text) {
  const auto value = json::parse(text);
  if (!value) return wrong("the TCB information is malformed: " + value.error().to_string());
  const Members in(*value, "tcbInfo");
  TcbInfo out;
  out.version = TRY(in.number("version"));
  if (out.version != 2 && out.version != 3)
    return wrong("the TCB information is of version " + std::to_string(out.version) + ", known are 2 and 3");
  if (out.version == 3) {
    const std::string id = TRY(in.text("id"));
    if (id != "SGX" && id != "TDX") return wrong("the TCB information is of " + id + ", known are SGX and TDX");
    out.is_tdx = id == "TDX";
  }
  out.issued = TRY(in.time("issueDate"));
  out.next_update = TRY(in.time("nextUpdate"));
  TRY(in.hex("fmspc", out.fmspc));
  TRY(in.hex("pceId", out.pce_id));
  if (TRY(in.number("tcbType")) != 0) return wrong("tcbInfo.tcbType is not 0, which is the only one that is known");
  out.evaluation_number = TRY(in.number("tcbEvaluationDataNumber"));
  if (const json::Value* const module = in.find("tdxModule"); module && out.is_tdx)
    out.module = TRY(read_module(Members(*module, "tcbInfo.tdxModule"), false));
  if (out.is_tdx && in.find("tdxModuleIdentities")) {
    size_t i = 0;
    for (const json::Value& module : *TRY(in.array("tdxModuleIdentities")))
      out.modules.push_back(
          TRY(read_module(Members(module, "tcbInfo.tdxModuleIdentities[" + std::to_string(i++) + "]"), true)));
  }
  size_t i = 0;
  for (const json::Value& level : *TRY(in.array("tcbLevels")))
    out.levels.push_back(TRY(read_level(Members(level, "tcbInfo.tcbLevels[" + std::to_string(i++) + "]"), out)));
  if (out.levels.empty()) return wrong("tcbInfo.tcbLevels is empty");
  // Of two that are alike, the worse.
  std::ranges::sort(out.levels, [](const TcbLevel& a, const TcbLevel& b) {
    return std::tie(a.sgx, a.pce_svn, a.tdx, a.verdict.status) > std::tie(b.sgx, b.pce_svn, b.tdx, b.verdict.status);
  });
  return out;
}

Result<EnclaveIdentity> parse_enclave_identity(std::string_view text) {
  const auto value = json::parse(text);
  if (!value) return wrong("the identity of the quoting enclave is malformed: " + value.error().to_string());
  const Members in(*value, "enclaveIdentity");
  EnclaveIdentity out;
  out.id = TRY(in.text("id"));
  out.version = TRY(in.number("version"));
  if (out.version != 2 && out.version != 3)
    return wrong("the identity of the quoting enclave is of version " + std::to_string(out.version) +
                 ", known are 2 and 3");
  out.issued = TRY(in.time("issueDate"));
  out.next_update = TRY(in.time("nextUpdate"));
  out.evaluation_number = TRY(in.number("tcbEvaluationDataNumber"));
  out.misc_select = TRY(in.hex_number("miscselect"));
  out.misc_select_mask = TRY(in.hex_number("miscselectMask"));
  TRY(in.hex("attributes", out.attributes));
  TRY(in.hex("attributesMask", out.attributes_mask));
  TRY(in.hex("mrsigner", out.mr_signer));
  out.isv_prod_id = TRY(in.number("isvprodid", 65535));
  out.levels = TRY(read_svn_levels(in));
  return out;
}

Result<PckExtension> parse_pck_extension(const Certificate& certificate) {
  constexpr std::string_view kPrefix = "1.2.840.113741.1.13.1.";
  const auto bad = [](std::string_view what) {
    return wrong("the PCK certificate's extension 1.2.840.113741.1.13.1 " + std::string(what));
  };
  const auto value = certificate.extension("1.2.840.113741.1.13.1");
  if (!value) return bad("is not there");
  const auto all = DerReader(*value).next(kDerSequence);
  if (!all) return bad("is malformed");
  PckExtension out;
  u32 found = 0;  // bits: what must be there
  const auto copy = [&](std::span<const u8> from, std::span<u8> to, u32 bit) {
    if (from.size() != to.size()) return false;
    std::ranges::copy(from, to.begin());
    found |= bit;
    return true;
  };
  const auto read_tcb = [&](std::span<const u8> content) {
    DerReader entries(content);
    u32 components = 0;
    while (const auto entry = entries.next(kDerSequence)) {
      DerReader in(entry->content);
      const auto oid = in.next(kDerOid), field = in.next();
      if (!oid || !field) return false;
      const std::string name = der_oid(oid->content);
      if (!name.starts_with(kPrefix) || !name.substr(kPrefix.size()).starts_with("2.")) return false;
      const std::string which = name.substr(kPrefix.size() + 2);
      if (which == "18") {
        if (!copy(field->content, out.cpu_svn, 1)) return false;
        continue;
      }
      const auto number = der_number(field->content);
      if (!number) return false;
      if (which == "17") {
        out.pce_svn = *number;
        found |= 2;
        continue;
      }
      const size_t i = which.size() < 3 ? static_cast<size_t>(std::atoi(which.c_str())) : 0;
      if (i < 1 || i > 16 || *number > 255) return false;
      out.components[i - 1] = static_cast<u8>(*number);
      components |= 1U << i;
    }
    if (components == 0x1FFFE) found |= 4;
    return entries.at_end();
  };
  DerReader entries(all->content);
  while (const auto entry = entries.next(kDerSequence)) {
    DerReader in(entry->content);
    const auto oid = in.next(kDerOid), field = in.next();
    if (!oid || !field) return bad("is malformed");
    const std::string name = der_oid(oid->content);
    bool good = true;
    if (name == "1.2.840.113741.1.13.1.1") good = copy(field->content, out.ppid, 8);
    if (name == "1.2.840.113741.1.13.1.2") good = field->tag == kDerSequence && read_tcb(field->content);
    if (name == "1.2.840.113741.1.13.1.3") good = copy(field->content, out.pce_id, 16);
    if (name == "1.2.840.113741.1.13.1.4") good = copy(field->content, out.fmspc, 32);
    if (name == "1.2.840.113741.1.13.1.5") out.sgx_type = der_number(field->content).value_or(0);
    if (!good) return bad("has a malformed field " + name);
  }
  if (!entries.at_end()) return bad("is malformed");
  if (found != 63) return bad("lacks fields");
  return out;
}

Result<TcbVerdict> match_platform(const TcbInfo& info, const PckExtension& pck, const TdReport* td,
                                  const TcbVerdict& enclave) {
  const TcbLevel* sgx_level = nullptr;
  const TcbLevel* level = nullptr;
  for (const TcbLevel& candidate : info.levels) {
    if (!covers(pck.components, candidate.sgx) || pck.pce_svn < candidate.pce_svn) continue;
    if (!sgx_level) sgx_level = &candidate;
    // The first two are the module's, which has levels of its own from version 1 on.
    if (td && !covers(td->tee_tcb_svn, candidate.tdx, td->tee_tcb_svn[1] > 0 ? 2 : 0)) continue;
    level = &candidate;
    break;
  }
  if (!sgx_level)
    return wrong("the platform's TCB (components " + dotted(pck.components) + ", PCE " + std::to_string(pck.pce_svn) +
                 ") is below every level that is known, and so out of date");
  if (!level)
    return wrong("the TCB of the trust domain (components " + dotted(td->tee_tcb_svn) +
                 ") is below every level that is known, and so out of date");
  if (!td) return level->verdict;
  const auto module = TRY(match_module(info, *td));
  TcbVerdict out = module ? merge(level->verdict, *module) : level->verdict;
  const auto relaunch = relaunch_status(info, *td, sgx_level->verdict.status, out.status,
                                        module ? module->status : TcbStatus::UpToDate, enclave.status);
  if (relaunch) out.status = *relaunch;
  return out;
}

Result<TcbVerdict> match_enclave(const EnclaveIdentity& identity, const SgxReport& report) {
  if (report.mr_signer != identity.mr_signer)
    return wrong("it is signed by " + to_hex(report.mr_signer) + ", expected " + to_hex(identity.mr_signer));
  if (report.isv_prod_id != identity.isv_prod_id)
    return wrong("its product is " + std::to_string(report.isv_prod_id) + ", expected " +
                 std::to_string(identity.isv_prod_id));
  if ((report.misc_select ^ identity.misc_select) & identity.misc_select_mask)
    return wrong("its MISCSELECT is " + std::to_string(report.misc_select) + ", expected " +
                 std::to_string(identity.misc_select));
  for (size_t i = 0; i < report.attributes.size(); ++i) {
    if ((report.attributes[i] ^ identity.attributes[i]) & identity.attributes_mask[i])
      return wrong("its attributes are " + to_hex(report.attributes) + ", expected " + to_hex(identity.attributes) +
                   " under the mask " + to_hex(identity.attributes_mask));
  }
  const SvnLevel* const level = find_level(identity.levels, report.isv_svn);
  if (!level)
    return wrong("its security version is " + std::to_string(report.isv_svn) +
                 ", below every level that is known, and so out of date");
  return level->verdict;
}

TcbVerdict merge(const TcbVerdict& platform, const TcbVerdict& part) {
  using enum TcbStatus;
  TcbVerdict out = platform;
  for (const std::string& id : part.advisories)
    if (std::ranges::find(out.advisories, id) == out.advisories.end()) out.advisories.push_back(id);
  if (!part.date.empty() && (out.date.empty() || part.date < out.date)) out.date = part.date;
  if (part.status == Revoked) {
    out.status = Revoked;
  } else if (part.status == OutOfDate || part.status == OutOfDateConfigurationNeeded) {
    if (is_one_of(platform.status, {UpToDate, SWHardeningNeeded, TDRelaunchAdvised}))
      out.status = part.status;
    else if (is_one_of(platform.status,
                       {ConfigurationNeeded, ConfigurationAndSWHardeningNeeded, TDRelaunchAdvisedConfigurationNeeded}))
      out.status = OutOfDateConfigurationNeeded;
  } else if (part.status > platform.status) {
    out.status = part.status;
  }
  return out;
}

}  // namespace berth::attest
