// The program `berth-keep`, which `berth measure` and `berth keep` hand over to: measured micro-VMs, their images, and
// what their launch will be measured as.

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "berth-keep/commands.h"
#include "cli/execute.h"
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

constexpr cli::Option kImageOptions[] = {
    {.name = "--output",
     .value = "FOLDER",
     .help = "write vmlinuz, initrd and cmdline there (default: keep)",
     .complete = cli::Complete::Folder,
     .letter = 'o'},
    {.name = "--kernel-package",
     .value = "FILE",
     .help = "take the kernel of this Debian package (linux-image-…-amd64)",
     .complete = cli::Complete::File},
    {.name = "--kernel",
     .value = "FILE",
     .help = "take this kernel (default: the newest of /boot)",
     .complete = cli::Complete::File},
    {.name = "--modules",
     .value = "FOLDER",
     .help = "and its modules (/lib/modules/VERSION)",
     .complete = cli::Complete::Folder},
    {.name = "--append", .value = "TEXT", .help = "add to the kernel's command line"},
    {.name = "--init", .value = "FILE", .help = "the keep's first program (default: berth-keep-init beside this one)"},
    {.name = "--berth",
     .value = "FILE",
     .help = "the program that runs workloads (default: berth-serve beside\nthis one)"},
};

constexpr cli::Option kRunOptions[] = {
    {.name = "--backend",
     .value = "auto|snp|tdx|vm|none",
     .help = "the machine: auto (default) takes SEV-SNP or TDX, whichever\nthis one has; vm is a plain one, none is "
             "no machine at all:\nboth are INSECURE, and simulate the proof for development"},
    {.name = "--broker", .value = "URL", .help = "who is proved to, and gives what runs"},
    {.name = "--broker-ca",
     .value = "FILE",
     .help = "certificates (PEM) that vouch for it; needed for https",
     .complete = cli::Complete::File},
    {.name = "--config", .value = "RESOURCE", .help = "the broker's resource that says what runs: default/app/config"},
    {.name = "--image",
     .value = "FOLDER",
     .help = "the keep's image, of `berth keep image` (default:\n$BERTH_KEEP_IMAGE, or keep)",
     .complete = cli::Complete::Folder},
    {.name = "--memory", .value = "SIZE", .help = "of the machine (default: 512MiB)", .letter = 'm'},
    {.name = "--vcpus", .value = "N", .help = "its processors (default: 1)"},
    {.name = "--cpu", .value = "MODEL", .help = "what QEMU calls them (default: what suits)"},
    {.name = "--accel",
     .value = "kvm|tcg",
     .help =
         "how a plain machine runs: kvm (default where this user has\n/dev/kvm), or tcg, which emulates and is slow"},
    {.name = "--ovmf", .value = "FILE", .help = "firmware for SEV-SNP or TDX", .complete = cli::Complete::File},
    {.name = "--publish",
     .value = "[ADDRESS:]PORT[:PORT]",
     .help = "a port of this machine (of 127.0.0.1 unless said) that leads\nto one of the keep's",
     .letter = 'p'},
    {.name = "--console", .help = "show the machine's console on standard error"},
    {.name = "--start-timeout", .value = "TIME", .help = "how long it may take to start (default: 3m)"},
    {.name = "--qemu",
     .value = "PROGRAM",
     .help = "QEMU (default: qemu-system-x86_64)",
     .complete = cli::Complete::File},
    {.name = "--dry-run", .help = "start nothing; print the command and what evidence will say"},
};

constexpr cli::Command kKeepCommands[] = {
    {.name = "image",
     .usage = "[OPTION…]",
     .summary = "Make the image of a keep",
     .details =
         "A kernel, and an initial file system that has Berth in it, drivers, and nothing else. The same kernel and\n"
         "programs always make the same bytes, so that `berth measure --image` says what to expect of a keep.",
     .options = kImageOptions,
     .max_operands = 0,
     .run = image_command},
    {.name = "run",
     .usage = "[OPTION…] --broker URL --config RESOURCE [WORKLOAD]",
     .summary = "Run a workload in a keep, once that has proved itself",
     .details =
         "The keep starts empty, proves to the broker what it is, and is given what runs: configuration, secrets, "
         "keys.\n"
         "WORKLOAD is what this host hands over besides: a module, an archive of an image (`berth image save`), or "
         "the\n"
         "name of an image that is kept here; the keep opens it when it is what the configuration says. Standard "
         "streams\n"
         "and the exit code are the workload's; SIGTERM, SIGINT and SIGHUP reach it, the second one ends the machine.",
     .options = kRunOptions,
     .max_operands = 1,
     .operands = cli::Complete::File,
     .run = run_command},
};

std::string keep_help_page() {
  std::vector<std::pair<std::string, std::string_view>> rows;
  for (const cli::Command& command : kKeepCommands) rows.emplace_back(command.name, command.summary);
  return "usage: berth keep COMMAND [OPTION…] …\n\nMachines in which nothing runs but Berth and a workload, and that "
         "prove "
         "it.\n\n" +
         cli::term_table(rows) + "\n`berth keep COMMAND --help` says more about one.\n";
}

int dispatch_keep(std::span<char* const> words) {
  cli::set_program_name("berth keep");
  if (words.empty()) {
    cli::write_all(STDERR_FILENO, keep_help_page());
    return cli::kExitUsage;
  }
  const std::string_view first = words[0];
  if (const cli::Command* command = cli::find_command(kKeepCommands, first))
    return cli::execute(*command, words.subspan(1));
  if (first == "help" || first == "--help" || first == "-h") {
    cli::Output out;
    out << keep_help_page();
    return out.finish(0);
  }
  constexpr std::string_view kNames[] = {"help", "image", "run"};
  const auto close = cli::nearest(first, kNames);
  return cli::usage_error(
      {"there is no command " + std::string(first),
       close.empty() ? "`berth keep help` lists all commands" : "did you mean berth keep " + std::string(close) + "?"});
}

std::string help_page() {
  std::vector<std::pair<std::string, std::string_view>> rows;
  for (const cli::Command& command : kCommands) rows.emplace_back(command.name, command.summary);
  return "usage: berth COMMAND [OPTION…] …\n\n" + cli::term_table(rows) +
         "\n`berth COMMAND --help` says more about one.\n";
}

int dispatch(std::span<char* const> words) {
  if (words.empty()) {
    cli::write_all(STDERR_FILENO, help_page());
    return cli::kExitUsage;
  }
  const std::string_view first = words[0];
  if (first == "keep") return dispatch_keep(words.subspan(1));
  if (const cli::Command* command = cli::find_command(kCommands, first))
    return cli::execute(*command, words.subspan(1));
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
