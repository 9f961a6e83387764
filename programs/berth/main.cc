// The program `berth`: finds the command and hands over to it.

#include <unistd.h>

#include "berth/commands.h"
#include "berth/fuller.h"
#include "berth/hand_over.h"
#include "cli/execute.h"
#include "cli/output.h"
#include "cli/streams.h"

namespace berth::cli {
namespace {

int help_command(std::span<char* const> words) {
  Output out;
  if (words.empty()) {
    out << help_page();
    return out.finish(0);
  }
  const std::string_view name = words[0];
  if (const Command* command = find_command(name)) {
    out << help_page(*command);
    return out.finish(0);
  }
  return usage_error({"there is no command " + std::string(name), "`berth help` lists all commands"});
}

// Whether it is the business of the program with TLS and the HTTP server, and this is not it.
bool needs_fuller(const Command& command, std::span<char* const> words) {
  if (fuller_program().empty()) return false;
  if (command.name == "serve") return true;
  if (command.name != "run") return false;
  for (const std::string_view word : words) {
    if (word.starts_with("--allow-http") || word.starts_with("--serve")) return true;
    if (word == "--") break;
  }
  return false;
}

int start(const Command& command, std::span<char* const> words) {
  // It has help of its own.
  if (command.name == "image") return hand_over_to_image({words.begin(), words.end()});
  if (const std::string program = program_of(command); !program.empty()) {
    // Those that have help and commands of their own do not need the name.
    std::vector<std::string> all;
    if (command.name != "attest" && command.name != "broker") all.emplace_back(command.name);
    all.insert(all.end(), words.begin(), words.end());
    return hand_over_to(program, all);
  }
  if (needs_fuller(command, words)) {
    std::vector<std::string> all = {std::string(command.name)};
    all.insert(all.end(), words.begin(), words.end());
    return hand_over_to(std::string(fuller_program()), all);
  }
  return execute(command, words);
}

int dispatch(std::span<char* const> words) {
  if (words.empty()) {
    write_all(STDERR_FILENO, help_page());
    return kExitUsage;
  }
  const std::string_view first = words[0];
  if (const Command* command = find_command(first)) return start(*command, words.subspan(1));
  if (first == "help" || first == "--help" || first == "-h") return help_command(words.subspan(1));
  if (first == "--version" || first == "-V") return start(*find_command("version"), {});
  // Options of `run`, or what looks like a file.
  if (first.starts_with('-') || first.find_first_of("./") != std::string_view::npos || access(words[0], F_OK) == 0) {
    return start(*find_command("run"), words);
  }
  std::vector<std::string_view> names = {"help"};
  for (const Command& c : commands()) names.push_back(c.name);
  const auto close = nearest(first, names);
  return usage_error(
      {"there is no command or file " + std::string(first),
       close.empty() ? "`berth help` lists all commands" : "did you mean berth " + std::string(close) + "?"});
}

}  // namespace
}  // namespace berth::cli

int main(int argc, char** argv) {
  berth::cli::reserve_standard_streams();
  return berth::cli::dispatch({argv + (argc > 0 ? 1 : 0), argv + argc});
}
