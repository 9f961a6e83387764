// What collecting evidence touches of a machine: files, folders, devices. Apart, so that tests can stand in for
// hardware. One thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace berth::collect {

class Machine {
 public:
  virtual ~Machine() = default;
  // Paths are absolute. Errors are of the kind System and name the path.
  virtual bool exists(const std::string& path) = 0;
  virtual Result<std::vector<u8>> read(const std::string& path) = 0;
  // In one write, to a file that is there.
  virtual Result<> write(const std::string& path, std::span<const u8> bytes) = 0;
  virtual Result<> make_folder(const std::string& path) = 0;
  virtual Result<> remove_folder(const std::string& path) = 0;
  // An ioctl of a device; `argument` is what it reads and writes.
  virtual Result<> control(const std::string& path, unsigned long request, void* argument) = 0;
  // Sends a message to a port of the host's by vsock, and gives what comes back until `enough` says so.
  virtual Result<std::vector<u8>> ask_host(u32 port, std::span<const u8> message,
                                           bool (*enough)(std::span<const u8>)) = 0;
};

// This machine, with all paths below `root` (empty: as they are).
std::unique_ptr<Machine> this_machine(std::string root = {});

}  // namespace berth::collect
