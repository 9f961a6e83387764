// The program `berth-oci`: the OCI runtime that podman, containerd, CRI-O and Docker call.

#include <string>
#include <vector>

#include "berth-oci/runtime.h"
#include "cli/output.h"
#include "cli/streams.h"
#include "container/keep.h"

namespace {

constexpr char kHelp[] =
    "usage: berth-oci [OPTION…] COMMAND [OPTION…] ID …\n"
    "\n"
    "An OCI runtime. Containers whose command is WebAssembly run under berth; all others are crun's or runc's, which\n"
    "do the work for both. Engines call it; see docs/containers.md for how to tell them to.\n"
    "\n"
    "  --root DIR           where containers' state is kept (default: /run/berth)\n"
    "  --log FILE           errors are also written there\n"
    "  --log-format FORMAT  how: text (default) or json\n"
    "  --systemd-cgroup     let systemd make the cgroups\n"
    "  --debug, --rootless  as the runtime below has them\n"
    "  --version            print versions\n"
    "\n"
    "  create [--bundle DIR] [--pid-file FILE] [--console-socket SOCKET] ID\n"
    "  start, state, pause, resume ID\n"
    "  run [--bundle DIR] [--detach] ID\n"
    "  exec [--process FILE] [--detach] [--tty] ID [COMMAND…]\n"
    "  kill [--all] ID [SIGNAL]\n"
    "  delete [--force] ID\n"
    "  update [--resources FILE] ID\n"
    "  ps [--format json] ID\n"
    "  list [--format json] [--quiet]\n"
    "  compile MODULE…      make native code of modules for the containers of this node, and wait for it\n"
    "  features\n";

// Three lines that engines read.
constexpr char kVersion[] = "berth-oci version " BERTH_VERSION "\ncommit: v" BERTH_VERSION "\nspec: 1.2.0\n";

}  // namespace

int main(int argc, char** argv) {
  using namespace berth;
  cli::set_program_name("berth-oci");
  cli::reserve_standard_streams();
  auto line = oci_runtime::parse_command_line({argv + (argc > 0 ? 1 : 0), argv + argc});
  if (!line) return cli::usage_error({line.error().to_string(), "berth-oci --help lists options"});
  cli::Output out;
  if (line->global("--version")) {
    out << kVersion;
    return out.finish(0);
  }
  if (line->command.empty() || line->command == "help" || line->global("--help") || line->has("--help")) {
    out << kHelp;
    return out.finish(line->command.empty() && !line->global("--help") ? cli::kExitUsage : 0);
  }
  return oci_runtime::Runtime(std::move(*line), container::keep_of_program(argc > 0 ? argv[0] : "")).run();
}
