// The command line as tables: one row an option, from which parsing, help and shell completion follow.
// (Own code instead of a library: the options of one command cost microseconds at start, see
// RATIONALE.md.) Plain values; everything refers to the tables and to the program's arguments, which
// live as long as the process. The name of the program is set before anything else is called.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.h"

namespace berth::cli {

// What a shell offers for a value.
enum class Complete : u8 { Nothing, File, Folder, Feature, Shell, Tier, CacheAction };

struct Option {
  std::string_view name;        // "--dir"
  std::string_view value = {};  // "HOST[::GUEST][:ro]"; empty for a switch
  std::string_view help = {};   // lines end in \n
  Complete complete = Complete::Nothing;
  char letter = 0;  // a short form: -o FILE, -oFILE
};

class Arguments;

// What help and messages call the program; "berth" unless set. Static storage.
std::string_view program_name();
void set_program_name(std::string_view name);

// A command of the program, or the program itself when it has but one.
struct Command {
  std::string_view name = {};     // empty for the program itself
  std::string_view usage = {};    // what follows the name: "[OPTION…] FILE [ARG…]"
  std::string_view summary;       // one line
  std::string_view details = {};  // more, for its own help page; may be empty
  std::span<const Option> options = {};
  u32 min_operands = 0;
  u32 max_operands = ~u32{0};
  // Whether everything after the first operand is an operand too, options and all.
  bool first_operand_ends_options = false;
  Complete operands = Complete::Nothing;
  int (*run)(const Arguments&);
};

struct UsageError {
  std::string message, hint;
};

// What was given to a command.
class Arguments {
 public:
  // Reads `words`, which come after the command's name.
  static std::expected<Arguments, UsageError> parse(const Command& command, std::span<char* const> words);

  const Command& command() const { return *command_; }
  const std::vector<std::string_view>& operands() const { return operands_; }
  bool has(std::string_view option) const { return value(option).has_value(); }
  // The last value given; of a switch the empty text.
  std::optional<std::string_view> value(std::string_view option) const;
  // Every option given with its value, in order.
  std::span<const std::pair<const Option*, std::string_view>> given() const { return given_; }
  // All values given for an option, in order.
  std::vector<std::string_view> values(std::string_view option) const;

 private:
  const Command* command_ = nullptr;
  std::vector<std::pair<const Option*, std::string_view>> given_;
  std::vector<std::string_view> operands_;
};

// The page of help for a command. Ends with a line end.
std::string help_page(const Command& command);
// Rows of a term and what it means, the meanings aligned, as help shows them.
std::string term_table(std::span<const std::pair<std::string, std::string_view>> rows);

// The candidate that `word` most likely means; empty if none is close.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace berth::cli
