// The program `berth-keep`, which `berth measure` and `berth keep` hand over to: measured micro-VMs, their images, and
// what their launch will be measured as.

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "berth-keep/commands.h"
#include "cli/output.h"
#include "cli/streams.h"

namespace berth::keep {
namespace {

constexpr cli::Option kMeasureOptions[] = {
    {.name = "--backend", .value = "snp|tdx|sev-es|sev|sim", .help = "what measures the launch (default: snp)"},
    {.name = "--image",
     .value = "FOLDER",
     .help = "an image of `berth keep image`: its kernel, initrd and\ncommand line",
     .complete = cli::Complete::Folder},
    {.name = "--ovmf", .value = "FILE", .help = "the firmware", .complete = cli::Complete::File},
    {.name = "--kernel",
     .value = "FILE",
     .help = "the kernel, started by the firmware",
     .complete = cli::Complete::File},
    {.name = "--initrd", .value = "FILE", .help = "its initial file system", .complete = cli::Complete::File},
    {.name = "--append", .value = "TEXT", .help = "its command line"},
    {.name = "--vcpus", .value = "N", .help = "processors of the guest (default: 1)"},
    {.name = "--vcpu-type", .value = "TYPE", .help = "their model as QEMU names it: EPYC-Milan, EPYC-Genoa, …"},
    {.name = "--vcpu-sig", .value = "NUMBER", .help = "or their signature, CPUID 1 EAX"},
    {.name = "--guest-features", .value = "NUMBER", .help = "SEV features (default: 0x1)"},
    {.name = "--vmm-type", .value = "qemu|ec2|gce", .help = "who starts the guest (default: qemu)"},
    {.name = "--page-order",
     .value = "page|section",
     .help =
         "TDX: how the hypervisor adds pages (default: page, as Linux\nand QEMU do; section, as patched ones before)"},
    {.name = "--json", .help = "print all that was computed, as JSON"},
};

constexpr cli::Command kCommands[] = {
    {.name = "measure",
     .usage = "[OPTION…] --ovmf FILE",
     .summary = "Compute what the launch of a keep will be measured as",
     .details =
         "Prints the digest that a guest of these files and options will have in its evidence, for a policy to pin.\n"
         "It is computed from the files alone, on any machine. For TDX: MRTD, and RTMR 1 and 2 where a kernel is\n"
         "given; RTMR 0 depends on tables of the hypervisor and is not computed. sim is what the insecure simulation\n"
         "of `berth keep run --backend vm` says.",
     .options = kMeasureOptions,
     .max_operands = 0,
     .run = measure_command},
};

std::string help_page() {
  std::vector<std::pair<std::string, std::string_view>> rows;
  for (const cli::Command& command : kCommands) rows.emplace_back(command.name, command.summary);
  return "usage: berth COMMAND [OPTION…] …\n\n" + cli::term_table(rows) +
         "\n`berth COMMAND --help` says more about one.\n";
}

const cli::Command* find_command(std::span<const cli::Command> commands, std::string_view name) {
  const auto found = std::ranges::find(commands, name, &cli::Command::name);
  return found == commands.end() ? nullptr : &*found;
}

int execute(const cli::Command& command, std::span<char* const> words) {
  for (const std::string_view word : words) {
    if (word == "--help" || word == "-h") {
      cli::Output out;
      out << cli::help_page(command);
      return out.finish(0);
    }
    if (word == "--") break;
  }
  const auto arguments = cli::Arguments::parse(command, words);
  if (!arguments) return cli::usage_error(arguments.error());
  return command.run(*arguments);
}

int dispatch(std::span<char* const> words) {
  if (words.empty()) {
    cli::write_all(STDERR_FILENO, help_page());
    return cli::kExitUsage;
  }
  const std::string_view first = words[0];
  if (const cli::Command* command = find_command(kCommands, first)) return execute(*command, words.subspan(1));
  if (first == "help" || first == "--help" || first == "-h") {
    cli::Output out;
    out << help_page();
    return out.finish(0);
  }
  return cli::usage_error({"there is no command " + std::string(first), "`berth-keep help` lists all commands"});
}

}  // namespace

int report(const Error& error) {
  const std::string text = error.to_string();
  const size_t end = text.find('\n');
  cli::print_error(text.substr(0, end), end == std::string::npos ? "" : text.substr(end + 1));
  return cli::kExitFailure;
}

}  // namespace berth::keep

int main(int argc, char** argv) {
  berth::cli::reserve_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);
  berth::cli::set_program_name("berth");
  return berth::keep::dispatch({argv + std::min(argc, 1), argv + argc});
}
