// Evidence of real hardware: accepted or refused for the right reason, and refused after any change. evidence_suite
// CASE
//
// The folder is $BERTH_EVIDENCE. 77 after saying so when there is none.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "attest/policy.h"
#include "attest/verifier.h"
#include "os/file.h"

namespace {

using namespace berth;
using namespace berth::attest;

constexpr int kExitSkipped = 77;

std::string folder;
int failed = 0;

void fail_with(const std::string& what) {
  std::printf("FAILED: %s\n", what.c_str());
  ++failed;
}

// One piece of evidence, and what is expected of it.
struct Sample {
  std::string file;
  std::vector<std::string> collateral;
  std::string time;
  std::string status;      // of Intel's; "" for others
  std::string reason;      // part of what is wrong with it; "" when it is genuine
  size_t meaningless = 0;  // bytes at the end that belong to nothing
};

const Sample kSamples[] = {
    {"snp/milan-v2-report.hex", {"snp/milan-v2-vcek.der", "snp/milan-ask-ark.pem"}, "2025-06-25T00:00:00Z", "", ""},
    {"snp/milan-v3-vlek-report.bin",
     {"snp/milan-v3-vlek.der", "snp/milan-ask-ark-asvk.pem"},
     "2025-06-25T00:00:00Z",
     "",
     ""},
    {"sgx/quote-v3.bin",
     {"sgx/quote-v3-collateral.json"},
     "2025-06-25T00:00:00Z",
     "ConfigurationAndSWHardeningNeeded",
     "",
     1},
    {"tdx/quote-v4.bin", {"tdx/quote-v4-collateral.json"}, "2025-06-25T00:00:00Z", "UpToDate", "", 71},
    // Of a processor that this collateral does not speak of.
    {"tdx/quote-v5.dat",
     {"tdx/quote-v4-collateral.json"},
     "2025-06-25T00:00:00Z",
     "",
     "TCB information: there is none for this processor: it is of the family 90c06f000000",
     1},
    {"enarx/snp-milan.csr", {"snp/milan-ask-ark.pem"}, "2023-01-15T00:00:00Z", "", ""},
    // It came with information on the TCB, but without the identity of the quoting enclave.
    {"enarx/sgx-icelake.csr", {}, "2023-02-01T00:00:00Z", "", "identity of the quoting enclave: there is none"},
};

Blob read(const std::string& file) {
  auto bytes = os::read_file(folder + "/" + file);
  if (!bytes) {
    std::printf("%s\n", bytes.error().to_string().c_str());
    std::exit(1);
  }
  return std::move(*bytes);
}

Collateral load(const std::vector<std::string>& files) {
  Collateral out;
  for (const std::string& file : files) CHECK(out.add(read(file), file).has_value());
  return out;
}

Time time_of(const Sample& sample) { return *parse_time(sample.time); }

// Of hexadecimal the bytes, so that every bit is of the evidence.
Blob bytes_of_sample(const Sample& sample) {
  Blob bytes = read(sample.file);
  if (!sample.file.ends_with(".hex")) return bytes;
  std::string text;
  for (const u8 byte : bytes)
    if (byte > ' ') text += static_cast<char>(byte);
  return *from_hex(text);
}

// Names of the checks that failed; "unreadable" when there was nothing to check.
std::set<std::string> failures(std::span<const u8> bytes, const Collateral& collateral, Time time,
                               const Roots& roots = vendor_roots()) {
  auto evidence = read_evidence(bytes);
  if (!evidence) return {"unreadable"};
  std::set<std::string> out;
  for (const Check& check : verify(std::move(*evidence), collateral, time, roots).checks)
    if (check.outcome == Outcome::Failed) out.insert(check.name);
  return out;
}

// Whether there is a failure that was not there before.
bool is_worse(const std::set<std::string>& after, const std::set<std::string>& before) {
  return !std::ranges::includes(before, after);
}

void known() {
  for (const Sample& sample : kSamples) {
    auto evidence = read_evidence(read(sample.file));
    if (!evidence) {
      fail_with(sample.file + ": " + evidence.error().to_string());
      continue;
    }
    const Verdict verdict = verify(std::move(*evidence), load(sample.collateral), time_of(sample));
    std::string reasons;
    for (const Check& check : verdict.checks)
      if (check.outcome == Outcome::Failed) reasons += check.name + ": " + check.reason + "\n";
    if (sample.reason.empty() ? !reasons.empty() : reasons.find(sample.reason) != 0)
      fail_with(sample.file + ": " + (reasons.empty() ? "is genuine" : reasons) + ", expected: " + sample.reason);
    const std::string status(verdict.intel ? name_of(verdict.intel->all.status) : "");
    if (status != sample.status) fail_with(sample.file + ": its status is " + status + ", expected " + sample.status);
    std::printf("%-30s %s %s\n", sample.file.c_str(), reasons.empty() ? "genuine" : "refused", status.c_str());
  }
}

void bits() {
  const bool every = std::getenv("BERTH_ATTEST_EVERY_BIT") != nullptr;
  for (const Sample& sample : kSamples) {
    const Collateral collateral = load(sample.collateral);
    const Blob bytes = bytes_of_sample(sample);
    const auto before = failures(bytes, collateral, time_of(sample));
    const size_t end = bytes.size() - sample.meaningless;
    // A bit of every byte of reports, keys and signatures, and of every seventh of certificates.
    const size_t dense = sample.file.ends_with(".csr") ? 0 : std::min<size_t>(end, 1900);
    size_t count = 0;
    for (size_t at = 0; at < end; ++at) {
      for (size_t bit = 0; bit < 8; ++bit) {
        const bool is_chosen = bit == at % 8 && (at < dense || (at - dense) % 7 == 0);
        if (!every && !is_chosen) continue;
        Blob changed = bytes;
        changed[at] ^= static_cast<u8>(1 << bit);
        ++count;
        if (!is_worse(failures(changed, collateral, time_of(sample)), before))
          fail_with(sample.file + ": bit " + std::to_string(bit) + " of byte " + std::to_string(at) +
                    " does not matter");
      }
    }
    std::printf("%-30s %zu bits changed\n", sample.file.c_str(), count);
  }
}

void truncated() {
  for (const Sample& sample : kSamples) {
    const Collateral collateral = load(sample.collateral);
    const Blob bytes = bytes_of_sample(sample);
    const auto before = failures(bytes, collateral, time_of(sample));
    const size_t end = bytes.size() - sample.meaningless + (sample.meaningless > 1 ? 1 : 0);
    for (size_t n = 0; n < end; ++n) {
      if (!is_worse(failures(std::span(bytes).first(n), collateral, time_of(sample)), before))
        fail_with(sample.file + ": cut to " + std::to_string(n) + " bytes it is as good as before");
    }
  }
}

void swapped() {
  // Each with everything of every other, and nothing of its own.
  for (const Sample& sample : kSamples) {
    for (const Sample& other : kSamples) {
      if (other.collateral == sample.collateral) continue;
      const bool has_its_own =
          !sample.file.ends_with(".csr") && !std::ranges::includes(other.collateral, sample.collateral);
      if (!has_its_own) continue;
      if (failures(bytes_of_sample(sample), load(other.collateral), time_of(sample)).empty())
        fail_with(sample.file + " is genuine with the collateral of " + other.file);
    }
  }
  // The chain of one generation for another's report.
  const Blob report = bytes_of_sample(kSamples[0]);
  for (const char* const chain : {"snp/genoa-ask-ark-asvk.pem", "snp/turin-ask-ark.pem"}) {
    if (failures(report, load({"snp/milan-v2-vcek.der", chain}), time_of(kSamples[0])).empty())
      fail_with(std::string("a report of Milan is genuine with ") + chain);
  }
  for (const char* const key : {"snp/milan-v3-vlek.der", "snp/turin-vcek.der"}) {
    if (failures(report, load({key, "snp/milan-ask-ark-asvk.pem", "snp/turin-ask-ark.pem"}), time_of(kSamples[0]))
            .empty())
      fail_with(std::string("a report of Milan is genuine with ") + key);
  }
  // The halves of two quotes.
  Blob mixed = bytes_of_sample(kSamples[3]);
  const Blob other = bytes_of_sample(kSamples[4]);
  const size_t key = kQuoteHeaderSize + kTdReport10Size + 4 + 64;
  std::copy_n(other.begin() + kQuoteHeaderSize + 6 + kTdReport15Size + 4 + 64, 64,
              mixed.begin() + static_cast<ptrdiff_t>(key));
  if (failures(mixed, load(kSamples[3].collateral), time_of(kSamples[3])).empty())
    fail_with("a quote with another's key is genuine");
}

void roots() {
  Roots others = vendor_roots();
  for (AmdRoot& root : others.amd) root.key[0] ^= 1;
  for (Sha256& root : others.intel) root[31] ^= 1;
  for (const Sample& sample : kSamples) {
    if (!is_worse(failures(bytes_of_sample(sample), load(sample.collateral), time_of(sample), others),
                  failures(bytes_of_sample(sample), load(sample.collateral), time_of(sample)))) {
      fail_with(sample.file + " is genuine by another's root");
    }
  }
}

// Before anything was issued, after anything ended, and when a list has become stale.
void times() {
  for (const Sample& sample : kSamples) {
    const Blob bytes = bytes_of_sample(sample);
    const Collateral collateral = load(sample.collateral);
    for (const char* const time : {"2015-01-01T00:00:00Z", "2055-01-01T00:00:00Z"}) {
      if (failures(bytes, collateral, *parse_time(time)).empty()) fail_with(sample.file + " is genuine in " + time);
    }
    if (!sample.reason.empty()) continue;
    const Verdict verdict = verify(*read_evidence(bytes), collateral, time_of(sample));
    const Time end = *verdict.good_until;
    // OpenSSL ends a certificate a second before its last one.
    if (!failures(bytes, collateral, end - 1).empty()) fail_with(sample.file + " ends before " + format_time(end));
    if (failures(bytes, collateral, end + 1).empty()) fail_with(sample.file + " holds after " + format_time(end));
    std::printf("%-30s until %s\n", sample.file.c_str(), format_time(end).c_str());
  }
}

double processor_milliseconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

// How long one takes, with its collateral read anew each time, as a fresh process would. Of the processor's time, which
// other work on the machine does not add to.
void speed() {
  constexpr int kRuns = 21;
  for (const Sample& sample : kSamples) {
    const Blob bytes = read(sample.file);
    std::vector<Blob> files;
    for (const std::string& file : sample.collateral) files.push_back(read(file));
    std::vector<double> times;
    for (int i = 0; i < kRuns; ++i) {
      const double start = processor_milliseconds();
      Collateral collateral;
      for (const Blob& file : files) CHECK(collateral.add(file, "file").has_value());
      const Verdict verdict = verify(*read_evidence(bytes), collateral, time_of(sample));
      const Appraisal appraisal = appraise(verdict, Policy::any_genuine());
      times.push_back(processor_milliseconds() - start);
      CHECK(!appraisal.checks.empty());
    }
    std::ranges::sort(times);
    std::printf("%-30s %6.2f ms (median of %d; slowest %.2f)\n", sample.file.c_str(), times[kRuns / 2], kRuns,
                times.back());
#ifndef BERTH_INSTRUMENTED
    if (times[kRuns / 2] > 10) fail_with(sample.file + " takes more than 10 ms");
#endif
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, void (*)()> cases = {{"known", known},     {"bits", bits},   {"truncated", truncated},
                                                   {"swapped", swapped}, {"roots", roots}, {"times", times},
                                                   {"speed", speed}};
  const auto found = argc == 2 ? cases.find(argv[1]) : cases.end();
  if (found == cases.end()) {
    std::printf("usage: evidence_suite known|bits|truncated|swapped|roots|times|speed\n");
    return 2;
  }
  const char* const variable = std::getenv("BERTH_EVIDENCE");
  folder = variable ? variable : "../shared/evidence";
  if (!std::filesystem::is_directory(folder)) {
    std::printf("SKIPPED: there is no evidence of real hardware at %s (BERTH_EVIDENCE names its folder)\n",
                folder.c_str());
    return kExitSkipped;
  }
  found->second();
  if (failed > 0) std::printf("%d failed\n", failed);
  return failed > 0 ? 1 : 0;
}
