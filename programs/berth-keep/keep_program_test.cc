#include <elf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "berth-keep/backend.h"
#include "berth-keep/cpio.h"
#include "berth-keep/kernel.h"
#include "berth-keep/programs.h"

namespace berth::keep {
namespace {

std::vector<u8> bytes(std::string_view text) { return {text.begin(), text.end()}; }

// A module that says no more than what it depends on.
std::vector<u8> module_with(std::string_view depends) {
  const std::string info = std::string("license=GPL") + '\0' + "depends=" + std::string(depends) + '\0';
  const std::string names = std::string(1, '\0') + ".modinfo" + '\0';
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 2;
  header.e_shstrndx = 1;
  header.e_shoff = sizeof header;
  Elf64_Shdr sections[2] = {};
  sections[0].sh_name = 1;
  sections[0].sh_type = SHT_PROGBITS;
  sections[0].sh_offset = sizeof header + sizeof sections;
  sections[0].sh_size = info.size();
  sections[1].sh_type = SHT_STRTAB;
  sections[1].sh_offset = sections[0].sh_offset + info.size();
  sections[1].sh_size = names.size();
  std::vector<u8> out(sizeof header + sizeof sections);
  std::memcpy(out.data(), &header, sizeof header);
  std::memcpy(out.data() + sizeof header, sections, sizeof sections);
  for (const std::string& part : {info, names}) out.insert(out.end(), part.begin(), part.end());
  return out;
}

TEST(Kernel, OrdersModulesAfterWhatTheyDependOn) {
  Kernel kernel;
  kernel.built_in = {"virtio_blk"};
  kernel.modules["virtio_pci"] = module_with("virtio_ring,virtio");
  kernel.modules["virtio_ring"] = module_with("virtio");
  kernel.modules["virtio"] = module_with("");
  kernel.modules["virtio_console"] = module_with("virtio");
  kernel.modules["virtio_net"] = module_with("net-failover");
  kernel.modules["net_failover"] = module_with("");
  kernel.modules["sev_guest"] = module_with("");
  const auto order = order_modules(kernel);
  ASSERT_TRUE(order) << order.error().to_string();
  EXPECT_EQ(order->load, (std::vector<std::string>{"virtio", "virtio_ring", "virtio_pci", "virtio_console",
                                                   "net_failover", "virtio_net", "sev_guest"}));
  EXPECT_NE(std::ranges::find(order->missing, "tdx_guest"), order->missing.end());
  kernel.modules.erase("net_failover");
  const auto refused = order_modules(kernel);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail().find("net_failover"), std::string::npos);
}

TEST(Kernel, ReadsDescriptionsOfModulesWithinBounds) {
  const auto module = module_with("a,b");
  EXPECT_EQ(module_info(module, "depends"), std::vector<std::string>{"a,b"});
  EXPECT_TRUE(module_info(module, "depend").empty());
  for (size_t size = 0; size < module.size(); ++size) (void)module_info(std::span(module).first(size), "depends");
  for (size_t at = 0; at < sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Shdr); ++at) {
    auto changed = module;
    changed[at] ^= 0xff;
    (void)module_info(changed, "depends");
  }
}

TEST(Cpio, HasFixedHeaders) {
  Cpio out;
  out.add_folder("dev");
  out.add_character_device("dev/console", 5, 1);
  out.add_file("init", bytes("hello"), 0755);
  const auto archive = out.finish();
  EXPECT_EQ(archive.size() % 512, 0u);
  const std::string text(archive.begin(), archive.end());
  EXPECT_TRUE(
      text.starts_with("070701"
                       "00000001"
                       "000041ED"
                       "00000000"
                       "00000000"
                       "00000002"
                       "00000000"
                       "00000000"));
  EXPECT_NE(text.find("init" + std::string("\0\0", 2) + "hello"), std::string::npos);
  EXPECT_NE(text.find("TRAILER!!!"), std::string::npos);
}

TEST(Backend, Ports) {
  const auto publish = parse_publish("0.0.0.0:8080:80");
  ASSERT_TRUE(publish);
  EXPECT_EQ(publish->address, "0.0.0.0");
  EXPECT_EQ(publish->host_port, 8080);
  EXPECT_EQ(publish->guest_port, 80);
  EXPECT_EQ(parse_publish("8080")->guest_port, 8080);
  EXPECT_EQ(parse_publish("8080:80")->address, "127.0.0.1");
  for (const char* bad : {"", "0", "x", "1:", ":1", "1:2:3:4x", "a:1:2", "1.2.3.4,x:1:2", "65536"})
    EXPECT_FALSE(parse_publish(bad)) << bad;
}

TEST(Backend, CommandsBindTheLaunch) {
  Plan plan;
  plan.backend = Backend::Snp;
  plan.qemu = "qemu";
  plan.firmware = "/fw";
  plan.kernel = "/k";
  plan.initrd = "/i";
  plan.command_line = "a b";
  plan.host_data.fill(0xab);
  plan.sockets = "/tmp/a,b";
  const auto joined = [&] {
    std::string all;
    for (const std::string& word : qemu_command(plan)) all += word + "\n";
    return all;
  };
  std::string all = joined();
  EXPECT_NE(all.find("kernel-hashes=on,host-data=q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n"), std::string::npos)
      << all;
  EXPECT_NE(all.find("path=/tmp/a,,b/control\n"), std::string::npos) << all;
  EXPECT_NE(all.find("iommu_platform=on"), std::string::npos);
  EXPECT_EQ(all.find("hostfwd"), std::string::npos);
  plan.backend = Backend::Tdx;
  all = joined();
  EXPECT_NE(all.find(R"("mrconfigid":"q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6sAAAAAAAAAAAAAAAAAAAAA")"),
            std::string::npos)
      << all;
  plan.backend = Backend::Vm;
  plan.publish = {{.host_port = 8080, .guest_port = 80}};
  all = joined();
  EXPECT_NE(all.find("-accel\ntcg\n"), std::string::npos);
  EXPECT_NE(all.find("hostfwd=tcp:127.0.0.1:8080-:80"), std::string::npos);
  EXPECT_EQ(all.find("confidential"), std::string::npos);
}

TEST(Programs, KnowsStaticOnes) {
  EXPECT_FALSE(is_static_program(bytes("#!/bin/sh\n")));
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_machine = EM_X86_64;
  header.e_type = ET_DYN;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  header.e_phoff = sizeof header;
  Elf64_Phdr part = {};
  part.p_type = PT_LOAD;
  std::vector<u8> program(sizeof header + sizeof part);
  const auto store = [&] {
    std::memcpy(program.data(), &header, sizeof header);
    std::memcpy(program.data() + sizeof header, &part, sizeof part);
  };
  store();
  EXPECT_TRUE(is_static_program(program));
  part.p_type = PT_INTERP;
  store();
  EXPECT_FALSE(is_static_program(program));
  EXPECT_FALSE(is_static_program(std::span(program).first(program.size() - 1)));
}

}  // namespace
}  // namespace berth::keep
