// Intel's documents on what is up to date: TCB information (versions 2 and 3) and identities of quoting enclaves
// (version 2), as the Provisioning Certification Service answers them, and how a platform is matched against them.
// Values and pure functions; signatures are checked elsewhere.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/certificate.h"
#include "attest/quote.h"
#include "base/result.h"

namespace berth::attest {

// In Intel's words. The worse of two is the later one, but see merge().
enum class TcbStatus : u8 {
  UpToDate,
  SWHardeningNeeded,
  ConfigurationNeeded,
  ConfigurationAndSWHardeningNeeded,
  TDRelaunchAdvised,
  TDRelaunchAdvisedConfigurationNeeded,
  OutOfDate,
  OutOfDateConfigurationNeeded,
  Revoked,
};
std::string_view name_of(TcbStatus status);
std::optional<TcbStatus> tcb_status_of(std::string_view name);
// All names, for messages.
std::string tcb_status_names();

// A status with what it rests on.
struct TcbVerdict {
  TcbStatus status = TcbStatus::UpToDate;
  std::vector<std::string> advisories = {};  // "INTEL-SA-00615"
  std::string date = {};                     // as the document has it
};

struct TcbLevel {
  std::array<u8, 16> sgx{}, tdx{};
  u32 pce_svn = 0;
  TcbVerdict verdict = {};
};

// Of enclaves, and of TDX modules: by one number.
struct SvnLevel {
  u32 isv_svn = 0;
  TcbVerdict verdict = {};
};

struct TdxModule {
  std::string id;  // "TDX_03"; empty for the module of version 0
  std::array<u8, 48> mr_signer{};
  std::array<u8, 8> attributes{}, attributes_mask{};
  std::vector<SvnLevel> levels;
};

struct TcbInfo {
  bool is_tdx = false;
  u32 version = 0, evaluation_number = 0;
  Time issued = 0, next_update = 0;
  std::array<u8, 6> fmspc{};
  std::array<u8, 2> pce_id{};
  std::optional<TdxModule> module;
  std::vector<TdxModule> modules;
  std::vector<TcbLevel> levels;  // highest first
};

struct EnclaveIdentity {
  std::string id;  // "QE", "TD_QE"
  u32 version = 0, evaluation_number = 0;
  Time issued = 0, next_update = 0;
  u32 misc_select = 0, misc_select_mask = 0;
  std::array<u8, 16> attributes{}, attributes_mask{};
  std::array<u8, 32> mr_signer{};
  u32 isv_prod_id = 0;
  std::vector<SvnLevel> levels;  // highest first
};

// Fail with kBadCollateral, naming the member.
Result<TcbInfo> parse_tcb_info(std::string_view text);
Result<EnclaveIdentity> parse_enclave_identity(std::string_view text);

// What is in the extension 1.2.840.113741.1.13.1 of a PCK certificate.
struct PckExtension {
  std::array<u8, 16> ppid{}, cpu_svn{}, components{};
  u32 pce_svn = 0;
  std::array<u8, 2> pce_id{};
  std::array<u8, 6> fmspc{};
  u32 sgx_type = 0;
};
Result<PckExtension> parse_pck_extension(const Certificate& certificate);

// The platform's level, by its certificate and, for TDX, by what the trust domain's report says. Fails with
// kBadCollateral when no level fits: the text is the reason.
Result<TcbVerdict> match_platform(const TcbInfo& info, const PckExtension& pck, const TdReport* td,
                                  const TcbVerdict& enclave);
// The level of a quoting enclave whose identity fits; the same failures, also for one that does not fit.
Result<TcbVerdict> match_enclave(const EnclaveIdentity& identity, const SgxReport& report);

// Both together, as Intel's verification library does it: an enclave or a module that is out of date makes the whole
// out of date.
TcbVerdict merge(const TcbVerdict& platform, const TcbVerdict& part);

}  // namespace berth::attest
