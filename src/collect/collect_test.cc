#include "collect/collect.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>

namespace berth::collect {
namespace {

std::unexpected<Error> lacking(const std::string& path) { return fail(ErrorCode::System, "no " + path); }

// A machine of tables, with what its devices answer.
class FakeMachine final : public Machine {
 public:
  std::map<std::string, std::vector<u8>> files;
  std::vector<std::string> folders;  // made and not removed
  std::function<bool(unsigned long, void*)> device;
  std::function<std::vector<u8>(std::span<const u8>)> host;
  std::function<void(const std::string&)> on_write = [](const std::string&) {};

  bool exists(const std::string& path) override {
    return files.contains(path) || std::ranges::find(folders, path) != folders.end();
  }
  Result<std::vector<u8>> read(const std::string& path) override {
    if (!files.contains(path)) return lacking(path);
    return files[path];
  }
  Result<> write(const std::string& path, std::span<const u8> bytes) override {
    files[path].assign(bytes.begin(), bytes.end());
    on_write(path);
    return {};
  }
  Result<> make_folder(const std::string& path) override {
    if (exists(path)) return lacking(path);
    folders.push_back(path);
    return {};
  }
  Result<> remove_folder(const std::string& path) override {
    std::erase(folders, path);
    return {};
  }
  Result<> control(const std::string& path, unsigned long request, void* argument) override {
    if (!device || !device(request, argument)) return lacking(path);
    return {};
  }
  Result<std::vector<u8>> ask_host(u32, std::span<const u8> message, bool (*enough)(std::span<const u8>)) override {
    if (!host) return lacking("host");
    auto answer = host(message);
    if (!enough(answer)) return lacking("answer");
    return answer;
  }
};

std::vector<u8> bytes(std::string_view text) { return {text.begin(), text.end()}; }

// A report of SEV-SNP, version 2, that nobody has signed.
std::vector<u8> report_with(std::span<const u8> data) {
  std::vector<u8> report(1184);
  report[0] = 2;
  report[0x34] = 1;
  std::ranges::copy(data, report.begin() + 0x50);
  return report;
}

ReportData some_data() {
  ReportData data;
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<u8>(i + 1);
  return data;
}

FakeMachine tsm_machine() {
  FakeMachine machine;
  machine.files["/sys/kernel/config/tsm/report"] = {};
  return machine;
}

void answer_tsm(FakeMachine& machine, std::string_view provider, std::string_view generation) {
  machine.on_write = [&machine, provider, generation](const std::string& path) {
    const std::string entry = path.substr(0, path.rfind('/'));
    machine.files[entry + "/provider"] = bytes(std::string(provider) + "\n");
    machine.files[entry + "/outblob"] = report_with(machine.files[path]);
    machine.files[entry + "/generation"] = bytes(std::string(generation) + "\n");
    machine.files[entry + "/auxblob"] = bytes("table");
  };
}

TEST(Collect, FindsNothingOnAnOrdinaryMachine) {
  FakeMachine machine;
  EXPECT_EQ(find_provider(machine), std::nullopt);
  EXPECT_FALSE(collect(machine, Provider::SevGuest, some_data()));
  EXPECT_FALSE(collect(machine, Provider::Tsm, some_data()));
  EXPECT_FALSE(collect(machine, Provider::TdxGuest, some_data()));
  EXPECT_FALSE(collect(machine, Provider::Gramine, some_data()));
}

TEST(Collect, TakesReportsOfConfigfs) {
  FakeMachine machine = tsm_machine();
  answer_tsm(machine, "sev_guest", "1");
  ASSERT_EQ(find_provider(machine), Provider::Tsm);
  const auto collected = collect(machine, Provider::Tsm, some_data());
  ASSERT_TRUE(collected) << collected.error().to_string();
  EXPECT_EQ(collected->technology, attest::Technology::SevSnp);
  EXPECT_EQ(collected->evidence, report_with(some_data()));
  EXPECT_EQ(collected->auxiliary, bytes("table"));
  EXPECT_TRUE(machine.folders.empty());
}

TEST(Collect, RefusesReportsThatAnotherAskedFor) {
  FakeMachine machine = tsm_machine();
  answer_tsm(machine, "sev_guest", "2");
  auto collected = collect(machine, Provider::Tsm, some_data());
  ASSERT_FALSE(collected);
  EXPECT_NE(collected.error().detail().find("another program"), std::string::npos);
  EXPECT_TRUE(machine.folders.empty());

  answer_tsm(machine, "arm_cca_guest", "1");
  collected = collect(machine, Provider::Tsm, some_data());
  ASSERT_FALSE(collected);
  EXPECT_NE(collected.error().detail().find("arm_cca_guest"), std::string::npos);

  // TDX that gives a report of SEV-SNP.
  answer_tsm(machine, "tdx_guest", "1");
  EXPECT_FALSE(collect(machine, Provider::Tsm, some_data()));
}

TEST(Collect, AsksSevGuest) {
  FakeMachine machine;
  machine.files["/dev/sev-guest"] = {};
  ASSERT_EQ(find_provider(machine), Provider::SevGuest);
  bool extended = true, other = false;
  u32 status = 0;
  machine.device = [&](unsigned long request, void* argument) {
    u64 fields[4];
    std::memcpy(fields, argument, sizeof fields);
    EXPECT_EQ(fields[0] & 0xff, 1u);
    if (request == 0xC0205302) {
      if (!extended) return false;
      u64 certificates = 0;
      std::memcpy(&certificates, reinterpret_cast<const u8*>(fields[1]) + 96, 8);
      EXPECT_EQ(certificates % 4096, 0u);
      std::memcpy(reinterpret_cast<void*>(certificates), "certificates", 12);
    } else {
      EXPECT_EQ(request, 0xC0205300u);
    }
    ReportData data = {};
    if (!other) std::memcpy(data.data(), reinterpret_cast<const void*>(fields[1]), data.size());
    const auto report = report_with(data);
    u8* const response = reinterpret_cast<u8*>(fields[2]);
    const u32 size = static_cast<u32>(report.size());
    std::memcpy(response, &status, 4);
    std::memcpy(response + 4, &size, 4);
    std::memcpy(response + 32, report.data(), size);
    return true;
  };
  auto collected = collect(machine, Provider::SevGuest, some_data());
  ASSERT_TRUE(collected) << collected.error().to_string();
  EXPECT_EQ(collected->evidence, report_with(some_data()));
  ASSERT_GE(collected->auxiliary.size(), 12u);
  EXPECT_EQ(std::memcmp(collected->auxiliary.data(), "certificates", 12), 0);

  extended = false;
  collected = collect(machine, Provider::SevGuest, some_data());
  ASSERT_TRUE(collected) << collected.error().to_string();
  EXPECT_TRUE(collected->auxiliary.empty());

  other = true;
  collected = collect(machine, Provider::SevGuest, some_data());
  ASSERT_FALSE(collected);
  EXPECT_NE(collected.error().detail().find("not of what was asked for"), std::string::npos);
  status = 0x16;
  EXPECT_FALSE(collect(machine, Provider::SevGuest, some_data()));
}

TEST(Collect, RefusesBrokenAnswersOfTheQuoteService) {
  FakeMachine machine;
  machine.files["/dev/tdx_guest"] = {};
  machine.device = [](unsigned long request, void*) {
    EXPECT_EQ(request, 0xC4405401u);
    return true;
  };
  std::vector<u8> asked;
  std::vector<u8> answer(4 + 24);
  machine.host = [&](std::span<const u8> message) {
    asked.assign(message.begin(), message.end());
    return answer;
  };
  EXPECT_FALSE(collect(machine, Provider::TdxGuest, some_data()));
  EXPECT_EQ(asked.size(), 4u + 16 + 8 + 1024);
  answer[3] = 24;
  answer[4 + 16] = 255;  // an identity that is longer than the answer
  answer[4 + 20] = 1;
  auto collected = collect(machine, Provider::TdxGuest, some_data());
  ASSERT_FALSE(collected);
  EXPECT_NE(collected.error().detail().find("cut off"), std::string::npos);
  answer[4 + 12] = 7;
  collected = collect(machine, Provider::TdxGuest, some_data());
  ASSERT_FALSE(collected);
  EXPECT_NE(collected.error().detail().find("failed with 7"), std::string::npos);
}

TEST(Collect, AsksGramineForQuotesOnly) {
  FakeMachine machine;
  machine.files["/dev/attestation/user_report_data"] = {};
  machine.files["/dev/attestation/attestation_type"] = bytes("epid\n");
  ASSERT_EQ(find_provider(machine), Provider::Gramine);
  auto collected = collect(machine, Provider::Gramine, some_data());
  ASSERT_FALSE(collected);
  EXPECT_NE(collected.error().detail().find("dcap"), std::string::npos);
  machine.files["/dev/attestation/attestation_type"] = bytes("dcap");
  machine.files["/dev/attestation/quote"] = bytes("no quote");
  collected = collect(machine, Provider::Gramine, some_data());
  ASSERT_FALSE(collected);
  EXPECT_EQ(machine.files["/dev/attestation/user_report_data"].size(), 64u);
}

TEST(Collect, Names) {
  for (const Provider provider : kProviders) EXPECT_EQ(provider_by_name(name_of(provider)), provider);
  EXPECT_EQ(provider_by_name("tpm"), std::nullopt);
}

}  // namespace
}  // namespace berth::collect
