// The first program of a keep, and all there is in one besides `berth`: makes the machine ready, proves to a broker
// what runs here, receives the workload, runs it, and switches the machine off with its exit code told to the host.
//
// Not as a machine's first program, it does the same without a machine of its own (`berth keep run --backend none`):
// berth-keep-init --control FD --berth PROGRAM --folder FOLDER [--disk FILE]

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "berth-keep-init/control.h"
#include "berth-keep-init/deliver.h"
#include "berth-keep-init/machine.h"
#include "berth-keep-init/supervise.h"
#include "cli/output.h"
#include "os/file.h"

namespace berth::keep {
namespace {

constexpr int kFailed = 1;

// The whole of it, once there is a way to talk to the host.
Result<int> serve(const Ports& ports, Control& control, const Place& place, const std::string& disk) {
  const std::string line = TRY(control.line());
  const Greeting greeting = TRY(parse_greeting(line));
  if (place.is_machine) {
    TRY(start_network(greeting.host));
    TRY(wait_for_entropy());
  }
  const auto machine = collect::this_machine();
  const auto read_workload = [&]() -> Result<std::vector<u8>> {
    if (!place.is_machine) return os::read_file(disk);
    if (!greeting.host.has_workload)
      return fail(ErrorCode::BadArgument,
                  "the configuration wants a workload from the host, which has handed over none");
    return read_disk(greeting.host.workload_size);
  };
  const Delivery delivery =
      TRY(deliver(greeting, *machine, read_workload, [&](std::string_view state) { control.state(state); }));
  return supervise(delivery, place, ports, control);
}

int finish(Control& control, const Result<int>& outcome) {
  if (!outcome) control.error(outcome.error().to_string());
  const int code = outcome ? *outcome : kFailed;
  control.exit(code);
  return code;
}

[[noreturn]] void run_as_first_program() {
  // To the console: there is no other way yet.
  const auto give_up = [](const Error& error) {
    cli::print_error(error.to_string());
    switch_off();
  };
  if (const auto done = mount_all(); !done) give_up(done.error());
  if (const auto done = load_modules(); !done) give_up(done.error());
  const auto ports = open_ports();
  if (!ports) give_up(ports.error());
  Control control(ports->control);
  control.state("started");
  finish(control, serve(*ports, control, {.berth = "/berth", .folder = "/run/keep", .is_machine = true}, {}));
  switch_off();
}

int run_as_program(int argc, char** argv) {
  Place place;
  std::string disk;
  int descriptor = -1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--control") {
      descriptor = std::atoi(argv[i + 1]);
    } else if (option == "--berth") {
      place.berth = argv[i + 1];
    } else if (option == "--folder") {
      place.folder = argv[i + 1];
    } else if (option == "--disk") {
      disk = argv[i + 1];
    }
  }
  if (descriptor < 3 || place.berth.empty() || place.folder.empty())
    return cli::usage_error({"this is the first program of a keep", "`berth keep run` starts one"});
  Control control(descriptor);
  const Ports ports = {.control = descriptor, .in = STDIN_FILENO, .out = STDOUT_FILENO, .err = STDERR_FILENO};
  return finish(control, serve(ports, control, place, disk));
}

}  // namespace
}  // namespace berth::keep

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  berth::cli::set_program_name("berth-keep-init");
  if (getpid() == 1) berth::keep::run_as_first_program();
  return berth::keep::run_as_program(argc, argv);
}
