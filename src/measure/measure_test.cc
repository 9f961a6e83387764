#include <gtest/gtest.h>

#include <algorithm>

#include "measure/sev.h"
#include "measure/tdx.h"

namespace berth::measure {
namespace {

// Two pages that end like OVMF does: SEV and TDX metadata, a reset address, a place for hashes. The digests that are
// expected of it below were computed by another implementation (tests/measure compares them again where that is
// installed, with the same bytes).
std::vector<u8> make_firmware(u32 vcpu_eip = 0x0080b004) {
  std::vector<u8> file(8192);
  for (size_t i = 0; i < file.size(); ++i) file[i] = static_cast<u8>(i * 7 + i / 256);
  std::vector<u8> sev;
  for (const char c : std::string_view("ASEV")) sev.push_back(static_cast<u8>(c));
  const u32 sections[][3] = {{0x800000, 0x9000, 1}, {0x80a000, 0x3000, 1},    {0x80d000, 0x1000, 2},
                             {0x80e000, 0x1000, 3}, {0x810000, 0x1000, 0x10}, {0x811000, 0xf000, 1}};
  append_le(sev, 16 + sizeof sections, 4);
  append_le(sev, 1, 4);
  append_le(sev, std::size(sections), 4);
  for (const auto& section : sections)
    for (const u32 field : section) append_le(sev, field, 4);
  std::ranges::copy(sev, file.begin() + 6000);

  std::vector<u8> tdx;
  for (const char c : std::string_view("TDVF")) tdx.push_back(static_cast<u8>(c));
  append_le(tdx, 16 + 4 * 32, 4);
  append_le(tdx, 1, 4);
  append_le(tdx, 4, 4);
  const auto section = [&](u32 offset, u32 size, u64 gpa, u64 memory, u32 kind, u32 attributes) {
    append_le(tdx, offset, 4);
    append_le(tdx, size, 4);
    append_le(tdx, gpa, 8);
    append_le(tdx, memory, 8);
    append_le(tdx, kind, 4);
    append_le(tdx, attributes, 4);
  };
  section(0, 8192, 0xffffe000, 8192, 0, 1);
  section(0, 4096, 0xffffe000, 4096, 1, 0);
  section(0, 0, 0x810000, 0x2000, 3, 0);
  section(0, 0, 0x809000, 0x1000, 2, 0);
  std::ranges::copy(tdx, file.begin() + 7000);

  std::vector<u8> table;
  const auto entry = [&](u64 value, std::initializer_list<u8> guid) {
    append_le(table, value, 4);
    append_le(table, 22, 2);
    table.insert(table.end(), guid);
  };
  entry(file.size() - 7000,
        {0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47, 0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2});
  entry(file.size() - 6000,
        {0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47, 0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc});
  entry(0x810c00, {0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b, 0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54});
  entry(vcpu_eip, {0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f, 0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e});
  append_le(table, table.size() + 18, 2);
  for (const u8 byte : {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45, 0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d})
    table.push_back(static_cast<u8>(byte));
  std::ranges::copy(table, file.end() - 32 - static_cast<std::ptrdiff_t>(table.size()));
  return file;
}

std::vector<u8> text(std::string_view of) { return {bytes_of(of).begin(), bytes_of(of).end()}; }

SevLaunch launch_of(u32 vcpus, std::string_view type, u64 features, bool kernel) {
  SevLaunch launch = {.vcpus = vcpus, .cpu_signature = *cpu_signature_of(type), .guest_features = features};
  if (kernel) launch.hashes = hash_kernel(text("kernel\n"), text("initrd\n"), "console=ttyS0 quiet");
  return launch;
}

TEST(Firmware, ReadsTableAndSections) {
  const auto bytes = make_firmware();
  const auto firmware = read_firmware(bytes);
  ASSERT_TRUE(firmware) << firmware.error().to_string();
  EXPECT_EQ(firmware->gpa, 0xffffe000u);
  EXPECT_EQ(firmware->reset_address, 0x0080b004u);
  EXPECT_EQ(firmware->hash_table_gpa, 0x810c00u);
  EXPECT_EQ(firmware->sev.size(), 6u);
  EXPECT_TRUE(firmware->has(SevSection::Kind::KernelHashes));
  const auto tdx = tdx_sections(*firmware);
  ASSERT_TRUE(tdx);
  ASSERT_EQ(tdx->size(), 4u);
  EXPECT_TRUE((*tdx)[0].extended);
  EXPECT_EQ((*tdx)[2].size, 0x2000u);
}

TEST(Firmware, RefusesWhatReachesBeyondIt) {
  const auto good = make_firmware();
  EXPECT_FALSE(read_firmware(std::span(good).first(4095)));
  EXPECT_FALSE(read_firmware({}));
  // Each byte of tables and metadata, changed to values that matter: an error or a firmware, never more.
  for (size_t at = 6000; at < good.size(); ++at) {
    for (const u8 value : {0x00, 0xff}) {
      auto changed = good;
      changed[at] = value;
      const auto firmware = read_firmware(changed);
      if (!firmware) continue;
      SevLaunch launch = launch_of(2, "EPYC-Milan", 1, true);
      (void)snp_launch_digest(*firmware, launch);
      (void)tdx_mrtd(*firmware);
    }
  }
}

TEST(Firmware, WithoutTableIsOneWithoutSections) {
  const std::vector<u8> bytes(4096, 0xf4);
  const auto firmware = read_firmware(bytes);
  ASSERT_TRUE(firmware);
  const auto digest = snp_launch_digest(*firmware, {});
  ASSERT_FALSE(digest);
  EXPECT_NE(digest.error().detail().find("no SEV metadata"), std::string::npos);
  EXPECT_FALSE(tdx_mrtd(*firmware));
  // With one processor, SEV-ES needs nothing of it, unless a kernel's hashes must go somewhere.
  EXPECT_TRUE(sev_es_launch_digest(*firmware, launch_of(1, "EPYC", 0, false)));
  EXPECT_FALSE(sev_es_launch_digest(*firmware, launch_of(1, "EPYC", 0, true)));
  EXPECT_FALSE(sev_es_launch_digest(*firmware, launch_of(2, "EPYC", 0, false)));
}

TEST(Sev, LaunchDigests) {
  const auto bytes = make_firmware();
  const auto firmware = read_firmware(bytes);
  ASSERT_TRUE(firmware);
  const auto snp = [&](const SevLaunch& launch) { return to_hex(*snp_launch_digest(*firmware, launch)); };
  EXPECT_EQ(snp(launch_of(1, "EPYC-v4", 1, false)),
            "9f7eadeb60f35406b3c4db63e0055e625e91a7eff86f7649833e0bb2ac2741ad26f853820029235e8f747ef245cac837");
  EXPECT_EQ(snp(launch_of(4, "EPYC-Milan", 0x21, true)),
            "975fb670194f4374a402587b4d1eaac5d7eac13441391dfd178a8f71042c0f0ec1c17871def0252a0f132f2494368a1c");
  SevLaunch ec2 = launch_of(2, "EPYC-Genoa", 1, true);
  ec2.hypervisor = Hypervisor::Ec2;
  EXPECT_EQ(snp(ec2),
            "fbfad761010a54299455af2af708d5752420952998a410e32dfe052835853b093a8d059fffdc49ef120bed709e1c86c0");
  SevLaunch gce = launch_of(2, "EPYC-Turin", 1, true);
  gce.hypervisor = Hypervisor::Gce;
  EXPECT_EQ(snp(gce),
            "f8a2d8c2d7c0b358550cbb76a5629e988dc1dafb4250f1cd3c67bf8b7e9b1f3671d4b0a8b3d0a2ed5232fd6fabeedbc5");
  EXPECT_EQ(to_hex(*sev_es_launch_digest(*firmware, launch_of(3, "EPYC-Rome", 1, true))),
            "405ae13962437b91f6975e1c9de5fcd422e709112ec0d60d7fc4823f0137013c");
  EXPECT_EQ(to_hex(*sev_launch_digest(*firmware, launch_of(1, "EPYC", 1, true))),
            "a28014ca9b005c76c4fa106923258a87fcb550fa29e2aec207652b097472cd45");
}

TEST(Sev, CpuTypes) {
  EXPECT_EQ(cpu_signature_of("EPYC-v4"), 0x800f12u);
  EXPECT_EQ(cpu_signature_of("EPYC-Milan-v2"), 0xa00f11u);
  EXPECT_EQ(cpu_signature_of("EPYC-Genoa"), 0xa10f10u);
  EXPECT_EQ(cpu_signature_of("EPYC-Milan-v9"), std::nullopt);
  EXPECT_EQ(cpu_signature_of("EPYC-"), std::nullopt);
  EXPECT_EQ(cpu_signature_of("Skylake"), std::nullopt);
}

TEST(Tdx, MrtdDependsOnTheOrderOfPages) {
  const auto bytes = make_firmware();
  const auto firmware = read_firmware(bytes);
  ASSERT_TRUE(firmware);
  EXPECT_EQ(to_hex(*tdx_mrtd(*firmware)),
            "eabb1c8fb23773acd5c41361eca4182ee169a540e4dfbb121f5a462692adcda6ee20f09a6d6349ce936a94e3303d47db");
  EXPECT_EQ(to_hex(*tdx_mrtd(*firmware, PageOrder::BySection)),
            "e3db5233cf6bd88a07d3a48bbc8474f40656edda65882ecbcf3fdb48a18c6d39a25e2aa50a3b858b96c1c33ff68c1e73");
}

TEST(Tdx, RuntimeRegisters) {
  EXPECT_EQ(to_hex(tdx_rtmr2(text("initrd\n"), "console=hvc0")),
            "c9217d57c49f1d5c4c4448f7778a7c08e79463ee5f1f241609bc3eeb41b992500df3be4f0ae4e18ca09b92b3808b78bc");
  // An application of one header, with a certificate at its end, which is left out.
  std::vector<u8> pe(1024, 0x5a);
  pe[0] = 'M';
  pe[1] = 'Z';
  store_le(pe, 0x3c, 0x80, 4);
  store_le(pe, 0x80, 0x4550, 4);
  store_le(pe, 0x98, 0x20b, 2);
  store_le(pe, 0x98 + 112 + 32, 960, 4);
  store_le(pe, 0x98 + 112 + 36, 64, 4);
  EXPECT_EQ(to_hex(*tdx_rtmr1(pe)),
            "5f3368cb7bdfff72e302a188cd4a04c2c57ed0dda665188ee73547b2fca1da759d252201e7f31fb806112ac55c4dd39a");
  auto other = pe;
  other[1000] ^= 1;
  other[0x98 + 64] ^= 1;
  EXPECT_EQ(*authenticode_sha384(pe), *authenticode_sha384(other));
  other[900] ^= 1;
  EXPECT_NE(*authenticode_sha384(pe), *authenticode_sha384(other));
  store_le(pe, 0x98 + 112 + 36, 65, 4);
  EXPECT_FALSE(authenticode_sha384(pe));
  EXPECT_FALSE(tdx_rtmr1(text("MZ")));
}

}  // namespace
}  // namespace berth::measure
