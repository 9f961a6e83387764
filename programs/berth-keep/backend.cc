#include "berth-keep/backend.h"

#include <cpuid.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "attest/encoding.h"
#include "os/file.h"

namespace berth::keep {
namespace {

struct Row {
  Backend backend;
  std::string_view name;
};
constexpr Row kRows[] = {{Backend::Snp, "snp"}, {Backend::Tdx, "tdx"}, {Backend::Vm, "vm"}, {Backend::None, "none"}};

std::unexpected<Error> lacking(std::string what) { return fail(ErrorCode::NotSupported, std::move(what)); }

// A parameter of a kernel's module: "Y" or "1".
bool is_on(const std::string& path) {
  const auto bytes = os::read_file(path, 64);
  return bytes && !bytes->empty() && ((*bytes)[0] == 'Y' || (*bytes)[0] == '1');
}

std::optional<u16> parse_port(std::string_view text) {
  u16 port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0 ? std::optional(port) : std::nullopt;
}

// In values of options, a comma ends one unless it is doubled.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == ',' ? std::string(",,") : std::string(1, c);
  return out;
}

}  // namespace

std::optional<Backend> backend_by_name(std::string_view name) {
  const auto row = std::ranges::find(kRows, name, &Row::name);
  return row == std::end(kRows) ? std::nullopt : std::optional(row->backend);
}
std::string_view name_of(Backend backend) { return std::ranges::find(kRows, backend, &Row::backend)->name; }

std::optional<Publish> parse_publish(std::string_view text) {
  Publish publish;
  const size_t last = text.rfind(':');
  const auto guest = parse_port(text.substr(last == std::string_view::npos ? 0 : last + 1));
  if (!guest) return std::nullopt;
  publish.guest_port = publish.host_port = *guest;
  if (last == std::string_view::npos) return publish;
  std::string_view rest = text.substr(0, last);
  const size_t before = rest.rfind(':');
  const auto host = parse_port(rest.substr(before == std::string_view::npos ? 0 : before + 1));
  if (!host) return std::nullopt;
  publish.host_port = *host;
  if (before == std::string_view::npos) return publish;
  publish.address = rest.substr(0, before);
  // Of IPv4 only, which is what QEMU forwards.
  const bool good = !publish.address.empty() && publish.address.find_first_not_of("0123456789.") == std::string::npos;
  return good ? std::optional(publish) : std::nullopt;
}

