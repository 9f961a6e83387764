#include "cli/execute.h"

#include <algorithm>

#include "cli/output.h"

namespace berth::cli {

const Command* find_command(std::span<const Command> commands, std::string_view name) {
  const auto found = std::ranges::find(commands, name, &Command::name);
  return found == commands.end() ? nullptr : &*found;
}

int execute(const Command& command, std::span<char* const> words) {
  for (const std::string_view word : words) {
    if (word == "--help" || word == "-h") {
      Output out;
      out << help_page(command);
      return out.finish(0);
    }
    if (word == "--" || (command.first_operand_ends_options && !word.starts_with('-'))) break;
  }
  const auto arguments = Arguments::parse(command, words);
  if (!arguments) return usage_error(arguments.error());
  return command.run(*arguments);
}

}  // namespace berth::cli
