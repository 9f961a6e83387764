#include "berth-oci/command_line.h"

#include <algorithm>
#include <span>

namespace berth::oci_runtime {

namespace {

// Options with a value; all others are switches.
struct ValueOption {
  std::string_view command;  // empty: global
  std::string_view name;
  char letter = 0;
};

constexpr ValueOption kValueOptions[] = {
    {"", "--cgroup-manager"},
    {"", "--criu"},
    {"", "--log"},
    {"", "--log-format"},
    {"", "--root"},
    {"", "--rootless"},
    {"checkpoint", "--image-path"},
    {"checkpoint", "--manage-cgroups-mode"},
    {"checkpoint", "--parent-path"},
    {"checkpoint", "--work-path"},
    {"create", "--bundle", 'b'},
    {"create", "--config", 'f'},
    {"create", "--console-socket"},
    {"create", "--pid-file"},
    {"create", "--pidfd-socket"},
    {"create", "--preserve-fds"},
    {"events", "--interval"},
    {"exec", "--additional-gids", 'g'},
    {"exec", "--apparmor"},
    {"exec", "--cap", 'c'},
    {"exec", "--cgroup"},
    {"exec", "--console-socket"},
    {"exec", "--cwd"},
    {"exec", "--env", 'e'},
    {"exec", "--pid-file"},
    {"exec", "--pidfd-socket"},
    {"exec", "--preserve-fds"},
    {"exec", "--process", 'p'},
    {"exec", "--process-label"},
    {"exec", "--user", 'u'},
    {"list", "--format", 'f'},
    {"ps", "--format", 'f'},
    {"restore", "--bundle", 'b'},
    {"restore", "--console-socket"},
    {"restore", "--image-path"},
    {"restore", "--manage-cgroups-mode"},
    {"restore", "--pid-file"},
    {"restore", "--work-path"},
    {"run", "--bundle", 'b'},
    {"run", "--config", 'f'},
    {"run", "--console-socket"},
    {"run", "--pid-file"},
    {"run", "--pidfd-socket"},
    {"run", "--preserve-fds"},
    {"spec", "--bundle", 'b'},
};

struct Switch {
  std::string_view command;
  std::string_view name;
  char letter;
};
constexpr Switch kLetters[] = {{"", "--help", 'h'},        {"", "--version", 'v'},    {"", "--version", 'V'},
                               {"delete", "--force", 'f'}, {"exec", "--detach", 'd'}, {"exec", "--tty", 't'},
                               {"kill", "--all", 'a'},     {"list", "--quiet", 'q'},  {"run", "--detach", 'd'}};

const ValueOption* find_value_option(std::string_view command, std::string_view name) {
  for (const ValueOption& o : kValueOptions)
    if (o.command == command && (o.name == name || (o.letter != 0 && name.size() == 2 && name[1] == o.letter)))
      return &o;
  return nullptr;
}

// Reads one option at `words[at]` and goes behind it.
Result<GivenOption> read_option(std::span<const std::string> words, size_t& at, std::string_view command) {
  std::string name = words[at++];
  GivenOption option;
  if (const size_t equals = name.find('='); equals != std::string::npos) {
    option.value = name.substr(equals + 1);
    name.resize(equals);
  }
  // Go's programs take "-root" for "--root".
  const bool is_letter = name.size() == 2 && name[0] == '-';
  if (!is_letter && !name.starts_with("--")) name.insert(0, "-");
  const ValueOption* known = find_value_option(command, name);
  // "-bDIR", for letters that take a value.
  if (known == nullptr && words[at - 1].size() > 2 && words[at - 1][0] == '-' && words[at - 1][1] != '-') {
    known = find_value_option(command, words[at - 1].substr(0, 2));
    if (known != nullptr) option.value = words[at - 1].substr(2);
  }
  // Whatever `update` is told has a value.
  const bool takes_value = known != nullptr || command == "update";
  option.name = known != nullptr ? std::string(known->name) : name;
  if (known == nullptr) {
    for (const Switch& s : kLetters)
      if (is_letter && s.letter == name[1] && (s.command.empty() || s.command == command)) option.name = s.name;
  }
  if (takes_value && !option.value) {
    if (at == words.size()) return fail(ErrorCode::BadArgument, option.name + " needs a value");
    option.value = words[at++];
  }
  return option;
}

void append(std::vector<std::string>& words, const GivenOption& option) {
  words.push_back(option.value ? option.name + "=" + *option.value : option.name);
}

}  // namespace

std::optional<std::string> CommandLine::value(const std::vector<GivenOption>& options, std::string_view name) {
  for (auto it = options.rbegin(); it != options.rend(); ++it)
    if (it->name == name) return it->value.value_or("true");
  return std::nullopt;
}

void CommandLine::set_option(std::string_view name, std::string value) {
  std::erase_if(options, [&](const GivenOption& o) { return o.name == name; });
  options.push_back({std::string(name), std::move(value)});
}

std::vector<std::string> CommandLine::words_for(const std::string& program, const std::string& root) const {
  std::vector<std::string> words = {program};
  for (const GivenOption& o : globals)
    if (o.name != "--root") append(words, o);
  words.push_back("--root=" + root);
  if (!command.empty()) words.push_back(command);
  for (const GivenOption& o : options) append(words, o);
  words.insert(words.end(), operands.begin(), operands.end());
  return words;
}

Result<CommandLine> parse_command_line(const std::vector<std::string>& words) {
  CommandLine line;
  size_t at = 0;
  while (at < words.size() && words[at].size() > 1 && words[at][0] == '-')
    line.globals.push_back(TRY(read_option(words, at, "")));
  if (at == words.size()) return line;
  line.command = words[at++];
  // What follows the container's name is a command of its own, or options of ps.
  const bool operands_end_options = line.command == "exec" || line.command == "ps";
  while (at < words.size()) {
    const std::string& word = words[at];
    if (word == "--" || (operands_end_options && (word.empty() || word[0] != '-'))) {
      line.operands.insert(line.operands.end(), words.begin() + static_cast<std::ptrdiff_t>(at), words.end());
      break;
    }
    if (word.size() > 1 && word[0] == '-') {
      line.options.push_back(TRY(read_option(words, at, line.command)));
    } else {
      line.operands.push_back(word);
      ++at;
    }
  }
  return line;
}

}  // namespace berth::oci_runtime
