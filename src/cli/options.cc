#include "cli/options.h"

#include <algorithm>

namespace berth::cli {
namespace {

std::string_view called = "berth";

// Edit distance, a swap of neighbours counted as one; at most `most`, else `most + 1`.
size_t distance(std::string_view a, std::string_view b, size_t most) {
  if (a.size() > b.size() + most || b.size() > a.size() + most || a.size() > 64 || b.size() > 64) return most + 1;
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      const bool same = a[i - 1] == b[j - 1];
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

UsageError unknown_option(const Command& command, std::string_view word) {
  std::vector<std::string_view> names;
  for (const Option& o : command.options) names.push_back(o.name);
  names.push_back("--help");
  const std::string_view close = nearest(word, names);
  std::string hint;
  if (!close.empty()) hint = "did you mean " + std::string(close) + "? ";
  const std::string program(program_name());
  hint += "`" + (command.name.empty() ? program + " --help" : program + " help " + std::string(command.name)) +
          "` lists all options";
  return {"unknown option " + std::string(word), hint};
}

const Option* find_option(const Command& command, std::string_view name) {
  for (const Option& o : command.options) {
    if (o.name == name || (o.letter != 0 && name.size() == 2 && name[0] == '-' && name[1] == o.letter)) return &o;
  }
  return nullptr;
}

std::string usage_line(const Command& command) {
  std::string out = "usage: " + std::string(program_name());
  if (!command.name.empty()) out += " " + std::string(command.name);
  if (!command.usage.empty()) out += " " + std::string(command.usage);
  return out;
}

// Text wrapped into a column that starts at `indent`, the first line already there.
void append_wrapped(std::string& out, std::string_view text, size_t indent) {
  for (char c : text) {
    out += c;
    if (c == '\n') out.append(indent, ' ');
  }
  out += '\n';
}

size_t columns(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<u8>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::string_view program_name() { return called; }
void set_program_name(std::string_view name) { called = name; }

std::expected<Arguments, UsageError> Arguments::parse(const Command& command, std::span<char* const> words) {
  Arguments out;
  out.command_ = &command;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (word == "--") {
      for (char* rest : words.subspan(i + 1)) out.operands_.emplace_back(rest);
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      out.operands_.push_back(word);
      if (!command.first_operand_ends_options) continue;
      for (char* rest : words.subspan(i + 1)) out.operands_.emplace_back(rest);
      break;
    }
    std::optional<std::string_view> value;
    if (const size_t equals = word.find('='); word.starts_with("--") && equals != std::string_view::npos) {
      value = word.substr(equals + 1);
      word = word.substr(0, equals);
    }
    const Option* option = find_option(command, word);
    if (!option && !word.starts_with("--") && word.size() > 2) {
      option = find_option(command, word.substr(0, 2));
      if (option && !option->value.empty()) {
        value = word.substr(2);
      } else {
        option = nullptr;
      }
    }
    if (!option) return std::unexpected(unknown_option(command, word));
    if (option->value.empty()) {
      if (value) return std::unexpected(UsageError{std::string(option->name) + " takes no value", {}});
    } else if (!value) {
      if (i + 1 == words.size()) {
        return std::unexpected(UsageError{std::string(option->name) + " needs a value",
                                          std::string(option->name) + " " + std::string(option->value)});
      }
      value = words[++i];
    }
    out.given_.emplace_back(option, value.value_or(std::string_view{}));
  }
  if (out.operands_.size() < command.min_operands || out.operands_.size() > command.max_operands) {
    return std::unexpected(
        UsageError{out.operands_.size() < command.min_operands
                       ? (command.operands == Complete::File ? "no file was named" : "an argument is missing")
                       : "too many arguments: " + std::string(out.operands_[command.max_operands]),
                   usage_line(command)});
  }
  return out;
}

std::optional<std::string_view> Arguments::value(std::string_view option) const {
  for (auto it = given_.rbegin(); it != given_.rend(); ++it) {
    if (it->first->name == option) return it->second;
  }
  return std::nullopt;
}

std::vector<std::string_view> Arguments::values(std::string_view option) const {
  std::vector<std::string_view> out;
  for (const auto& [given, value] : given_) {
    if (given->name == option) out.push_back(value);
  }
  return out;
}

std::string term_table(std::span<const std::pair<std::string, std::string_view>> rows) {
  constexpr size_t kWidest = 26;
  size_t width = 0;
  for (const auto& [term, text] : rows) {
    if (columns(term) <= kWidest) width = std::max(width, columns(term));
  }
  std::string out;
  for (const auto& [term, text] : rows) {
    out += "  " + term;
    if (columns(term) > width) {
      out += "\n" + std::string(width + 4, ' ');
    } else {
      out.append(width + 2 - columns(term), ' ');
    }
    append_wrapped(out, text, width + 4);
  }
  return out;
}

std::string help_page(const Command& command) {
  std::string out = usage_line(command) + "\n\n" + std::string(command.summary) + ".\n";
  if (!command.details.empty()) out += "\n" + std::string(command.details) + "\n";
  std::vector<std::pair<std::string, std::string_view>> rows;
  for (const Option& o : command.options) {
    std::string term;
    if (o.letter != 0) term = {'-', o.letter, ',', ' '};
    term += o.name;
    if (!o.value.empty()) term += " " + std::string(o.value);
    rows.emplace_back(std::move(term), o.help);
  }
  if (!rows.empty()) out += "\n" + term_table(rows);
  return out;
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  const size_t most = std::min<size_t>(3, std::max<size_t>(1, word.size() / 3));
  std::string_view best;
  size_t best_distance = most + 1;
  for (std::string_view candidate : candidates) {
    const size_t d = distance(word, candidate, most);
    if (d < best_distance) {
      best = candidate;
      best_distance = d;
    }
  }
  if (!best.empty() || word.size() < 3) return best;
  for (std::string_view candidate : candidates) {
    if (candidate.starts_with(word)) return candidate;
  }
  return {};
}

}  // namespace berth::cli
