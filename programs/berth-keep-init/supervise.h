// Running the workload: `berth run` as a user without rights, until it ends; signals of the host to it. One thread.
#pragma once

#include <string>

#include "berth-keep-init/control.h"
#include "berth-keep-init/deliver.h"
#include "berth-keep-init/machine.h"

namespace berth::keep {

struct Place {
  std::string berth;        // the program
  std::string folder;       // where module and secrets go: in memory, or a folder that goes afterwards
  bool is_machine = false;  // whether this is the machine's first program, and the workload gets another user
};

// Puts the delivery there, runs it, reaps whatever ends. The exit code is the guest's; 128 and a number for a signal.
Result<int> supervise(const Delivery& delivery, const Place& place, const Ports& ports, Control& control);

// The words of `berth run` for it.
std::vector<std::string> command_of(const Delivery& delivery, const Place& place);

}  // namespace berth::keep
