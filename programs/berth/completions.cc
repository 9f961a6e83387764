// Completion scripts for shells, generated from the tables of options.

#include "berth/commands.h"
#include "cli/output.h"

namespace berth::cli {
namespace {

constexpr std::string_view kShells[] = {"bash", "zsh", "fish"};

std::string words(Complete complete) {
  std::string out;
  if (complete == Complete::Feature) {
    out = "all";
    for (const auto& f : wasm::all_features()) out += " " + std::string(f.name);
  } else if (complete == Complete::Shell) {
    out = "bash zsh fish";
  } else if (complete == Complete::Tier) {
    out = "interp native auto";
  } else if (complete == Complete::CacheAction) {
    out = "ls verify prune warm";
  }
  return out;
}

std::string names(const Command& command) {
  std::string out;
  for (const Option& o : command.options) out += std::string(o.name) + " ";
  return out + "--help";
}

std::string command_names() {
  std::string out;
  for (const Command& c : commands()) out += std::string(c.name) + " ";
  return out + "help";
}

std::string first_line(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, text.find('\n'))) {
    out += c == '[' || c == ']' || c == ':' || c == '\'' ? ' ' : c;
  }
  return out;
}

std::string bash_values(Complete complete) {
  if (complete == Complete::File) return "COMPREPLY=($(compgen -f -- \"$word\")); compopt -o filenames 2>/dev/null";
  if (complete == Complete::Folder)
    return "COMPREPLY=($(compgen -d -S / -- \"$word\")); compopt -o filenames -o nospace 2>/dev/null";
  return "COMPREPLY=($(compgen -W '" + words(complete) + "' -- \"$word\"))";
}

std::string bash() {
  std::string out =
      "# bash completion for berth\n"
      "_berth() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}\n"
      "  COMPREPLY=()\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W '" +
      command_names() +
      "' -- \"$word\") $(compgen -f -- \"$word\"))\n"
      "    return\n"
      "  fi\n"
      "  case $command in\n"
      "    help) COMPREPLY=($(compgen -W '" +
      command_names() + "' -- \"$word\")) ;;\n";
  for (const Command& c : commands()) {
    out += "    " + std::string(c.name) + ")\n      case $before in\n";
    for (const Option& o : c.options) {
      if (o.value.empty()) continue;
      out += "        " + std::string(o.name) + ") " +
             (o.complete == Complete::Nothing ? std::string(":") : bash_values(o.complete)) + "; return ;;\n";
    }
    out +=
        "      esac\n      case $word in\n        -*) COMPREPLY=($(compgen -W '" + names(c) + "' -- \"$word\")) ;;\n";
    if (c.operands != Complete::Nothing) out += "        *) " + bash_values(c.operands) + " ;;\n";
    out += "      esac ;;\n";
  }
  return out + "    *) " + bash_values(Complete::File) + " ;;\n  esac\n}\ncomplete -F _berth berth\n";
}

std::string zsh_action(Complete complete) {
  if (complete == Complete::Nothing) return " ";
  if (complete == Complete::File) return "_files";
  if (complete == Complete::Folder) return "_files -/";
  return "(" + words(complete) + ")";
}

std::string zsh() {
  std::string out = "#compdef berth\n_berth() {\n  local -a commands\n  commands=(\n";
  for (const Command& c : commands()) out += "    '" + std::string(c.name) + ":" + first_line(c.summary) + "'\n";
  out +=
      "    'help:Explain a command'\n  )\n"
      "  if (( CURRENT == 2 )); then\n    _describe command commands\n    _files\n    return\n  fi\n"
      "  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n  case $command in\n"
      "    help) _describe command commands ;;\n";
  for (const Command& c : commands()) {
    out += "    " + std::string(c.name) + ")\n      _arguments";
    for (const Option& o : c.options) {
      out += " \\\n        '*" + std::string(o.name) + "[" + first_line(o.help) + "]";
      if (!o.value.empty()) out += ":" + first_line(o.value) + ":" + zsh_action(o.complete);
      out += "'";
    }
    if (c.operands != Complete::Nothing) out += " \\\n        '*:argument:" + zsh_action(c.operands) + "'";
    out += " ;;\n";
  }
  return out + "    *) _files ;;\n  esac\n}\n_berth \"$@\"\n";
}

std::string fish() {
  std::string out =
      "# fish completion for berth\n"
      "complete -c berth -n __fish_use_subcommand -a help -d 'Explain a command'\n";
  for (const Command& c : commands()) {
    const std::string name(c.name);
    out += "complete -c berth -n __fish_use_subcommand -a " + name + " -d '" + first_line(c.summary) + "'\n";
    const std::string when = "complete -c berth -n '__fish_seen_subcommand_from " + name + "'";
    for (const Option& o : c.options) {
      out += when + " -l " + std::string(o.name.substr(2)) + " -d '" + first_line(o.help) + "'";
      if (!o.value.empty()) {
        out += " -r";
        if (o.complete == Complete::Folder) out += "a '(__fish_complete_directories)'";
        if (const auto list = words(o.complete); !list.empty()) out += " -f -a '" + list + "'";
      }
      out += "\n";
    }
    if (const auto list = words(c.operands); !list.empty())
      out.append(when).append(" -f -a '").append(list).append("'\n");
  }
  return out;
}

}  // namespace

int completions_command(const Arguments& arguments) {
  const std::string_view shell = arguments.operands()[0];
  Output out;
  if (shell == "bash") {
    out << bash();
  } else if (shell == "zsh") {
    out << zsh();
  } else if (shell == "fish") {
    out << fish();
  } else {
    const auto close = nearest(shell, kShells);
    return usage_error(
        {"there are no completions for " + std::string(shell),
         close.empty() ? "there are some for bash, zsh and fish" : "did you mean " + std::string(close) + "?"});
  }
  return out.finish(0);
}

}  // namespace berth::cli
