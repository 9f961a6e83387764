// The command line of an OCI runtime, as crun and runc have it: global options, a command, its options and its
// operands. It is read so far as is needed to change parts of it, and written again for the runtime below, which judges
// the rest. Plain values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace berth::oci_runtime {

struct GivenOption {
  std::string name;                  // "--bundle"; a short form is resolved when it is known
  std::optional<std::string> value;  // of options that take one, or as written after '='
};

struct CommandLine {
  std::vector<GivenOption> globals;
  std::string command;  // empty when there is none
  std::vector<GivenOption> options;
  std::vector<std::string> operands;

  // The last value given; nothing when the option was not given. A switch has the value "true".
  static std::optional<std::string> value(const std::vector<GivenOption>& options, std::string_view name);
  std::optional<std::string> global(std::string_view name) const { return value(globals, name); }
  std::optional<std::string> option(std::string_view name) const { return value(options, name); }
  bool has(std::string_view name) const { return option(name).value_or("false") != "false"; }
  // Gives an option another value, wherever and however often it was given, or adds it.
  void set_option(std::string_view name, std::string value);

  // The words for the runtime at `program` which keeps its state in `root`.
  std::vector<std::string> words_for(const std::string& program, const std::string& root) const;
};

// Fails with Usage when an option that takes a value has none.
Result<CommandLine> parse_command_line(const std::vector<std::string>& words);

}  // namespace berth::oci_runtime