std::vector<std::string> qemu_command(const Plan& plan) {
  const bool confidential = plan.backend == Backend::Snp || plan.backend == Backend::Tdx;
  std::vector<std::string> words = {plan.qemu, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"};
  const auto add = [&](const char* option, std::string value) {
    words.emplace_back(option);
    words.push_back(std::move(value));
  };
  const std::string memory = std::to_string((plan.memory + (1 << 20) - 1) >> 20) + "M";
  add("-name", "berth-keep");
  add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
  add("-m", memory);
  add("-smp", std::to_string(plan.vcpus));
  if (plan.backend == Backend::Snp) {
    add("-accel", "kvm");
    add("-cpu", plan.cpu.empty() ? "EPYC-v4" : plan.cpu);
    add("-object", "memory-backend-memfd,id=ram,size=" + memory + ",share=true,prealloc=false");
    add("-machine", "q35,confidential-guest-support=tee,memory-backend=ram,vmport=off");
    // The policy: SMT may be on, debugging may not.
    add("-object", "sev-snp-guest,id=tee,policy=0x30000,cbitpos=" + std::to_string(plan.c_bit) +
                       ",reduced-phys-bits=1,kernel-hashes=on,host-data=" + attest::to_base64(plan.host_data));
  } else if (plan.backend == Backend::Tdx) {
    std::vector<u8> identity(plan.host_data.begin(), plan.host_data.end());
    identity.resize(48);
    add("-accel", "kvm");
    add("-cpu", plan.cpu.empty() ? "host" : plan.cpu);
    add("-machine", "q35,kernel-irqchip=split,confidential-guest-support=tee,vmport=off,hpet=off,smm=off,pic=off");
    add("-object", R"({"qom-type":"tdx-guest","id":"tee","mrconfigid":")" + attest::to_base64(identity) +
                       R"(","quote-generation-socket":{"type":"vsock","cid":"2","port":"4050"}})");
  } else {
    add("-accel", plan.kvm ? "kvm" : "tcg");
    add("-cpu", !plan.cpu.empty() ? plan.cpu : plan.kvm ? "host" : "max");
    add("-machine", "q35,vmport=off");
  }
  if (!plan.firmware.empty()) add("-bios", plan.firmware);
  add("-kernel", plan.kernel);
  add("-initrd", plan.initrd);
  add("-append", plan.command_line);

  // Devices of a confidential machine reach only what it shares with them.
  const std::string shared = confidential ? ",disable-legacy=on,iommu_platform=on" : ",disable-legacy=on";
  const auto socket = [&](const char* name) {
    add("-chardev", "socket,id=" + std::string(name) + ",path=" + escaped(plan.sockets + "/" + name));
  };
  socket("console");
  add("-serial", "chardev:console");
  add("-device", "virtio-serial-pci" + shared);
  for (const char* const name : {"control", "stdin", "stdout", "stderr"}) {
    socket(name);
    add("-device", "virtserialport,chardev=" + std::string(name) + ",name=berth." + name);
  }
  if (!plan.disk.empty()) {
    add("-drive", "if=none,id=disk,format=raw,readonly=on,file=" + escaped(plan.disk));
    add("-device", "virtio-blk-pci,drive=disk" + shared);
  }
  std::string net = "user,id=net,ipv6=off";
  for (const Publish& each : plan.publish)
    net +=
        ",hostfwd=tcp:" + each.address + ":" + std::to_string(each.host_port) + "-:" + std::to_string(each.guest_port);
  add("-netdev", net);
  add("-device", "virtio-net-pci,netdev=net,romfile=" + shared);
  add("-device", "virtio-rng-pci" + shared);
  return words;
}

Result<Backend> find_backend() {
  if (check_backend(Backend::Snp)) return Backend::Snp;
  if (check_backend(Backend::Tdx)) return Backend::Tdx;
  return lacking(
      "this machine starts no confidential guests: neither SEV-SNP (kvm_amd) nor TDX (kvm_intel) is on\n"
      "`--backend snp` and `--backend tdx` say what is missing; `--backend vm` isolates, and simulates the proof, for "
      "development");
}

Result<> check_backend(Backend backend) {
  if (backend == Backend::Vm || backend == Backend::None) return {};
  if (access("/dev/kvm", R_OK | W_OK) != 0)
    return lacking(
        "there is no /dev/kvm that this user may use\n"
        "the host's kernel has to have KVM (in a cloud, take a bare-metal machine), and the user to be in the group "
        "kvm");
  if (backend == Backend::Tdx) {
    if (is_on("/sys/module/kvm_intel/parameters/tdx")) return {};
    return lacking(
        "TDX is not on: /sys/module/kvm_intel/parameters/tdx\n"
        "switch it on in the firmware, take a kernel of 6.16 or later, and load kvm_intel with tdx=1");
  }
  if (!is_on("/sys/module/kvm_amd/parameters/sev_snp"))
    return lacking(
        "SEV-SNP is not on: /sys/module/kvm_amd/parameters/sev_snp\n"
        "switch SEV-SNP and its memory coverage on in the firmware, and take a kernel of 6.11 or later");
  if (access("/dev/sev", R_OK | W_OK) != 0)
    return lacking("this user may not use /dev/sev\nrun as root, or give the group kvm rights to it");
  return {};
}

bool has_kvm() { return access("/dev/kvm", R_OK | W_OK) == 0; }

u32 find_c_bit() {
  u32 a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(0x8000001f, &a, &b, &c, &d) || (a & 0x10) == 0) return 51;
  return b & 0x3f;
}

}  // namespace berth::keep
