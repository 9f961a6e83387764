// How a keep is started: QEMU's command line for each kind of machine. Pure functions, but for those that look at this
// machine.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace berth::keep {

enum class Backend : u8 { Snp, Tdx, Vm, None };
// "snp", "tdx", "vm", "none"
std::optional<Backend> backend_by_name(std::string_view name);
std::string_view name_of(Backend backend);

struct Publish {
  std::string address = "127.0.0.1";
  u16 host_port = 0, guest_port = 0;
};
// "[ADDRESS:]PORT[:PORT]"; nothing when it is no such text.
std::optional<Publish> parse_publish(std::string_view text);

struct Plan {
  Backend backend = Backend::Vm;
  std::string qemu, firmware;                // programs and files; firmware is needed for snp and tdx
  std::string kernel, initrd, command_line;  // two files and a text
  std::string cpu;                           // empty: what suits the backend
  std::string sockets;                       // the folder of control, stdin, stdout, stderr and console
  std::string disk;                          // the workload's file; empty: none
  u64 memory = u64{512} << 20;
  u32 vcpus = 1;
  bool kvm = false;
  u32 c_bit = 51;                  // SEV: which bit of an address says that memory is encrypted
  std::array<u8, 32> host_data{};  // the launch's digest
  std::vector<Publish> publish;
};
// The program and its arguments.
std::vector<std::string> qemu_command(const Plan& plan);

// The network of such a machine, seen from inside.
inline constexpr std::string_view kGuestAddress = "10.0.2.15/24", kHostAddress = "10.0.2.2", kNameserver = "10.0.2.3";

// What this machine can start: SEV-SNP or TDX. Fails with NotSupported, saying what is missing and what to do.
Result<Backend> find_backend();
// Whether it can start that one; vm and none it always can. Fails likewise.
Result<> check_backend(Backend backend);
bool has_kvm();
// By the processor's own word; 51 elsewhere.
u32 find_c_bit();

}  // namespace berth::keep
