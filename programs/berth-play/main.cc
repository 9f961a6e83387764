// The program `berth-play`, which `berth play`, `ps`, `logs`, `stop` and `top` hand over to: Kubernetes' manifests on
// one machine, without a cluster or a daemon.

#include <unistd.h>

#include <algorithm>
#include <span>

#include "berth-play/commands.h"
#include "cli/execute.h"
#include "cli/streams.h"

namespace berth::play {
namespace {

constexpr cli::Option kPlayOptions[] = {
    {.name = "--name", .value = "NAME", .help = "what to call it (default: the first file's name)"},
    {.name = "--detach", .help = "go on in the background once everything has been started", .letter = 'd'},
    {.name = "--publish",
     .value = "[ADDRESS:]PORT:NAME[:PORT]",
     .help = "a port of this machine (127.0.0.1 unless said) that leads to a\nservice or pod",
     .letter = 'p'},
    {.name = "--check", .help = "only say whether the manifests are in order"},
    {.name = "--back-off", .value = "TIME", .help = "wait before a second restart, doubled each time (default: 10s)"},
};
constexpr cli::Option kPsOptions[] = {
    {.name = "--json", .help = "print all that is known, as JSON"},
};
constexpr cli::Option kLogsOptions[] = {
    {.name = "--follow", .help = "go on with what comes", .letter = 'f'},
    {.name = "--container", .value = "NAME", .help = "which of the pod's (default: its first one)", .letter = 'c'},
    {.name = "--previous", .help = "of the container before its last restart", .letter = 'p'},
    {.name = "--timestamps", .help = "with the time of each line"},
    {.name = "--tail", .value = "N", .help = "only the last N lines of what there is"},
};
constexpr cli::Option kTopOptions[] = {
    {.name = "--once", .help = "print it once, as where the output is no terminal"},
};

constexpr cli::Command kCommands[] = {
    {.name = "play",
     .usage = "[OPTION…] FILE…",
     .summary = "Run Kubernetes manifests on this machine, without a cluster",
     .details =
         "Pods, Deployments, Jobs, Services, ConfigMaps, Secrets and volumes of YAML files, - being standard input. "
         "It\n"
         "goes on until it is interrupted, stopped by `berth stop`, or everything has ended; the exit code is 1 when\n"
         "something has failed. Images are those of `berth image`. Linux programs need crun or runc, and root.",
     .options = kPlayOptions,
     .min_operands = 1,
     .operands = cli::Complete::File,
     .run = play_command},
    {.name = "ps",
     .usage = "[OPTION…] [APPLICATION…]",
     .summary = "List what is being played",
     .options = kPsOptions,
     .run = ps_command},
    {.name = "logs",
     .usage = "[OPTION…] POD",
     .summary = "Print what a container of a pod has written",
     .details = "POD is its name, or how it begins where no other does.",
     .options = kLogsOptions,
     .min_operands = 1,
     .max_operands = 1,
     .run = logs_command},
    {.name = "stop",
     .usage = "[APPLICATION…]",
     .summary = "End what is being played",
     .details =
         "All containers are asked to end, and are killed when their grace period is over. Without a name it is the "
         "only\none that there is.",
     .run = stop_command},
    {.name = "top",
     .usage = "[OPTION…] [APPLICATION…]",
     .summary = "Show what containers take of the machine, live",
     .options = kTopOptions,
     .run = top_command},
};

int dispatch(std::span<char* const> words) {
  const cli::Command* command = words.empty() ? nullptr : cli::find_command(kCommands, words[0]);
  if (!command) return cli::usage_error({"berth-play needs one of play, ps, logs, stop and top", {}});
  return cli::execute(*command, words.subspan(1));
}

}  // namespace

int report(const Error& error) {
  cli::print_error(error.detail().empty() ? error.to_string() : error.detail());
  return error.kind() == ErrorKind::Usage ? cli::kExitUsage : cli::kExitFailure;
}

}  // namespace berth::play

int main(int argc, char** argv) {
  berth::cli::reserve_standard_streams();
  berth::cli::set_program_name("berth");
  return berth::play::dispatch({argv + std::min(argc, 1), argv + argc});
}
