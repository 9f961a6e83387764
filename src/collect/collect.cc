#include "collect/collect.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace berth::collect {
namespace {

using attest::Technology;

constexpr char kTsm[] = "/sys/kernel/config/tsm/report", kSevGuest[] = "/dev/sev-guest";
constexpr char kTdxGuest[] = "/dev/tdx_guest", kGramine[] = "/dev/attestation";

struct Row {
  Provider provider;
  std::string_view name;
  const char* path;
};
constexpr Row kRows[] = {
    {Provider::Tsm, "tsm", kTsm},
    {Provider::SevGuest, "sev-guest", kSevGuest},
    {Provider::TdxGuest, "tdx-guest", kTdxGuest},
    {Provider::Gramine, "gramine", "/dev/attestation/user_report_data"},
};

std::unexpected<Error> bad(std::string what) { return fail(ErrorCode::System, std::move(what)); }

std::string trimmed(const std::vector<u8>& bytes) {
  std::string text(bytes.begin(), bytes.end());
  while (!text.empty() && (text.back() == '\n' || text.back() == '\0')) text.pop_back();
  return text;
}

// Documentation/ABI/testing/configfs-tsm-report.
Result<Collected> from_entry(Machine& machine, const std::string& entry, const ReportData& data) {
  TRY(machine.write(entry + "/inblob", data));
  Collected out = {.provider = Provider::Tsm, .evidence = {}, .auxiliary = {}};
  const std::string provider = trimmed(TRY(machine.read(entry + "/provider")));
  if (provider == "sev_guest") {
    out.technology = Technology::SevSnp;
  } else if (provider == "tdx_guest") {
    out.technology = Technology::Tdx;
  } else {
    return bad("the kernel's reports come from " + provider + ", which is not known here");
  }
  out.evidence = TRY(machine.read(entry + "/outblob"));
  if (machine.exists(entry + "/auxblob")) {
    // The host need not have any.
    if (auto extra = machine.read(entry + "/auxblob")) out.auxiliary = std::move(*extra);
  }
  // One write was ours; another's would have made it a report of something else.
  if (const std::string generation = trimmed(TRY(machine.read(entry + "/generation"))); generation != "1")
    return bad("another program wrote to " + entry + " meanwhile (its generation is " + generation + ")");
  return out;
}

// A name of one's own: two programs may ask at the same time.
std::string own_entry() { return std::string(kTsm) + "/berth-" + std::to_string(getpid()); }

Result<Collected> from_tsm(Machine& machine, const ReportData& data) {
  const std::string entry = own_entry();
  if (machine.exists(entry)) TRY(machine.remove_folder(entry));
  TRY(machine.make_folder(entry));
  auto collected = from_entry(machine, entry, data);
  const auto removed = machine.remove_folder(entry);
  if (collected && !removed) return fail(Error(removed.error().code(), removed.error().detail()));
  return collected;
}

// linux/sev-guest.h
struct GuestRequest {
  u8 version;
  u64 request, response, error;
};
struct ReportRequest {
  u8 data[64];
  u32 vmpl;
  u8 reserved[28];
};
struct ExtendedRequest {
  ReportRequest report;
  u64 certificates;
  u32 certificates_size;
};
constexpr unsigned long kGetReport = _IOWR('S', 0, GuestRequest), kGetExtendedReport = _IOWR('S', 2, GuestRequest);
static_assert(kGetReport == 0xC0205300 && kGetExtendedReport == 0xC0205302 && sizeof(ReportRequest) == 96);

// Pages, as the hypervisor wants them.
struct Pages {
  static constexpr size_t kSize = 0x8000;
  Pages() : bytes(static_cast<u8*>(::operator new(kSize, std::align_val_t(4096)))) { std::memset(bytes, 0, kSize); }
  ~Pages() { ::operator delete(bytes, std::align_val_t(4096)); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  u8* bytes;
};

Result<Collected> from_sev_guest(Machine& machine, const ReportData& data) {
  constexpr size_t kResponse = 4000, kHeader = 0x20;
  const Pages pages;
  std::vector<u8> response(kResponse);
  ExtendedRequest extended = {
      .report = {}, .certificates = reinterpret_cast<u64>(pages.bytes), .certificates_size = Pages::kSize};
  std::ranges::copy(data, extended.report.data);
  GuestRequest request = {.version = 1,
                          .request = reinterpret_cast<u64>(&extended),
                          .response = reinterpret_cast<u64>(response.data()),
                          .error = 0};
  Collected out = {.provider = Provider::SevGuest, .technology = Technology::SevSnp, .evidence = {}, .auxiliary = {}};
  if (machine.control(kSevGuest, kGetExtendedReport, &request)) {
    out.auxiliary.assign(pages.bytes, pages.bytes + Pages::kSize);
    // A table without entries is none.
    if (std::ranges::all_of(out.auxiliary, [](u8 byte) { return byte == 0; })) out.auxiliary.clear();
  } else {
    // The host has more certificates than fit, or no part in it: the report alone.
    std::ranges::fill(response, u8{0});
    request.error = 0;
    request.request = reinterpret_cast<u64>(&extended.report);
    TRY(machine.control(kSevGuest, kGetReport, &request));
  }
  u32 status = 0, size = 0;
  std::memcpy(&status, response.data(), 4);
  std::memcpy(&size, response.data() + 4, 4);
  if (status != 0) return bad("the AMD secure processor refused to report: status " + std::to_string(status));
  if (size == 0 || size > response.size() - kHeader) return bad("/dev/sev-guest gave a report of a wrong size");
  out.evidence.assign(response.begin() + kHeader, response.begin() + kHeader + size);
  return out;
}

// linux/tdx-guest.h
struct TdxReportRequest {
  u8 data[64];
  u8 report[1024];
};
constexpr unsigned long kGetTdReport = _IOWR('T', 1, TdxReportRequest);
// The port and the messages of the host's quote generation service.
constexpr u32 kQuotePort = 4050;
constexpr size_t kFrame = 4, kQuoteHeader = 16;

u32 big_endian(std::span<const u8> bytes) {
  return u32{bytes[0]} << 24 | u32{bytes[1]} << 16 | u32{bytes[2]} << 8 | u32{bytes[3]};
}
u32 little_endian(std::span<const u8> bytes, size_t at) {
  return bytes[at] | u32{bytes[at + 1]} << 8 | u32{bytes[at + 2]} << 16 | u32{bytes[at + 3]} << 24;
}
void append_little_endian(std::vector<u8>& out, u64 value, size_t size) {
  for (size_t i = 0; i < size; ++i) out.push_back(static_cast<u8>(value >> (8 * i)));
}

bool is_whole_answer(std::span<const u8> bytes) {
  return bytes.size() >= kFrame && bytes.size() - kFrame >= big_endian(bytes);
}

Result<Collected> from_tdx_guest(Machine& machine, const ReportData& data) {
  TdxReportRequest request = {};
  std::ranges::copy(data, request.data);
  TRY(machine.control(kTdxGuest, kGetTdReport, &request));
  // A report means something on this machine alone; the host has it signed.
  std::vector<u8> message;
  append_little_endian(message, 1, 2);  // version 1.0
  append_little_endian(message, 0, 2);
  append_little_endian(message, 0, 4);  // a request for a quote
  append_little_endian(message, kQuoteHeader + 8 + sizeof request.report, 4);
  append_little_endian(message, 0, 4);
  append_little_endian(message, sizeof request.report, 4);
  append_little_endian(message, 0, 4);  // of whatever key
  message.insert(message.end(), std::begin(request.report), std::end(request.report));
  std::vector<u8> framed;
  for (const int shift : {24, 16, 8, 0}) framed.push_back(static_cast<u8>(message.size() >> shift));
  framed.insert(framed.end(), message.begin(), message.end());
  auto answer = machine.ask_host(kQuotePort, framed, is_whole_answer);
  if (!answer)
    return fail(std::move(answer.error())
                    .with_context("while having the report of /dev/tdx_guest signed; a kernel of 6.7 or later "
                                  "(configfs-tsm) does so without vsock"));
  const std::span<const u8> body = std::span(*answer).subspan(kFrame);
  if (body.size() < kQuoteHeader + 8) return bad("the host's quote service gave too short an answer");
  if (const u32 error = little_endian(body, 12); error != 0)
    return bad("the host's quote service failed with " + std::to_string(error) + "; its log says why");
  const u32 selected = little_endian(body, kQuoteHeader), size = little_endian(body, kQuoteHeader + 4);
  const auto rest = body.subspan(kQuoteHeader + 8);
  if (selected > rest.size() || size > rest.size() - selected || size == 0)
    return bad("the host's quote service gave a quote that is cut off");
  const auto quote = rest.subspan(selected, size);
  return Collected{.provider = Provider::TdxGuest,
                   .technology = Technology::Tdx,
                   .evidence = {quote.begin(), quote.end()},
                   .auxiliary = {}};
}

Result<Collected> from_gramine(Machine& machine, const ReportData& data) {
  const std::string folder = kGramine;
  const std::string type =
      machine.exists(folder + "/attestation_type") ? trimmed(TRY(machine.read(folder + "/attestation_type"))) : "dcap";
  if (type != "dcap")
    return bad("Gramine was started with remote attestation \"" + type +
               "\"\nset sgx.remote_attestation = \"dcap\" in its manifest");
  TRY(machine.write(folder + "/user_report_data", data));
  return Collected{.provider = Provider::Gramine,
                   .technology = Technology::Sgx,
                   .evidence = TRY(machine.read(folder + "/quote")),
                   .auxiliary = {}};
}

Result<Collected> ask(Machine& machine, Provider provider, const ReportData& data) {
  switch (provider) {
    case Provider::Tsm: return from_tsm(machine, data);
    case Provider::SevGuest: return from_sev_guest(machine, data);
    case Provider::TdxGuest: return from_tdx_guest(machine, data);
    case Provider::Gramine: return from_gramine(machine, data);
  }
  return bad("no such provider");
}

}  // namespace

std::string_view name_of(Provider provider) { return std::ranges::find(kRows, provider, &Row::provider)->name; }

std::optional<Provider> provider_by_name(std::string_view name) {
  const auto row = std::ranges::find(kRows, name, &Row::name);
  return row == std::end(kRows) ? std::nullopt : std::optional(row->provider);
}

std::optional<Provider> find_provider(Machine& machine) {
  for (const Provider provider : kProviders) {
    if (!machine.exists(std::ranges::find(kRows, provider, &Row::provider)->path)) continue;
    // The folder is there with the kernel's module; entries can be made only where a driver has something to say.
    const std::string entry = own_entry();
    if (provider == Provider::Tsm && !machine.exists(entry)) {
      if (!machine.make_folder(entry)) continue;
      (void)machine.remove_folder(entry);
    }
    return provider;
  }
  return std::nullopt;
}

Result<Collected> collect(Machine& machine, Provider provider, const ReportData& data) {
  Collected collected = TRY(ask(machine, provider, data));
  const auto evidence = attest::read_raw_evidence(collected.evidence);
  if (!evidence)
    return fail(ErrorCode::System,
                "what " + std::string(name_of(provider)) + " gave is no evidence: " + evidence.error().to_string());
  if (evidence->technology() != collected.technology)
    return bad(std::string(name_of(provider)) + " gave evidence of " +
               std::string(attest::title_of(evidence->technology())));
  if (!std::ranges::equal(evidence->report_data(), data))
    return bad("the evidence that " + std::string(name_of(provider)) + " gave is not of what was asked for");
  return collected;
}

}  // namespace berth::collect
