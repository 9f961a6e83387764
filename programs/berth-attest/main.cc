// The program `berth-attest`, which `berth attest` hands over to: evidence of confidential machines shown and verified.

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "berth-attest/commands.h"
#include "cli/execute.h"
#include "cli/streams.h"

namespace berth::attest {
namespace {

int dispatch(std::span<char* const> words) {
  if (words.empty()) {
    cli::write_all(STDERR_FILENO, help_page());
    return cli::kExitUsage;
  }
  const std::string_view first = words[0];
  if (const cli::Command* command = cli::find_command(commands(), first))
    return cli::execute(*command, words.subspan(1));
  if (first == "help" || first == "--help" || first == "-h") {
    const cli::Command* about = words.size() > 1 ? cli::find_command(commands(), words[1]) : nullptr;
    cli::Output out;
    out << (about ? cli::help_page(*about) : help_page());
    return out.finish(0);
  }
  if (first == "--version") {
    cli::Output out;
    out << "berth-attest " BERTH_VERSION "\n";
    return out.finish(0);
  }
  std::vector<std::string_view> names = {"help"};
  for (const cli::Command& command : commands()) names.push_back(command.name);
  const auto close = cli::nearest(first, names);
  return cli::usage_error({"there is no command " + std::string(first),
                           close.empty() ? "`berth attest help` lists all commands"
                                         : "did you mean berth attest " + std::string(close) + "?"});
}

}  // namespace
}  // namespace berth::attest

int main(int argc, char** argv) {
  berth::cli::reserve_standard_streams();
  // A full disk, a limit of file sizes and a reader that went away are errors like others.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  berth::cli::set_program_name("berth attest");
  return berth::attest::dispatch({argv + std::min(argc, 1), argv + argc});
}
