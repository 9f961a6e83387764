#include "berth/run_options.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "berth/commands.h"
#include "cli/output.h"
#include "cli/units.h"
#include "engine/backtrace.h"
#include "engine/demangle.h"

namespace berth::cli {

using engine::printable;

std::unexpected<Stop> stop(const UsageError& error) { return std::unexpected(Stop{usage_error(error)}); }
std::unexpected<Stop> stop(std::string_view message, std::string_view hint) {
  print_error(message, hint);
  return std::unexpected(Stop{kExitFailure});
}

std::string file_name(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

OrStop<RunOptions> read_run_options(const Arguments& arguments) {
  RunOptions o;
  auto bad = [&](std::string_view option, std::string_view value, std::string hint) {
    return stop(UsageError{std::string(option) + ": cannot read " + std::string(value), std::move(hint)});
  };
  if (auto wrong = read_features(arguments, o.config.features)) return stop(*wrong);
  o.config.tier = engine::Tier::Auto;
  if (auto wrong = read_tier(arguments, o.config)) return stop(*wrong);
  o.config.deterministic = arguments.has("--deterministic");
  if (const auto text = arguments.value("--fuel")) {
    const auto fuel = parse_count(*text);
    if (!fuel || *fuel > (~u64{0} >> 1)) return bad("--fuel", *text, "it takes a number: --fuel 1000000");
    o.fuel = *fuel;
    o.config.fuel = true;
  }
  if (const auto text = arguments.value("--timeout")) {
    o.timeout = parse_duration(*text);
    if (!o.timeout) return bad("--timeout", *text, "it takes a time with its unit: 500ms, 1.5s, 2m");
  }
  if (const auto text = arguments.value("--max-memory")) {
    const auto size = parse_size(*text);
    if (!size) return bad("--max-memory", *text, "it takes a size with its unit: 512KiB, 64MiB, 2GiB");
    o.limits.memory_bytes = *size;
    o.limits.heap_bytes = *size;
  }
  if (const auto text = arguments.value("--stack-size")) {
    const auto size = parse_size(*text);
    if (!size || *size < 4096)
      return bad("--stack-size", *text, "it takes a size with its unit, at least 4KiB: 512KiB, 64MiB");
    o.limits.stack_bytes = *size;
  }
  for (const auto text : arguments.values("--preload")) {
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals + 1 == text.size()) {
      return bad("--preload", text, "it takes a name and a file: --preload env=env.wasm");
    }
    o.preloads.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return o;
}

OrStop<RunGrants> read_run_grants(const Arguments& arguments, const std::string& path) {
  RunGrants g;
  const auto& operands = arguments.operands();
  g.args.emplace_back(arguments.value("--argv0").value_or(path == "-" ? "-" : file_name(path)));
  if (!arguments.has("--invoke")) g.args.insert(g.args.end(), operands.begin() + 1, operands.end());

  if (arguments.has("--inherit-env")) {
    for (char** variable = environ; *variable; ++variable) {
      if (**variable != '=' && **variable != 0) g.environment.emplace_back(*variable);
    }
  }
  for (const auto text : arguments.values("--env")) {
    if (text.empty() || text[0] == '=') {
      return stop(
          UsageError{"--env: a variable has no name", "--env NAME=VALUE, or --env NAME for the value it has here"});
    }
    std::string variable(text);
    if (variable.find('=') == std::string::npos) {
      const char* value = std::getenv(variable.c_str());
      if (!value) continue;  // not set here, so not set there
      variable += std::string("=") + value;
    }
    // The last one counts.
    const std::string_view name = std::string_view(variable).substr(0, variable.find('=') + 1);
    std::erase_if(g.environment, [&](const std::string& v) { return v.starts_with(name); });
    g.environment.push_back(std::move(variable));
  }
  for (const auto text : arguments.values("--dir")) {
    auto grant = hostio::parse_directory_grant(text);
    if (!grant) return stop(UsageError{"--dir: " + grant.error().detail(), {}});
    g.directories.push_back(std::move(*grant));
  }
  for (const auto text : arguments.values("--tcp-listen")) g.listening.emplace_back(text);
  return g;
}

Stop report_end(const runtime::Unwind& unwind, const ModuleName& name) {
  if (unwind.kind == runtime::UnwindKind::Exit) return Stop{unwind.exit_code & 0xFF};
  std::string message;
  std::string_view hint;
  if (unwind.kind == runtime::UnwindKind::Exception) {
    message = "uncaught exception";
  } else {
    message = "trap: " + std::string(abi::trap_text(unwind.trap));
    if (unwind.trap == abi::TrapCode::OutOfFuel) hint = "--fuel sets how much work is allowed";
    if (unwind.trap == abi::TrapCode::Interrupted) hint = "--timeout sets how much time is allowed";
    if (unwind.trap == abi::TrapCode::StackExhausted) hint = "--stack-size sets how much calls may nest";
    if (unwind.trap == abi::TrapCode::GcHeapExhausted) hint = "--max-memory sets how much memory is allowed";
  }
  if (!unwind.message.empty()) message += ": " + printable(unwind.message, 1000);
  message += "\n" + engine::render_backtrace(unwind.backtrace, name);
  while (message.ends_with('\n')) message.pop_back();
  print_error(message, hint);
  return Stop{kExitTrap};
}

std::unexpected<Stop> report_failure(const Arguments& arguments, const runtime::InstantiationFailure& failure,
                                     std::string_view path, const ModuleName& name) {
  if (auto* unwind = std::get_if<std::unique_ptr<runtime::Unwind>>(&failure))
    return std::unexpected(report_end(**unwind, name));
  const Error& error = std::get<Error>(failure);
  std::string_view hint;
  if (error.kind() == ErrorKind::Limit && arguments.has("--max-memory")) hint = "--max-memory raises the limit";
  return stop("cannot start " + printable(path) + ": " + error.to_string(), hint);
}

}  // namespace berth::cli
