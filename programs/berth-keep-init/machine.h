// A keep's own machine, made ready by its first program: file systems, modules, ports to the host, network, entropy;
// and its end. One thread, before there is any other program.
#pragma once

#include <string>

#include "base/result.h"
#include "keep/launch.h"

namespace berth::keep {

// What leads to the host.
struct Ports {
  int control = -1, in = -1, out = -1, err = -1;
};

// Mounts what a program expects: /dev, /proc, /sys, and where configuration of the kernel is.
Result<> mount_all();
// Loads /modules in their order. Drivers of devices that are not there may fail; then no module can be loaded any more.
Result<> load_modules();
// Waits until the host's ports are there.
Result<Ports> open_ports();
// Sets up loopback, and the first other interface as the host says.
Result<> start_network(const HostInfo& host);
// Waits until the kernel's random numbers are good; fails with System when they do not get so.
Result<> wait_for_entropy();
// The first `size` bytes of the disk.
Result<std::vector<u8>> read_disk(u64 size);
// Switches the machine off. Never returns.
[[noreturn]] void switch_off();

}  // namespace berth::keep
